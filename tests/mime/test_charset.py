"""Decoding octets under labels as mail has them."""

import pytest

from poparchive.mime.charset import clean, codec, decode

POLISH = "Zażółć gęślą jaźń, proszę"


@pytest.mark.parametrize(
    ("label", "encoding", "text"),
    [
        ("utf-8", "utf-8", POLISH),
        ("windows-1250", "cp1250", POLISH),
        ("ISO-8859-2", "iso8859-2", POLISH),
        ("iso_8859-2", "iso8859-2", POLISH),
        ("ibm852", "cp852", POLISH),
        ("x-mac-ce", "mac_latin2", POLISH),
        ("koi8-r", "koi8_r", "Привет, мир"),
        ("windows-1251", "cp1251", "Привет, мир"),
        ("gb2312", "gbk", "汉字與鎔"),
        ("gb18030", "gb18030", "汉字\U0002070e"),
        ("big5", "big5", "漢字中文"),
        ("iso-2022-jp", "iso2022_jp", "日本語テキスト"),
        ("ISO-2022-JP", "iso2022_jp_ext", "ﾊﾝｶｸ"),
        ("Shift_JIS", "cp932", "日本語①"),
        ("euc-jp", "euc_jp", "日本語"),
        ("ks_c_5601-1987", "cp949", "한국어 똠방각하"),
        ("iso-2022-kr", "iso2022_kr", "한국어"),
        ("hz-gb-2312", "hz", "汉字"),
        ("iso-8859-8-i", "iso8859-8", "שלום"),
        ("unicode-1-1-utf-7", "utf-7", POLISH),
        ("utf-16", "utf-16", POLISH + "\n"),
        ("iso-8859-15", "iso8859-15", "Grüße für 5 €"),
        ("us-ascii", "ascii", "plain"),
    ],
)
def test_right_labels_are_believed(label: str, encoding: str, text: str) -> None:
    """Text under its own label comes out as it went in."""
    assert decode(text.encode(encoding), label) == text


@pytest.mark.parametrize("label", ["", "us-ascii", "iso-8859-1", "x-unknown", "default", "cp437"])
def test_utf8_needs_no_label(label: str) -> None:
    """Valid UTF-8 is read as such under no label, an unknown one or one for single octets."""
    assert decode(POLISH.encode(), label) == POLISH


@pytest.mark.parametrize(
    "label", ["", "us-ascii", "iso-8859-1", "windows-1252", "utf-8", "nonsense"]
)
@pytest.mark.parametrize("encoding", ["cp1250", "iso8859-2"])
def test_polish_under_a_false_label(label: str, encoding: str) -> None:
    """Letters that only Polish has between letters tell windows-1250 and ISO 8859-2 apart."""
    assert decode(POLISH.encode(encoding), label) == POLISH


def test_windows_polish_labelled_iso() -> None:
    """Octets that are no letters in ISO 8859-2 show that the label means windows-1250."""
    assert decode(POLISH.encode("cp1250"), "iso-8859-2") == POLISH


def test_western_text_without_a_label() -> None:
    """What is neither UTF-8 nor Polish is windows-1252, its undefined octets left out."""
    assert decode("Grüße “für” 10 m³".encode("cp1252") + b"\x81\x9d", "") == "Grüße “für” 10 m³"


def test_foreign_octets_in_utf8() -> None:
    """A few foreign octets in UTF-8, as in a list's footer, do not spoil the rest."""
    octets = "Zażółć gęślą jaźń — Grüße".encode() + "\nGrüße".encode("latin-1")
    assert decode(octets, "utf-8") == "Zażółć gęślą jaźń — Grüße\nGrüße"


def test_a_cut_letter_without_a_label() -> None:
    """UTF-8 that ends within a letter is still UTF-8."""
    assert decode("Картинка".encode()[:-1]).startswith("Картинк")


def test_chinese_that_is_valid_utf8_too() -> None:
    """Two letters of GBK may be valid UTF-8; the label decides."""
    octets = "模".encode("gbk")
    assert octets.decode("utf-8")
    assert decode(octets, "gbk") == "模"


def test_utf8_under_a_chinese_label() -> None:
    """UTF-8 labelled gb2312 is found out where it is no valid GB 18030."""
    assert decode("你好！".encode(), "gb2312") == "你好！"


def test_japanese_without_a_label() -> None:
    """The shifts of ISO-2022-JP are seen in text without a label."""
    assert decode("件名: 日本語".encode("iso2022_jp")) == "件名: 日本語"


def test_false_utf16() -> None:
    """Without a NUL there is no line in UTF-16: the text is read as if it had no label."""
    assert decode(b"plain text\r\n", "utf-16") == "plain text\n"


def test_line_ends_and_controls() -> None:
    """Line ends become LF; controls vanish, in each of their spellings; tabs stay."""
    assert decode(b"a\r\nb\rc\n\td\0\x07\x1b[31m\x7f") == "a\nb\nc\n\td[31m"
    assert decode("a\x85b\x9fc\u0100".encode(), "utf-8") == "abc\u0100"
    assert decode(b"a\x07\xe9", "iso-8859-5") == "aщ"
    assert clean("a\ud800b\x00\r\nc") == "ab\nc"


def test_no_lone_surrogates() -> None:
    """Surrogates in UTF-7 or encoded as UTF-8 do not reach the text."""
    decode(b"+2AA-", "utf-7").encode()
    decode(b"\xed\xa0\x80", "utf-8").encode()


@pytest.mark.parametrize(
    "label", ["punycode", "idna", "unicode_escape", "zlib", "hex", "rot13", "x" * 9999]
)
def test_codecs_that_are_no_charsets(label: str) -> None:
    """Python's codecs that are slow, or no charsets at all, cannot be asked for by mail."""
    assert codec(label) is None
    assert decode(b"a\\u0041", label) == "a\\u0041"


RUSSIAN = "Договор об аренде помещения и другие документы"
GREEK = "Σας στέλνω την προσφορά που ζητήσατε χθες"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp1251"),
        (GREEK, "cp1253"),
        ("שלום לכולם, מצורפת ההצעה", "cp1255"),
        ("附件是本月的发票，请查收。", "gb18030"),
        ("これは日本語のメールです。添付を", "euc_jp"),
        ("첨부한 견적서를 확인해 주세요", "cp949"),
        ("Grüße aus Köln, bis später", "cp1252"),
        ("Été à Noël, ça va", "cp1252"),
    ],
)
@pytest.mark.parametrize("label", ["", "us-ascii", "iso-8859-1"])
def test_text_without_a_label(text: str, name: str, label: str) -> None:
    """Octets that no label explains are told by which of them come how often."""
    assert decode(text.encode(name), label) == text


@pytest.mark.parametrize(
    ("text", "name", "label"),
    [
        ("Sąd dał wyrok", "cp1250", "iso-8859-2"),
        ("Źle i ślisko są", "cp1250", "iso-8859-2"),
        ("Sąd dał wyrok, proszę", "iso8859-2", "windows-1250"),
        ("Škoda a další věci", "iso8859-2", "iso-8859-2"),
        ("Škoda a další věci", "cp1250", "iso-8859-2"),
        ("Škoda a další věci ± 3", "cp1250", "windows-1250"),
        ("简体字和镕", "gb18030", "gb2312"),
        ("Zażółć ~ +", "utf-7", "unicode-1-1-utf-7"),
        ("半角ｶﾅ", "iso2022_jp_ext", "iso-2022-jp"),
    ],
)
def test_labels_that_lie_a_little(text: str, name: str, label: str) -> None:
    """Charsets that are taken for each other: text is what was written."""
    assert decode(text.encode(name), label) == text


def test_japanese_with_windows_letters() -> None:
    """Outlook writes letters into ISO-2022-JP that the standard does not have."""
    octets = b'\x1b$B-!-j%+\x1b(B abc \x1b$B$"\x1b(B'
    assert decode(octets, "iso-2022-jp") == "①㈱カ abc あ"
