"""What is read out of whole messages. All mail here is made up."""

import base64

import pytest

from poparchive.mime import body, text, transfer
from poparchive.mime.structure import parse
from poparchive.mime.text import Extract, ParseStatus, effective_date, extract, printable

PLAIN = (
    b"Received: from a.example by b.example; Tue, 2 Jan 2001 00:00:00 +0000\r\n"
    b"Received: from c.example; Mon, 1 Jan 2001 00:00:00 +0000\r\n"
    b"From: =?utf-8?q?Ewa_=C5=BB=C3=B3=C5=82w?= <ewa@example.org>\r\n"
    b'To: "Jan K." <jan@example.org>, ola@example.org\r\n'
    b"Cc: office@example.org\r\n"
    b"Subject: A short\r\n note\r\n"
    b"Date: Mon, 1 Jan 2001 01:00:00 +0100\r\n"
    b"Message-ID: <note-1@example.org>\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"\r\n"
    b"Hello,\r\n\r\nza\xc5\xbc\xc3\xb3\xc5\x82\xc4\x87\r\n"
)


def multipart(kind: str, *parts: bytes) -> bytes:
    inner = b"".join(b"--=_b\r\n" + part + b"\r\n" for part in parts)
    return (
        b"From: a@example.org\r\nSubject: s\r\nDate: Mon, 1 Jan 2001 00:00:00 +0000\r\n"
        b"Message-ID: <m@example.org>\r\n"
        + f'Content-Type: multipart/{kind}; boundary="=_b"\r\n\r\n'.encode()
        + inner
        + b"--=_b--\r\n"
    )


def test_plain_message() -> None:
    """Every field of an ordinary message."""
    assert extract(PLAIN) == Extract(
        subject="A short note",
        sender="Ewa Żółw <ewa@example.org>",
        recipients="Jan K. <jan@example.org>, ola@example.org",
        copies="office@example.org",
        message_id="note-1@example.org",
        date=978307200,
        received=" Tue, 2 Jan 2001 00:00:00 +0000",
        body="Hello,\n\nzażółć\n",
        attachment_names=(),
        status=ParseStatus.OK,
        language="pl",
    )


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r\n"])
def test_line_ends(end: bytes) -> None:
    """Any line end gives the same reading."""
    assert extract(PLAIN.replace(b"\r\n", end)) == extract(PLAIN)


def test_mbox_separator_before_the_header() -> None:
    """A separator line that a server kept is no part of the header; a From field is."""
    assert extract(b"From ewa@example.org Mon Jan  1 00:00:00 2001\r\n" + PLAIN) == extract(PLAIN)
    assert extract(b"From : ewa@example.org\r\nSubject: x\r\n\r\n").sender == "ewa@example.org"


def test_a_line_that_is_no_field() -> None:
    """Fields and parts behind a line that is no field are found."""
    raw = multipart("mixed", b"\r\nword").replace(b"Subject:", b"no field at all\r\nSubject:")
    found = extract(raw)
    assert (found.subject, found.message_id) == ("s", "m@example.org")
    assert found.body.split() == ["no", "field", "at", "all", "word"]
    assert found.status is ParseStatus.OK


BETWEEN = [b"\r\n", b" \r\n", b"", b"\t\r\n", b"\n", b"\r\r\n", b" \n \n"]
"""What stands where an empty line belongs."""


@pytest.mark.parametrize("header_end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("between", BETWEEN)
def test_body_without_an_empty_line(between: bytes, header_end: bytes) -> None:
    """Words behind the last field are the body, though no empty line says so, and with all paragraphs."""
    header = b"From: a@example.org\r\nSubject: s\r\n".replace(b"\r\n", header_end)
    for words in (b"Many words here.\r\n", b"Many words\r\n\r\nhere.\r\n", b"Many\n\nwords here."):
        found = extract(header + between + words)
        assert (found.subject, found.body.split()) == ("s", ["Many", "words", "here."])
    assert extract(b"Subject: s\r\n").body == ""


@pytest.mark.parametrize("fields", [b"", b"Content-Type: text/plain\r\n"])
@pytest.mark.parametrize("between", BETWEEN)
def test_part_without_an_empty_line(between: bytes, fields: bytes) -> None:
    """The same is true of a part, also of one without a field."""
    parts = (b"First words\r\nof it.", b"First words\r\n\r\nof it.", b"Note: milk")
    for words in parts:
        body = extract(multipart("mixed", fields + between + words, b"\r\nother")).body
        if fields and not between and words.startswith(b"Note"):
            continue  # right behind fields that is one more
        assert body.split() == [*words.decode().split(), "other"]


@pytest.mark.parametrize("between", [b" \r\n", b"", b"Preamble.\r\n", b" \r\nPreamble.\r\n"])
def test_parts_without_an_empty_line_before_them(between: bytes) -> None:
    """A multipart's boundary ends its header, and no part is lost."""
    raw = b"Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n" + between
    qp = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    found = extract(raw + b"--b\r\n" + qp + b"o=6Ee\r\n--b\r\n\r\ntwo\r\n--b--\r\n")
    assert found.body.split()[-2:] == ["one", "two"]


def test_header_lines_that_are_text_too() -> None:
    """Where fields follow a line that is none, they count, and what else stands among them is text."""
    raw = (
        b"From: a@example.org\r\nSubject: first\r\nbroken rest\r\nTo: b@example.org\r\n folded\r\n"
        b"Note: milk\r\nX-Mailer: none\r\nSubject: second\r\n\r\nbody"
    )
    found = extract(raw)
    assert (found.subject, found.recipients) == ("first", "b@example.org folded")
    assert found.body.split() == ["broken", "rest", "Note:", "milk", "Subject:", "second", "body"]
    folded = extract(b"Subject: one\r\n \r\n\ttwo\r\nTo: b@example.org\r\n\r\nbody")
    assert (folded.subject.split(), folded.recipients, folded.body) == (
        ["one", "two"],
        "b@example.org",
        "body",
    )
    forwarded = extract(
        b"From: a@example.org\r\nSubject: Fwd\r\nLook:\r\nSee\r\nFrom: boss\r\nSubject: pay\r\n\r\nx"
    )
    assert {"boss", "pay"} <= set(forwarded.body.split())


@pytest.mark.parametrize(
    ("field", "sender"),
    [
        ("ewa@example.org", "ewa@example.org"),
        ('"Ewa" <ewa@example.org>', "Ewa <ewa@example.org>"),
        ('"Kowalska, Ewa" <ewa@example.org>', '"Kowalska, Ewa" <ewa@example.org>'),
        ("ewa@example.org (Ewa K.)", "Ewa K. <ewa@example.org>"),
        ("<ewa@example.org> (Ewa)", "Ewa <ewa@example.org>"),
        ('"ewa k"@example.org', '"ewa k"@example.org'),
        ("=?utf-8?q?Ewa=2C_K=2E?= <ewa@example.org>", "Ewa, K. <ewa@example.org>"),
        ("=?utf-8?B?xbzFvA?= <ewa@example.org>", "żż <ewa@example.org>"),
        ("not an address", "not an address"),
        ("", ""),
    ],
)
def test_sender(field: str, sender: str) -> None:
    """The sender as Name <address>, however it was written."""
    assert extract(f"From: {field}\r\nSubject: x\r\n\r\n".encode()).sender == sender


def test_several_fields() -> None:
    """Of Subject the first counts, of To all do; without From there is the Sender."""
    raw = b"Subject: 1\nSUBJECT: 2\nTo: a@x\nto: b@x,\n c@x\nTo: =?utf-8?q?=C5=BC?= <d@x>\nSender: s@x\n\n"
    found = extract(raw)
    assert found.subject == "1"
    assert found.recipients == "a@x, b@x, c@x, ż <d@x>"
    assert found.sender == "s@x"


@pytest.mark.parametrize(
    "octets",
    ["Za¿ó³æ gê".encode("latin-1"), "Zażółć gę".encode(), "Zażółć gę".encode("iso8859-2")],
)
def test_raw_octets_in_fields(octets: bytes) -> None:
    """Octets beyond ASCII in a field are read as UTF-8, else as Polish, else as windows-1252."""
    assert extract(b"Subject: " + octets + b"\r\n\r\n").subject == "Zażółć gę"
    assert extract(b"Subject: Gr\xfc\xdfe \x93x\x94\r\n\r\n").subject == "Grüße “x”"


@pytest.mark.parametrize(
    ("field", "identifier"),
    [
        ("<a@b>", "a@b"),
        (" <a@b> (comment)", "a@b"),
        ("a@b", "a@b"),
        ("<a@b", "<a@b"),
        ("<>", ""),
        ("", ""),
    ],
)
def test_message_id(field: str, identifier: str) -> None:
    """The Message-ID stands without angle brackets."""
    assert extract(f"Message-ID: {field}\r\nSubject: x\r\n\r\n".encode()).message_id == identifier


def test_controls_never_come_through() -> None:
    """Control characters are left out of all texts, also where words encode them."""
    raw = (
        b"From: =?utf-8?q?a=1B=00b?= <a@b>\r\nSubject: =?utf-8?q?x=1B[31m=0D=0Ay?=\r\n"
        b'Content-Type: text/plain; name="n\x07.txt"\r\n\r\nbo\x00dy\x1b[0m\x9b\r\n'
    )
    found = extract(raw)
    assert found.sender == "ab <a@b>"
    assert found.subject == "x[31m y"
    assert found.body == "body[0m›\n"
    assert found.attachment_names == ("n.txt",)


def test_html_alone_is_read() -> None:
    """HTML is turned to text, in the charset of its own meta element where the field has none."""
    source = "<head><meta charset='iso-8859-2'><title>t</title></head><p>Zażółć</p>"
    raw = b"Subject: x\r\nContent-Type: text/html\r\n\r\n" + source.encode("iso8859-2")
    assert extract(raw).body == "Zażółć"


def test_plain_is_preferred_to_html() -> None:
    """Where both say the same, only the plain part is read."""
    raw = multipart(
        "alternative",
        b"Content-Type: text/plain\r\n\r\nThe whole text in plain words.",
        b"Content-Type: text/html\r\n\r\n<p>The whole text in <b>HTML</b> words.</p>",
    )
    assert extract(raw).body == "The whole text in plain words."


@pytest.mark.parametrize("stub", [b"", b"Get a reader for HTML."])
def test_html_is_read_beside_a_stub(stub: bytes) -> None:
    """A plain part that is missing, empty or a stub does not hide what the HTML part says."""
    page = b"<p>" + b"Many words that the other part has not. " * 20 + b"</p>"
    plain = b"Content-Type: text/plain\r\n\r\n" + stub
    related = b"Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\n"
    html = b"Content-Type: text/html\r\n\r\n" + page + b"\r\n--r--"
    found = extract(multipart("alternative", plain, related + html))
    assert "Many words" in found.body
    assert stub.decode() in found.body


def test_rtf_is_read() -> None:
    """RTF without a name is text: the whole body, a part, and another version of a plain part. With a name
    it is a file, which the text of attachments has."""
    rtf = b"Content-Type: text/rtf%s\r\n\r\n{\\rtf1\\ansi\\b words\\b0  of \\'e9t\\'e9}\r\n"
    assert extract(b"Subject: s\r\n" + rtf % b"").body.split() == ["words", "of", "été"]
    assert extract(multipart("mixed", b"\r\nplain", rtf % b"")).body.split()[1:] == [
        "words",
        "of",
        "été",
    ]
    said = extract(multipart("alternative", b"\r\nwords of more", rtf % b""))
    assert (said.body, said.beside.split()) == ("words of more", ["words", "of", "été"])
    named = extract(multipart("mixed", b"\r\nplain", rtf % b"; name=a.rtf"))
    assert (named.body, named.attachment_names) == ("plain", ("a.rtf",))


def test_html_that_says_the_same_is_not_read_twice() -> None:
    """A short text beside an HTML part that is large only by its markup."""
    html = b"<p style='" + b"margin:0;" * 100 + b"'>Thank <b>you</b></p>"
    found = extract(
        multipart(
            "alternative",
            b"Content-Type: text/plain\r\n\r\nThank you",
            b"Content-Type: text/html\r\n\r\n" + html,
        )
    )
    assert found.body == "Thank you"


def test_attachments() -> None:
    """Attachments are named in their order, nameless ones by nothing, and their text is not read."""
    found = extract(
        multipart(
            "mixed",
            b"\r\nThe text.",
            b"Content-Type: application/pdf; name=a.pdf\r\n\r\n%PDF-1.7",
            b"Content-Disposition: attachment; filename*=utf-8''%C5%BC.txt\r\n\r\nsecret",
            b"Content-Type: image/png\r\nContent-ID: <1>\r\n\r\npng",
            b"Content-Type: text/x-patch\r\nContent-Disposition: inline; filename=p.patch\r\n\r\ndiff",
        )
    )
    assert found.attachment_names == ("a.pdf", "ż.txt", "", "p.patch")
    assert found.body == "The text.\ndiff"
    assert found.status is ParseStatus.OK


def test_embedded_messages() -> None:
    """Forwarded messages and reports are read too, encoded or not."""
    inner = b"From: in@example.org\r\nSubject: =?utf-8?q?inn=C4=99r?=\r\n\r\ninner text\r\n"
    found = extract(
        multipart(
            "mixed",
            b"\r\nsee below",
            b"Content-Type: message/rfc822\r\n\r\n" + inner,
            b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; x@example.org",
            b"Content-Type: message/global\r\n\r\n" + inner.replace(b"inner", b"global"),
        )
    )
    for words in ("see below", "Subject: innęr", "inner text", "x@example.org", "global text"):
        assert words in found.body


def test_damaged_base64_is_read_as_far_as_it_goes() -> None:
    """Cut base64, and a list's footer behind it, are read; other parts are not lost."""
    encoded = base64.encodebytes("Zażółć gęślą jaźń, i tak dalej".encode())[:-4]
    part = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    footer = b"\r\n_____\r\nA list's footer, in plain"
    found = extract(multipart("mixed", part + encoded + footer, b"\r\nThe other part"))
    for words in ("Zażółć gęślą jaźń", "A list's footer", "The other part"):
        assert words in found.body
    assert found.status is ParseStatus.PARTIAL


def test_embedded_message_in_damaged_base64() -> None:
    """The text of a message inside damaged base64 is found."""
    inner = base64.encodebytes(b"Subject: i\r\n\r\n" + b"inner words " * 9)[:-3]
    part = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + inner
    assert "inner words" in extract(multipart("mixed", part)).body


def test_multipart_without_boundary() -> None:
    """The body of a multipart message without a boundary is text."""
    raw = b"Subject: x\r\nContent-Type: multipart/mixed\r\n\r\n--b\r\n\r\nwords\r\n--b--\r\n"
    found = extract(raw)
    assert "words" in found.body
    assert found.status is ParseStatus.PARTIAL


def test_uuencoded_files_are_attachments() -> None:
    """A uuencoded file in the text is named and not read."""
    raw = b"Subject: x\r\n\r\nbefore\r\nbegin 644 a.bin\r\n#86)C\r\n`\r\nend\r\nafter begin 1\r\n"
    found = extract(raw)
    assert found.attachment_names == ("a.bin",)
    assert found.body.split() == ["before", "after", "begin", "1"]


@pytest.mark.parametrize(
    "raw", [b"", b"just words\r\nand more", b"\r\njust words", b"\x00\xff\xfe words"]
)
def test_no_message_at_all(raw: bytes) -> None:
    """Octets without header fields are read as words."""
    found = extract(raw)
    assert found.status is ParseStatus.RAW
    assert ("words" in found.body) == (b"words" in raw)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limits of octets, text, parts and names a message is cut, and says so."""
    monkeypatch.setattr(body, "TEXT_BYTES", 100)
    found = extract(b"Subject: x\r\n\r\n" + "ż".encode() * 200)
    assert len(found.body.encode()) <= 100
    assert found.status is ParseStatus.PARTIAL

    monkeypatch.setattr(body, "TEXT_BYTES", 10_000)
    monkeypatch.setattr(body, "MAX_NAMES", 2)
    part = b"Content-Disposition: attachment; filename=a\r\n\r\n"
    found = extract(multipart("mixed", *[part] * 5))
    assert found.attachment_names == ("a", "a")
    assert found.status is ParseStatus.PARTIAL

    monkeypatch.setattr(body, "MAX_PARTS", 3)
    found = extract(multipart("mixed", *[b"\r\nword"] * 5))
    assert found.body.split() == ["word", "word"]
    assert found.status is ParseStatus.PARTIAL

    monkeypatch.setattr(text, "FIELD_CHARS", 10)
    assert len(extract(b"Subject: " + b"x" * 20 + b"\r\n\r\n").subject) <= 10


HOSTILE_WORDS = b"Subject: " + b"=?" * 500_000 + b"\r\n\r\nx"
HOSTILE = [
    HOSTILE_WORDS,
    b"Subject: " + b"=?utf-8?q?a?= " * 70_000 + b"\r\n\r\n",
    b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes(HOSTILE_WORDS),
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n" * 100_000,
    b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(2_000)
    ),
    b"Content-Type: message/rfc822\r\n\r\n" * 5_000,
    b"A: b\r\n" * 100_000,
    b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
    b"Subject: x\r\n\r\n" + b"begin 644 x\r\nM123\r\n" * 30_000,
    b"Content-Type: text/plain; name=" + b'"\\' * 200_000,
    b"Subject: x\r\n\r\n" + b"\r" * 1_000_000,
    b"Subject: x\n" + b"\r" * 1_000_000,
    b"Subject: x\r\nFrom: " + b"@" * 100_000 + b")\r\n\r\n",
    b"Subject: x\r\nFrom: " + b"a" * 30_000 + b"@" + b"b" * 30_000 + b" (c\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + (b"--b\r\nContent-Type: text/plain; charset=" + b" " * 950 + b";\r\n\r\nx\r\n") * 1_000,
    b"Content-Type: multipart/mixed; boundary=" + b"-" * 500_000 + b"\r\n\r\n" + b"-" * 500_000,
]


@pytest.mark.parametrize("raw", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_messages(raw: bytes) -> None:
    """Messages made to take parsers minutes end at once, with a bounded result."""
    assert len(printable(extract(raw))) <= len(raw) + 1_000


RECEIVED = "Thu, 1 Jan 1970 00:03:20 +0000"


@pytest.mark.parametrize(
    ("date", "received", "effective"),
    [
        (100, RECEIVED, 100),
        (0, RECEIVED, 0),
        (None, RECEIVED, 200),
        (None, "", 1_000_000),
        (None, "no date", 1_000_000),
        (1_000_000 + 172_800, RECEIVED, 1_172_800),
        (1_000_000 + 172_801, RECEIVED, 200),
        (9_999_999, "Fri, 1 Jan 2100 00:00:00 +0000", 1_000_000),
        (-1, "", 1_000_000),
    ],
)
def test_effective_date(date: int | None, received: str, effective: int) -> None:
    """Date if plausible, else Received, else the moment of retrieval."""
    said = Extract("", "", "", "", "", date, received, "", (), ParseStatus.OK)
    assert effective_date(said, retrieved=1_000_000) == effective


def test_printable() -> None:
    """A message for reading: the fields it has, its text, its attachments."""
    assert printable(PLAIN) == (
        "From: Ewa Żółw <ewa@example.org>\n"
        "To: Jan K. <jan@example.org>, ola@example.org\n"
        "Cc: office@example.org\n"
        "Date: Mon, 01 Jan 2001 00:00:00 +0000\n"
        "Subject: A short note\n\nHello,\n\nzażółć\n"
    )
    part = b"Content-Type: image/png\r\n\r\npng"
    shown = printable(
        extract(multipart("mixed", part, part.replace(b"png\r\n", b"png; name=a\r\n", 1)))
    )
    assert shown.endswith("Subject: s\n\n\n\nAttachments:\n  (no name)\n  a\n")


def test_fields_that_a_search_asks_for() -> None:
    """Bcc, the mailing list and labels are read, from every field of that name."""
    found = extract(
        b"From: a@example.org\r\nBcc: b@example.org\r\nBCC: =?utf-8?q?=C5=BB?= <c@example.org>\r\n"
        b"X-Gmail-Labels: =?utf-8?q?Wa=C5=BCne?=,Inbox\r\nKeywords: paper, ink\r\nX-Label: work\r\n\r\nx"
    )
    assert found.blind == "b@example.org, Ż <c@example.org>"
    assert found.labels == "Ważne,Inbox, work, paper, ink"
    assert found.lists == ""


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ("List-Id: Talk of ink <ink.example.org>", "Talk of ink <ink.example.org>"),
        ('List-Id: "Ink" <ink.example.org>\nList-Post: <mailto:x@y.z>', "Ink <ink.example.org>"),
        ("List-Post: <mailto:ink@example.org?subject=x>", "ink@example.org"),
        ("List-Post: NO", ""),
        ("X-Mailing-List: <ink@example.org> archive/latest/12", "ink@example.org"),
        ("Mailing-List: list ink@example.org; contact ink-owner@example.org", "ink@example.org"),
        ("List-Post: NO\nMailing-List: contact ink-help@example.org", "ink-help@example.org"),
    ],
)
def test_mailing_lists(fields: str, name: str) -> None:
    """A list is known by its id, else by the address in an older field."""
    raw = f"From: a@example.org\n{fields}\n\ntext\n".encode()
    assert extract(raw).lists == name


PGP = b"Content-Type: text/plain\r\n\r\n-----BEGIN PGP %s-----\r\nVersion: x\r\n"


@pytest.mark.parametrize(
    ("raw", "signed", "encrypted"),
    [
        (multipart("signed", b"\r\nx", b"Content-Type: application/pgp-signature\r\n\r\n"), 1, 0),
        (multipart("mixed", multipart("signed", b"\r\nx").replace(b"=_b", b"=_c")), 1, 0),
        (multipart("encrypted", b"Content-Type: application/pgp-encrypted\r\n\r\n"), 0, 1),
        (b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n", 0, 1),
        (b"Content-Type: application/x-pkcs7-mime; name=smime.p7m\r\n\r\n", 0, 1),
        (b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\n", 1, 0),
        (b"Content-Type: application/pkcs7-mime; smime-type=certs-only\r\n\r\n", 0, 0),
        (b"Content-Type: application/pgp; x-action=sign\r\n\r\n", 1, 0),
        (PGP % b"MESSAGE", 0, 1),
        (PGP % b"SIGNED MESSAGE", 1, 0),
        (PGP % b"PUBLIC KEY BLOCK", 0, 0),
        ((PGP % b"MESSAGE").replace(b"\n-----", b"\nBefore it\r\n-----"), 0, 1),
        ((PGP % b"MESSAGE").replace(b"-----BEGIN", b"> -----BEGIN"), 0, 0),
        ((PGP % b"SIGNED MESSAGE").replace(b"-----BEGIN", b"She wrote -----BEGIN"), 0, 0),
        (multipart("mixed", b"\r\nx"), 0, 0),
    ],
)
def test_signed_and_encrypted(raw: bytes, signed: int, encrypted: int) -> None:
    """What says of itself that it is signed or encrypted is recognised, by S/MIME and by OpenPGP."""
    found = extract(raw)
    assert (found.signed, found.encrypted) == (bool(signed), bool(encrypted))


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ("Content-Type: application/pdf; name=Report.PDF", ("pdf",)),
        ("Content-Type: application/octet-stream; name=Report.PDF", ("pdf",)),
        ("Content-Type: application/pdf", ("pdf",)),
        ("Content-Type: image/jpeg; name=photo.jpeg", ("jpg",)),
        ("Content-Type: text/plain; name=fix.patch", ("patch",)),
        ("Content-Type: text/plain; name=README", ("txt",)),
        ("Content-Type: application/octet-stream; name=v1.2 of 3", ()),
        ("Content-Type: application/octet-stream; name=.hidden", ()),
        ("Content-Type: application/x-unheard-of; name=a.zażółć", ()),
    ],
)
def test_types_of_attachments(fields: str, types: tuple[str, ...]) -> None:
    """An attachment's type is the ending of its name and what its media type stands for."""
    part = f"{fields}\r\nContent-Disposition: attachment\r\n\r\nx".encode()
    assert extract(multipart("mixed", part)).attachment_types == types


def test_without_details_the_rest_is_the_same() -> None:
    """What is asked for a list of results is no other than what is asked for the index."""
    message = (
        b"From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nCc: c@example.com\r\nBcc: d@example.com\r\n"
        b"Date: Fri, 1 Mar 2024 12:00:00 +0100\r\nReceived: from a by b; Fri, 1 Mar 2024 12:00:01 +0100\r\n"
        b"Subject: the plan\r\nMessage-ID: <2@example.com>\r\nReferences: <1@example.com>\r\n"
        b"List-Id: <plans.example.com>\r\nX-Label: work\r\nContent-Language: en\r\n\r\n"
        b"This is what the plan says, and it is in English.\r\n"
    )
    whole = extract(message)
    empty = {
        "date": None, "received": "", "blind": "", "lists": "", "labels": "", "references": (),
        "language": "",
    }  # fmt: skip
    assert all(getattr(whole, name) for name in empty)
    assert extract(message, details=False) == whole._replace(**empty)  # type: ignore[arg-type]


def test_parts_where_lines_end_in_cr() -> None:
    """The parts of a message whose lines end in CR are where they are, and their content decodes."""
    head = b'Content-Disposition: attachment; filename="a"\r\nContent-Transfer-Encoding: '
    raw = multipart(
        "mixed",
        b"\r\nfirst",
        head + b"base64\r\n\r\n" + base64.encodebytes(b"figures " * 20).replace(b"\n", b"\r\n"),
        head + b"quoted-printable\r\n\r\nlong =\r\nli=6Ee",
    ).replace(b"\r\n", b"\r")
    root = parse(raw)
    contents = [transfer.decoded(raw, leaf) for leaf in root.leaves()]
    assert contents == [b"first", b"figures " * 20, b"long line"]
    assert [leaf.attachment_name for leaf in root.leaves()] == [None, "a", "a"]
    found = extract(raw, root)
    assert (found.body.strip(), found.attachment_names) == ("first", ("a", "a"))


@pytest.mark.parametrize("blanks", [b" ", b"\t ", b"  \t"])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_blanks_behind_a_soft_line_break(blanks: bytes, end: bytes) -> None:
    """What a server put there does not part a word; a sign of equality with a blank stays."""
    head = b"Subject: s\nContent-Transfer-Encoding: quoted-printable\n\n".replace(b"\n", end)
    raw = head + b"inter=" + blanks + end + b"national x = y=3D3 =" + blanks
    assert extract(raw).body == "international x = y=3 "


def test_colours_of_enriched_text() -> None:
    """They are no words."""
    raw = b"Subject: s\r\nContent-Type: text/enriched\r\n\r\n<color><param>red</param>word</color>"
    assert extract(raw).body == "word"
