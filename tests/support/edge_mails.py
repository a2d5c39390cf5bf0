"""Odd messages, each valid for some mailer of the world: what breaks archives that mean well.

Most have bare LF as line ends, as they lie in a Maildir; a few have CRLF, both, or none. They are
fed to the splitter and the store as they are, and delivered to real servers, which send each LF
as CRLF (``tests.support.dovecot.as_sent``).
"""

import base64
import binascii

BLOB = bytes(range(256)) * 3
B64 = base64.b64encode(BLOB)


def _mail(name: str, body: bytes, *fields: bytes) -> bytes:
    header = [
        b"From: Edge Case <edge@example.org>",
        b"To: archive@example.net",
        b"Subject: edge %s" % name.encode(),
        b"Date: Wed, 14 Feb 2024 12:00:00 +0000",
        b"Message-ID: <%s@edge.example.org>" % name.encode(),
        *fields,
    ]
    return b"\n".join(header) + b"\n\n" + body


def _lines(octets: bytes, width: int, end: bytes = b"\n") -> bytes:
    return b"".join(octets[at : at + width] + end for at in range(0, len(octets), width))


def _base64(name: str, body: bytes) -> bytes:
    return _mail(
        name,
        body,
        b"MIME-Version: 1.0",
        b'Content-Type: application/octet-stream; name="blob.bin"',
        b"Content-Transfer-Encoding: base64",
    )


def _multipart(name: str, boundary: bytes, body: bytes, kind: bytes = b"mixed") -> bytes:
    return _mail(
        name,
        body,
        b"MIME-Version: 1.0",
        b'Content-Type: multipart/%s; boundary="%s"' % (kind, boundary),
    )


def _crlf(octets: bytes) -> bytes:
    return octets.replace(b"\n", b"\r\n")


def _uuencoded() -> bytes:
    lines = b"".join(binascii.b2a_uu(BLOB[at : at + 45]) for at in range(0, len(BLOB), 45))
    return b"begin 644 blob.bin\n" + lines + b"`\nend\n"


UTF8 = (b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=utf-8")
TEXT_PART = b"Content-Type: text/plain\n\ntext\n"
BLOB_PART = (
    b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n%s"
    % _lines(B64, 76)
)

EDGE_MAILS: list[tuple[str, bytes]] = [
    # Line ends
    ("lf", _mail("lf", b"first line\nsecond line\n")),
    ("crlf", _crlf(_mail("crlf", b"first line\nsecond line\n"))),
    ("cr-only", _mail("cr-only", b"all\nlines\n").replace(b"\n", b"\r")),
    ("bare-cr", _mail("bare-cr", b"one\rtwo\r\rthree\n\r\n")),
    ("mixed-ends", _mail("mixed-ends", b"lf\ncrlf\r\ncrcrlf\r\r\nlfcr\n\rlf\n")),
    ("no-final-newline", _mail("no-final-newline", b"the last line has no end")),
    ("ends-in-cr", _mail("ends-in-cr", b"the last octet is a carriage return\r")),
    ("trailing-blanks", _mail("trailing-blanks", b"blanks  \ntabs\t\t\n   \n\n\n\n\n")),
    # Dots and From lines
    ("dots", _mail("dots", b".\n..\n...\n.a\n. \n\r.\r\nend.\n.")),
    (
        "from-lines",
        _mail("from-lines", b"From me\n>From you\n>>From\nFrom \n\nFrom a@b Mon\nFrom\n"),
    ),
    ("from-line-first", b"From edge@example.org Wed Feb 14 12:00:00 2024\n" + _mail("f", b"x\n")),
    # Long things
    ("line-2000", _mail("line-2000", b"x" * 2000 + b"\nend\n")),
    ("line-100000", _mail("line-100000", b"y" * 100_000 + b"\nend\n")),
    ("header-line-20000", _mail("header-line-20000", b"b\n", b"X-Long: " + b"z" * 20_000)),
    (
        "header-1000",
        _mail("header-1000", b"b\n", *(b"X-%d: value %d" % (n, n) for n in range(1000))),
    ),
    # Octets that are no text
    ("nul", _mail("nul", b"before\0after\n\0\n\0\0\0")),
    ("nul-in-header", _mail("nul-in-header", b"body\n", b"X-Nul: a\0b")),
    ("control", _mail("control", b"\x1a\x08\x0c\x7f\x1b[2J\x1b]0;t\x07\xff\xfe\n")),
    ("8bit-header", _mail("8bit-header", b"\xe9\xff\n", b"X-Raw: caf\xe9 \xc3\xa9 \xff\x80")),
    ("utf8", _mail("utf8", "Grüße, żółć, 日本語, 🙂\n".encode(), *UTF8)),
    ("every-octet", _mail("every-octet", bytes(range(256)) + b"\n")),
    ("bom-first", b"\xef\xbb\xbf" + _mail("bom-first", b"a byte order mark before the header\n")),
    ("utf16", "Subject: utf-16\n\nnot a header that one could read\n".encode("utf-16")),
    # Less than a message
    ("empty", b""),
    ("one-newline", b"\n"),
    ("one-octet", b"x"),
    ("header-only", b"Subject: a header and no more\n"),
    ("header-unfinished", b"Subject: not even its line"),
    ("body-only", b"there is no header, only text\nin two lines\n"),
    ("blank-first", b"\n" + _mail("blank-first", b"an empty line before the header\n")),
    ("fold-first", b" a folded line with nothing before it\nSubject: x\n\nbody\n"),
    # The same again
    ("twin-a", _mail("twin", b"two messages, the same in every octet\n")),
    ("twin-b", _mail("twin", b"two messages, the same in every octet\n")),
    ("twin-body", _mail("twin-body", b"two messages, the same in every octet\n")),
    # Base64 that a decoder forgives and an encoder does not give back
    ("base64-lf", _base64("base64-lf", _lines(B64, 76))),
    ("base64-crlf", _crlf(_base64("base64-crlf", _lines(B64, 76)))),
    (
        "base64-mixed-ends",
        _base64("base64-mixed-ends", _lines(B64[:304], 76) + _crlf(_lines(B64[304:], 76))),
    ),
    ("base64-width-60", _base64("base64-width-60", _lines(B64, 60))),
    ("base64-width-77", _base64("base64-width-77", _lines(B64, 77))),
    ("base64-one-line", _base64("base64-one-line", B64 + b"\n")),
    ("base64-widths", _base64("base64-widths", _lines(B64[:400], 64) + _lines(B64[400:], 72))),
    ("base64-blank-line", _base64("base64-blank-line", B64[:76] + b"\n\n" + B64[76:152] + b"\n")),
    ("base64-blanks", _base64("base64-blanks", _lines(B64, 76, b" \n"))),
    (
        "base64-no-padding",
        _base64("base64-no-padding", _lines(base64.b64encode(BLOB[:-1])[:-1], 76)),
    ),
    ("base64-loose-bits", _base64("base64-loose-bits", b"QUJDRB==\n")),
    ("base64-padding-inside", _base64("base64-padding-inside", b"QQ==QUJD\nQUI=\n")),
    (
        "base64-junk-inside",
        _base64("base64-junk-inside", _lines(B64[:100] + b"*-_*" + B64[100:], 76)),
    ),
    (
        "base64-junk-after",
        _base64("base64-junk-after", _lines(B64, 76) + b"\n-- \nsent by a list\n"),
    ),
    ("base64-no-end", _base64("base64-no-end", _lines(B64, 76).rstrip(b"\n"))),
    ("base64-empty", _base64("base64-empty", b"")),
    ("base64-of-text", _base64("base64-of-text", b"this was never encoded at all\n")),
    # Multiparts
    (
        "nested",
        _multipart(
            "nested",
            b"outer",
            b"preamble\n--outer\nContent-Type: multipart/alternative; boundary=inner\n\n--inner\n"
            + TEXT_PART
            + b"--inner\nContent-Type: multipart/related; boundary=core\n\n--core\n"
            + BLOB_PART
            + b"--core--\n--inner--\n--outer\n"
            + BLOB_PART
            + b"--outer--\nepilogue\n",
        ),
    ),
    (
        "no-end-boundary",
        _multipart("no-end-boundary", b"b1", b"--b1\n" + TEXT_PART + b"--b1\n" + BLOB_PART),
    ),
    (
        "boundary-prefix",
        _multipart(
            "boundary-prefix",
            b"same",
            b"--same\nContent-Type: multipart/mixed; boundary=same-longer\n\n--same-longer\n"
            + BLOB_PART
            + b"--same-longer--\n--same\n"
            + TEXT_PART
            + b"--same--\n",
        ),
    ),
    (
        "boundary-again",
        _multipart(
            "boundary-again",
            b"one",
            b"--one\nContent-Type: multipart/mixed; boundary=one\n\n--one\n"
            + BLOB_PART
            + b"--one--\n",
        ),
    ),
    ("boundary-unused", _multipart("boundary-unused", b"nowhere", b"no part in sight\n")),
    ("boundary-empty", _multipart("boundary-empty", b"", b"--\n" + TEXT_PART + b"----\n")),
    ("boundary-blanks", _multipart("boundary-blanks", b"b", b"--b \t\n" + BLOB_PART + b"--b-- \n")),
    ("boundary-cut", _multipart("boundary-cut", b"b", b"--b\n" + BLOB_PART + b"--b-")),
    ("parts-empty", _multipart("parts-empty", b"b", b"--b\n--b\n\n--b\n\n\n--b--\n")),
    (
        "attached-message",
        _multipart(
            "attached-message",
            b"b",
            b"--b\nContent-Type: message/rfc822\n\n"
            + _base64("within", _lines(B64, 76))
            + b"--b--\n",
            b"digest",
        ),
    ),
    (
        "deep",
        _multipart(
            "deep",
            b"d0",
            b"".join(
                b"--d%d\nContent-Type: multipart/mixed; boundary=d%d\n\n" % (n, n + 1)
                for n in range(200)
            )
            + b"--d200\n"
            + BLOB_PART,
        ),
    ),
    ("many-parts", _multipart("many-parts", b"b", (b"--b\n" + TEXT_PART) * 2000 + b"--b--\n")),
    # Other encodings
    ("uuencode", _mail("uuencode", b"a file:\n\n" + _uuencoded())),
    (
        "quoted-printable",
        _mail(
            "quoted-printable",
            b"na=EFve =3D caf=E9=\n, soft=20\n=ZZ is wrong, and so is =\n=",
            b"Content-Type: text/plain; charset=iso-8859-1",
            b"Content-Transfer-Encoding: quoted-printable",
        ),
    ),
    (
        "encoding-unknown",
        _mail("encoding-unknown", b"who knows\n", b"Content-Transfer-Encoding: x-made-up"),
    ),
    (
        "types-contradict",
        _mail(
            "types-contradict", B64 + b"\n", b"Content-Type: text/plain", b"Content-Type: image/png"
        ),
    ),
]
"""Name and octets of each. ``twin-a`` and ``twin-b`` are equal; no others are."""
