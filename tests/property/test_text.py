"""Reading messages: whatever the octets, no error, and text that is fit to be shown and stored."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.mime import headers
from poparchive.mime.charset import decode
from poparchive.mime.dates import epoch
from poparchive.mime.headers import Block
from poparchive.mime.html import text_of
from poparchive.mime.structure import parse
from poparchive.mime.text import effective_date, extract, printable
from poparchive.mime.words import decode_field

UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
FIELDS = [
    b"Subject: ",
    b"From: ",
    b"To: ",
    b"Date: Mon, 1 Jan 2001 00:00:00 +0000",
    b"Received: x; ",
    b"Message-ID: <a@b>",
    b"Content-Type: multipart/mixed; boundary=b",
    b"Content-Type: multipart/alternative; boundary=b",
    b"Content-Type: text/html; charset=utf-7",
    b"Content-Type: text/plain; charset=iso-2022-jp",
    b"Content-Type: text/plain; charset=utf-16; name=",
    b"Content-Type: message/rfc822",
    b"Content-Transfer-Encoding: base64",
    b"Content-Transfer-Encoding: quoted-printable",
    b"Content-Disposition: attachment; filename*0*=utf-8''%C5",
]
TOKENS = [
    *FIELDS,
    *[
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"--b\r\n",
        b"--b--",
        b" ",
        b"\t",
        b'"',
        b"\0",
        b"\x1b$B",
    ],
    *[b"=?utf-8?q?=C5?=", b"=?x?b?A?=", b"=C5", b"+2AA-", b"\xed\xa0\x80", b"\xc5\xbc", b"\xb3"],
    *[b"<p>", b"<!--", b"<p hidden>", b"&#xd800;", b"begin 644 x\n", b"YWJj", b"99999999999"],
]
LABELS = ["utf-8", "utf-7", "utf-16", "utf-32", "hz", "gb18030", "iso-2022-jp", "big5", "cp1250"]
octets = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=4)), max_size=40).map(b"".join),
)
labels = st.one_of(
    st.text(max_size=12),
    st.sampled_from(LABELS),
)


def assert_fit(text: str, *, one_line: bool = False) -> None:
    text.encode()
    assert not UNWANTED.search(text)
    assert not (one_line and ("\n" in text or "\t" in text))


@settings(max_examples=400, deadline=None)
@given(octets)
def test_any_octets_can_be_read(raw: bytes) -> None:
    """extract and printable never raise, and every text encodes and holds no controls."""
    found = extract(raw)
    for text in (found.subject, found.sender, found.recipients, found.copies, found.message_id):
        assert_fit(text, one_line=True)
    for name in found.attachment_names:
        assert_fit(name, one_line=True)
    assert_fit(found.body)
    assert_fit(printable(found))
    assert effective_date(found, 1_000_000_000) >= 0
    assert extract(raw) == found


@settings(max_examples=200, deadline=None)
@given(octets, st.binary(max_size=8))
def test_any_block_has_facts(block: bytes, name: bytes) -> None:
    """A field's value is one line of the block's octets; what it says of a part is fit for use."""
    fields = Block(block)
    for value in (fields.first(name), *fields.all(b"subject")):
        assert b"\r" not in value
        assert b"\n" not in value
    for part in parse(block).leaves():
        found = part.about.name
        assert found is None or 0 < len(found) <= headers.MAX_NAME_CHARS
        assert_fit(part.type + part.about.placed + (found or ""), one_line=True)


@settings(max_examples=200, deadline=None)
@given(octets, labels)
def test_any_octets_can_be_decoded(raw: bytes, label: str) -> None:
    """Charsets, encoded words, HTML and dates take any input."""
    text = decode(raw, label)
    assert_fit(text)
    assert_fit(decode_field(raw), one_line=True)
    text_of(text).encode()
    assert (epoch(text) or 0) >= 0


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["C"]), max_size=50))
def test_utf8_survives(text: str) -> None:
    """Text in UTF-8 comes out as it went in, labelled or not."""
    assert decode(text.encode(), "utf-8") == text
    assert decode(text.encode()) == text


plain_lines = st.lists(
    st.sampled_from(
        ["alpha", "beta gamma", "Note: delta", "  epsilon", "", " ", "\t", "-- zeta", "eta:"]
    ),
    max_size=6,
)
line_ends = st.sampled_from([b"\r\n", b"\n"])


@given(plain_lines, line_ends, line_ends, st.sampled_from(["", " ", "\t"]), st.booleans())
def test_no_word_of_a_body_is_lost(
    lines: list[str], end: bytes, header_end: bytes, between: str, in_part: bool
) -> None:
    """Whatever stands between header and body, in a message and in a part, each word behind it is found."""
    said = [between, *lines]
    body = b"".join(line.encode() + end for line in said)
    raw = b"Content-Type: text/plain" + header_end + body
    if in_part:
        raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + raw + b"--b--\n"
    assert extract(raw).body.split() == " ".join(said).split()
