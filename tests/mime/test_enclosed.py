"""Text that is wrapped in formats of its own: winmail.dat, RTF, S/MIME, calendars. All of it is made up."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.mime import calendar, pkcs7, rtf, tnef
from poparchive.mime.text import extract


def attribute(kind: int, value: bytes, level: int = 1) -> bytes:
    return struct.pack("<BHHI", level, kind, 0, len(value)) + value + b"\0\0"


def prop(kind: int, number: int, value: bytes, name: bytes = b"") -> bytes:
    head = struct.pack("<HH", kind, number) + name
    if kind in (0x1E, 0x1F, 0x102):
        return head + struct.pack("<II", 1, len(value)) + value + b"\0" * (-len(value) % 4)
    return head + value


def props(*found: bytes) -> bytes:
    return struct.pack("<I", len(found)) + b"".join(found)


NAMED = b"g" * 16 + struct.pack("<II", 1, 6) + "ab\0".encode("utf-16-le") + b"\0\0"


def stored(text: bytes) -> bytes:
    """RTF in the container, not compressed."""
    return struct.pack("<II4sI", len(text) + 12, len(text), b"MELA", 0) + text


def compressed(text: bytes) -> bytes:
    """RTF compressed with one reference: to the text's first octets, which the dictionary has."""
    assert text.startswith(b"{\\rtf1")
    octets = bytes([0b00000001]) + struct.pack(">H", 0 << 4 | 4)
    literals = text[6:]
    for octet in literals[:7]:
        octets += bytes([octet])
    for at in range(7, len(literals), 8):
        octets += b"\0" + literals[at : at + 8]
    return struct.pack("<II4sI", len(octets) + 12, len(text), b"LZFu", 0) + octets


RTF = rb"{\rtf1\ansi\ansicpg1250{\fonttbl{\f0 Arial;}}\pard Za\'bf\'f3\'b3\'e6 \u322? \b word\par next\par}"
FROM_HTML = (
    rb"{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\b\htmlrtf0 Seen {\*\htmltag84 <b>}here"
    rb"\htmlrtf }\htmlrtf0 {\*\mhtmltag84 <i>}\htmlrtf unseen\htmlrtf0 {\*\htmltag72 </p>}}"
)


def winmail(*attributes: bytes) -> bytes:
    return tnef.SIGNATURE + b"\1\0" + b"".join(attributes)


FILES = (
    attribute(0x9002, b"\0" * 14, 2)
    + attribute(0x8010, b"REPORT~1.PDF\0", 2)
    + attribute(0x800F, b"content", 2)
    + attribute(0x9005, props(prop(0x1F, 0x3707, "żółty raport.pdf\0".encode("utf-16-le"))), 2)
    + attribute(0x9002, b"\0" * 14, 2)
    + attribute(0x8010, b"plain.txt\0", 2)
)
EVERYTHING = winmail(
    attribute(0x9007, struct.pack("<II", 1250, 0)),
    attribute(0x8004, b"Pos\xb3aniec\0"),
    attribute(
        0x9003,
        props(
            prop(3, 0x0017, b"\1\0\0\0"),
            prop(0x1E, 0x8001, b"named\0", NAMED),
            prop(0x40, 0x0039, b"\0" * 8),
            prop(0x1002, 0x1234, struct.pack("<I", 2) + b"\0" * 8),
            prop(0x102, 0x1009, compressed(RTF)),
        ),
    ),
    FILES,
)


def test_a_winmail_dat_is_read() -> None:
    """Subject, RTF body and attachments with their long names, in the sender's code page."""
    found = tnef.read(EVERYTHING)
    assert found is not None
    assert found.subject == "Posłaniec"
    assert found.text.split() == ["Zażółć", "ł", "word", "next"]
    assert [(a.name, a.content) for a in found.attachments] == [
        ("żółty raport.pdf", b"content"),
        ("plain.txt", b""),
    ]


@pytest.mark.parametrize(
    ("bodies", "text"),
    [
        ([prop(0x1F, 0x1000, "plain ż\0".encode("utf-16-le"))], "plain ż"),
        ([prop(0x102, 0x1013, b"<p>of <b>html</b><style>x</style>")], "of html"),
        ([prop(0x102, 0x1009, stored(FROM_HTML))], "Seen here"),
        ([prop(0x1E, 0x1000, b"\0"), prop(0x102, 0x1009, stored(RTF))], "Zażółć ł word next"),
        ([], "old body"),
    ],
)
def test_the_best_body_is_taken(bodies: list[bytes], text: str) -> None:
    """Plain text, else HTML, else RTF, which may hold HTML, else the attribute of old clients."""
    raw = winmail(attribute(0x800C, b"old body\0"), attribute(0x9003, props(*bodies)))
    found = tnef.read(raw)
    assert found is not None
    assert " ".join(found.text.split()) == text


def test_a_message_with_a_winmail_dat_is_found_by_what_is_in_it() -> None:
    """Its text is the message's text, and its files are attachments."""
    raw = (
        b"Subject: x\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(EVERYTHING)
    )
    found = extract(raw)
    assert "Zażółć" in found.body
    assert found.attachment_names == ("winmail.dat", "żółty raport.pdf", "plain.txt")
    assert {"pdf", "txt", "tnef"} <= set(found.attachment_types)


@given(st.integers(0, len(EVERYTHING)), st.binary(max_size=40))
def test_a_damaged_winmail_dat_gives_what_stands_before(at: int, tail: bytes) -> None:
    """Cut and continued by anything, it never raises."""
    found = tnef.read(EVERYTHING[:at] + tail)
    assert found is None or len(found.text) < 1_000


@given(st.binary(max_size=300))
def test_any_rtf(octets: bytes) -> None:
    """Any octets are some RTF, decompressed or not."""
    text, _ = rtf.text_of(rb"{\rtf1" + octets)
    text.encode()
    assert len(rtf.decompress(struct.pack("<II4sI", 0, 1000, b"LZFu", 0) + octets)) <= 1000


def test_decompression_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bomb gives no more than is allowed, and overlapping references repeat."""
    run = struct.pack("<II4sI", 0, 1 << 31, b"LZFu", 0) + b"\0abcdefgh" + b"\xff" + b"\x00\x0f" * 8
    octets = rtf.decompress(run)
    assert octets.startswith(b"abcdefgh{\\rtf1\\ansi\\mac")
    monkeypatch.setattr(rtf, "MAX_BYTES", 50)
    assert rtf.decompress(run) == octets[:50]
    assert rtf.decompress(b"short") == rtf.decompress(b"\0" * 8 + b"NONE" + b"\0" * 8) == b""


def test_two_unicode_halves_are_one_character() -> None:
    """Characters beyond the first plane come as surrogates."""
    assert rtf.text_of(rb"{\rtf1 \u-10179?\u-8704? \uc2\u322ab\{x\}\~y}")[0] == "\U0001f600 ł{x} y"


def der(tag: int, *inner: bytes) -> bytes:
    content = b"".join(inner)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes(3, "big")
    return bytes([tag, 0x83]) + length + content


def ber(tag: int, *inner: bytes) -> bytes:
    """With a length that is not said."""
    return bytes([tag, 0x80]) + b"".join(inner) + b"\0\0"


SIGNED, DATA, ENVELOPED = (bytes.fromhex(f"2a864886f70d01070{n}") for n in (2, 1, 3))
INSIDE = b"Content-Type: text/plain; charset=utf-8\r\n\r\nSigned words: \xc5\xbc\r\n" + b"x" * 200


def signed(wrap=der) -> bytes:  # type: ignore[no-untyped-def]
    if wrap is der:
        content = der(0x04, INSIDE)
    else:
        content = wrap(0x24, *[der(0x04, INSIDE[at : at + 50]) for at in range(0, len(INSIDE), 50)])
    return bytes(
        wrap(
            0x30,
            der(0x06, SIGNED),
            wrap(
                0xA0,
                wrap(
                    0x30,
                    der(0x02, b"\1"),
                    der(0x31, der(0x30, der(0x06, b"\x60"))),
                    wrap(0x30, der(0x06, DATA), wrap(0xA0, content)),
                    der(0xA0, b"certificates"),
                    der(0x31, der(0x30, der(0x04, b"signature"))),
                ),
            ),
        )
    )


def mail(content: bytes) -> bytes:
    return (
        b"Subject: x\r\nContent-Type: application/pkcs7-mime; name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(content)
    )


@pytest.mark.parametrize("wrap", [der, ber])
def test_what_is_signed_as_a_whole_is_read(wrap) -> None:  # type: ignore[no-untyped-def]
    """The part inside is read, whichever way lengths are written; without a type it is known by itself."""
    assert pkcs7.read(signed(wrap)) == ("signed", INSIDE)
    found = extract(mail(signed(wrap)))
    assert found.body.startswith("Signed words: ż")
    assert (found.signed, found.encrypted) == (True, False)


def test_what_is_enveloped_is_not_read() -> None:
    """An encrypted part is known as one."""
    octets = der(0x30, der(0x06, ENVELOPED), der(0xA0, der(0x30, der(0x02, b"\0"))))
    assert pkcs7.read(octets) == ("encrypted", None)
    found = extract(mail(octets))
    assert (found.signed, found.encrypted, found.body) == (False, True, "")


@given(st.sampled_from([der, ber]), st.integers(0, 400), st.binary(max_size=30))
def test_damaged_pkcs7_never_raises(wrap, at: int, tail: bytes) -> None:  # type: ignore[no-untyped-def]
    """Cut anywhere and continued by anything."""
    found = pkcs7.read(signed(wrap)[:at] + tail)
    assert found.inside is None or len(found.inside) <= len(INSIDE) + 30


def test_nested_lengths_take_no_quadratic_time() -> None:
    """A megabyte of values that open and never end is read at once."""
    assert pkcs7.read(b"\x30\x80" * 500_000) == ("", None)
    assert pkcs7.read(signed(ber)[:-20] + b"\x24\x80" * 500_000).kind == "signed"


INVITATION = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VTIMEZONE
TZID:Europe/Warsaw
COMMENT:rules of summer
END:VTIMEZONE
BEGIN:VEVENT
DTSTART:20240301T100000Z
SUMMARY;LANGUAGE=pl:Żółty ponie
 działek\\, 8 rano
LOCATION:Room 4\\; second floor
DESCRIPTION:First line\\nSecond\\\\line
ORGANIZER;CN="Ewa; Żółw":mailto:ewa@example.org
ATTENDEE;ROLE=REQ-PARTICIPANT;CN=Jan:MAILTO:jan@example.org
ATTENDEE:mailto:ola@example.org
BEGIN:VALARM
DESCRIPTION:Reminder
END:VALARM
END:VEVENT
END:VCALENDAR
"""


def test_a_calendar_is_read_as_a_person_does() -> None:
    """What, where and who, unfolded and unescaped; no alarms, no rules of time zones."""
    assert calendar.text_of(INVITATION).split("\n") == [
        "Żółty poniedziałek, 8 rano",
        "Room 4; second floor",
        "First line",
        "Second\\line",
        "Ewa; Żółw <ewa@example.org>",
        "Jan <jan@example.org>",
        "ola@example.org",
    ]
    assert calendar.text_of("no calendar") == "no calendar"


def test_quoted_printable_in_calendars_and_cards() -> None:
    """As vCalendar 1.0 and vCard 2.1 have it, in the charset that the property says, over several lines."""
    old = (
        "BEGIN:VCALENDAR\nVERSION:1.0\nBEGIN:VEVENT\nSUMMARY;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=C5=BB=C3=\n"
        "=B3=C5=82w=0D=0Asecond\nLOCATION;QUOTED-PRINTABLE:soft=\nbreak\nDESCRIPTION:folded\n at a blank=\n"
        "END:VEVENT\nEND:VCALENDAR\n"
    )
    assert calendar.text_of(old).split("\n") == [
        "Żółw",
        "second",
        "softbreak",
        "folded at a blank=",
    ]
    card = (
        "BEGIN:VCARD\nVERSION:2.1\nFN;CHARSET=ISO-8859-2;ENCODING=QUOTED-PRINTABLE:=AF=F3=B3w\n"
        "PHOTO;ENCODING=BASE64;JPEG:\n AAAA\n BBBB\n\nCATEGORIES:friends\nEND:VCARD\n"
    )
    text = calendar.text_of(card)
    assert "Żółw" in text
    assert "friends" in text
    assert "AAAA" not in text
    assert "BBBB" not in text


def test_a_card_is_unfolded_and_unescaped() -> None:
    card = (
        "BEGIN:VCARD\nVERSION:3.0\nFN:Folded na\n me\nNOTE:one\\ntwo\\, three\nPHOTO:data:image/png;base64,\n"
        " AAAA\nKEY;ENCODING=b;TYPE=x:BBBB\nEND:VCARD\n"
    )
    assert calendar.text_of(card).split("\n") == [
        *(
            "BEGIN:VCARD",
            "VERSION:3.0",
            "FN:Folded name",
            "NOTE:one",
            "two, three",
            "END:VCARD",
            "",
        ),
    ]


@pytest.mark.parametrize("kind", ["text/x-vcard", "text/vcard", "text/x-vcalendar"])
def test_a_card_in_a_message_is_read_as_a_person_does(kind: str) -> None:
    raw = (
        f"Content-Type: {kind}\r\n\r\nBEGIN:VCARD\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:"
        "=C5=BB=C3=B3=\r\n=C5=82w\r\nEND:VCARD\r\n"
    )
    assert "Żółw" in extract(raw.encode()).body


def test_an_invitation_beside_its_text_is_read() -> None:
    """A calendar is no other version of the text, whatever the parts are called."""
    raw = (
        b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\n\r\nLong enough text, which says '
        b"that there will be a meeting.\r\n--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n"
        + INVITATION.replace("\n", "\r\n").encode()
        + b"\r\n--b--\r\n"
    )
    body = extract(raw).body
    assert "meeting" in body
    assert "poniedziałek" in body
    assert "BEGIN" not in body


@given(st.text(alphabet=st.sampled_from(list('ABEGIN:V;="\n \\SUMMARY')), max_size=200))
def test_any_calendar(source: str) -> None:
    """Never raises, and adds little."""
    assert len(calendar.text_of("BEGIN:VCALENDAR\n" + source)) <= len(source) + 20


def test_the_parts_of_a_digest_are_messages() -> None:
    """RFC 2046, section 5.1.5: they need not say so, and what is encoded in them is decoded."""
    inner = (
        b"From: Ewa <ewa@example.org>\r\nSubject: =?utf-8?q?=C5=BB=C3=B3=C5=82w?=\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes("Wieczór".encode())
    )
    message = (
        b"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n" + inner + b"--b\r\n"
        b"Content-Type: text/plain\r\n\r\nNo message: this\r\n--b--\r\n"
    )
    body = extract(message).body
    assert "Subject: Żółw" in body
    assert "Wieczór" in body
    assert "Content-Type" not in body
    assert "No message: this" in body


def test_a_digest_of_digests_ends() -> None:
    """However deep digests are nested, reading them ends."""
    message = b"the end\r\n"
    for depth in range(40):
        mark = b"b%d" % depth
        message = (
            b"Content-Type: multipart/digest; boundary=%s\r\n\r\n--%s\r\n\r\n" % (mark, mark)
            + message
            + b"--%s--\r\n" % mark
        )
    extract(message)
