"""Encoded words, as RFC 2047 has them and as mailers write them."""

import pytest

from poparchive.mime.words import decode_field


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b"folded\r\n  twice\r\n\tover", "folded twice over"),
        (b"=?utf-8?q?Za=C5=BC=C3=B3=C5=82=C4=87?=", "Zażółć"),
        (b"=?utf-8?q?two_words?=", "two words"),
        (b"a =?utf-8?q?=C5=BC?= b =?UTF-8?B?xbw=?=  =?utf-8?q?y?= c", "a ż b ży c"),
        (b"=?utf-8?q?=C5?=\r\n =?utf-8?q?=BC?=", "ż"),
        (b"=?iso-8859-2?q?=BF?= =?utf-8?q?=C5=BC?=", "żż"),
        (b"=?utf-8*pl?q?=C5=BC?=", "ż"),
        (b"=?utf-8?B?xbzFvA?=", "żż"),
        (b"=?utf-8?B?xbzFvA===?=", "żż"),
        (b"=?utf-8?B?xbzF vA==?=", "żż"),
        (b"x=?utf-8?q?=C5=BC?=y", "xży"),
        (b"=?utf-8?q?with space?=", "with space"),
        (b"=?utf-8?q?what??=", "what?"),
        (b'"=?utf-8?q?Kowalska=2C_Ewa?=" <e@example.org>', '"Kowalska, Ewa" <e@example.org>'),
        (b"=?x-unknown?q?=C5=BC?=", "ż"),
        (b"=?utf-8?q?broken", "broken"),
        (b"=?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=", "日本語"),
        (b"=?utf-8?q?a=00b=1B[31mc=0D=0AX?=", "ab[31mc X"),
        (b"Za\xbf\xf3\xb3\xe6 g\xea\xb6l\xb1", "Zażółć gęślą"),
        ("żółć".encode(), "żółć"),
        (b"", ""),
    ],
)
def test_decoding(raw: bytes, text: str) -> None:
    """Words are decoded wherever they stand; what is none stays as it is."""
    assert decode_field(raw) == text


def test_bare_octets_are_in_the_charset_of_the_text() -> None:
    """A field without a label has the text's, unless it is UTF-8."""
    assert decode_field("Договор".encode("koi8-r"), "koi8-r") == "Договор"
    assert decode_field("发票".encode("gbk"), "gb2312") == "发票"
    assert decode_field("发票".encode(), "gb2312") == "发票"
    assert decode_field(b"=?utf-8?q?a?= " + "发票".encode("gbk"), "gb2312") == "a 发票"


def test_a_word_that_is_cut_off() -> None:
    """Where a field was cut inside an encoded word, what is there is decoded."""
    assert decode_field(b"=?utf-8?b?WmHFvMOzxYI=") == "Zażół"
    assert decode_field(b"Re: =?utf-8?q?Za=C5=BC_x") == "Re: Zaż x"
    assert decode_field(b"=?utf-8?q?a?= =?utf-8?b?xbw") == "aż"
