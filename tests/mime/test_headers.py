"""Facts from raw header blocks."""

import pytest

from poparchive.mime import headers

BLOCK = (
    b"Received: by a.example;\r\n\tMon, 1 Jan 2001 00:00:00 +0000\r\n"
    b"SUBJECT : first\r\n"
    b"subject: second\r\n"
    b"X-Subject: other\r\n"
    b"Empty:\r\n"
    b'Content-Type: Multipart/Mixed;\r\n boundary="=_a b; c"\r\n'
    b"Content-Transfer-Encoding: BASE64 \r\n"
    b"Last: value"
)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_field(end: bytes) -> None:
    """The first value, whatever the case and the line ends; not a field whose name only ends so."""
    block = BLOCK.replace(b"\r\n", end)
    assert headers.field(block, b"subject") == b"first"
    assert headers.field(block, b"Subject") == b"first"
    assert headers.field(block, b"received") == b"by a.example;\tMon, 1 Jan 2001 00:00:00 +0000"
    assert headers.field(block, b"empty") == b""
    assert headers.field(block, b"last") == b"value"
    assert headers.field(block, b"missing") is None
    assert headers.field(block, b"a.example") is None
    assert headers.fields(block, b"subject") == [b"first", b"second"]


def test_content() -> None:
    """Type, boundary and transfer encoding of a block that has them."""
    assert headers.content_type(BLOCK) == "multipart/mixed"
    assert headers.boundary(BLOCK) == b"=_a b; c"
    assert headers.transfer_encoding(BLOCK) == "base64"


@pytest.mark.parametrize(
    "block", [b"", b"Content-Type:", b"Content-Type: ;;", b"Content-Type: text", b"X: y"]
)
def test_defaults(block: bytes) -> None:
    """Without usable fields a part is plain text in 7 bits (RFC 2045)."""
    assert headers.content_type(block) == "text/plain"
    assert headers.boundary(block) is None
    assert headers.transfer_encoding(block) == "7bit"
    assert headers.filename(block) is None
    assert headers.disposition(block) == ""
    assert not headers.is_attachment(block)


@pytest.mark.parametrize(
    ("parameter", "boundary"),
    [
        (b"boundary=abc", b"abc"),
        (b"BOUNDARY = abc; x=y", b"abc"),
        (b'charset=x; boundary="a b "', b"a b"),
        (b'boundary="unclosed', b"unclosed"),
        (b"xboundary=abc", None),
    ],
)
def test_boundary(parameter: bytes, boundary: bytes | None) -> None:
    """Quoted, bare and unclosed boundaries; trailing blanks are not part of one (RFC 2046)."""
    assert headers.boundary(b"Content-Type: multipart/mixed; " + parameter) == boundary


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"attachment; filename=a.pdf", "a.pdf"),
        (b"attachment; FILENAME = a.pdf ; size=3", "a.pdf"),
        (b"attachment; filename=a b c.pdf; size=3", "a b c.pdf"),
        (b'attachment; filename="a;b.pdf"', "a;b.pdf"),
        (b'attachment; filename="a\\"b\\\\c.pdf"', 'a"b\\c.pdf'),
        (b'attachment; filename="C:\\dir\\a.pdf"', "C:\\dir\\a.pdf"),
        (b'attachment; filename="unclosed.pdf', "unclosed.pdf"),
        (b"attachment; filename*=utf-8''%C5%BC.pdf", "ż.pdf"),
        (b"attachment; filename*=UTF-8'pl'%C5%BC.pdf", "ż.pdf"),
        (b"attachment; filename*=iso-8859-2''%BF.pdf", "ż.pdf"),
        (b"attachment; filename*0*=utf-8''%C5%BC; filename*1=\"o;.pdf\"", "żo;.pdf"),
        (b"attachment; filename*1=b; filename*0=a", "ab"),
        (b"attachment; filename=plain; filename*=utf-8''%C5%BC", "ż"),
        (b'attachment; filename="=?utf-8?B?xbw=?=.pdf"', "ż.pdf"),
        (b'attachment; filename="=?utf-8?q?=C5=BC?=\r\n =?utf-8?q?o?="', "żo"),
        (b"attachment; filename=\xc5\xbc.pdf", "ż.pdf"),
        (b'attachment; filename="a\x00\x1b[31mb\r\n c"', "a[31mb c"),
        (b'attachment; filename=""', None),
        (b"attachment; xfilename=a", None),
        (b"attachment", None),
    ],
)
def test_filename(value: bytes, name: str | None) -> None:
    """File names as RFC 2183, 2231 and 6266 have them and as mailers write them."""
    assert headers.filename(b"Content-Disposition: " + value) == name


def test_filename_of_the_type() -> None:
    """The type's name counts where the disposition has none."""
    block = b"Content-Type: image/png; name=t.png\r\nContent-Disposition: inline"
    assert headers.filename(block) == "t.png"
    assert headers.filename(block + b"; filename=d.png") == "d.png"
    assert headers.filename(b'Content-Type: text/plain; charset="x"') is None


def test_long_names_are_cut() -> None:
    """A name is at most as long as file systems allow."""
    name = headers.filename(b"Content-Disposition: attachment; filename=" + b"x" * 5000)
    assert name is not None
    assert len(name) == headers.MAX_NAME_CHARS


@pytest.mark.parametrize(
    ("block", "is_attachment"),
    [
        (b"Content-Type: text/plain", False),
        (b"Content-Type: text/html\nContent-Disposition: inline", False),
        (b"Content-Type: text/plain\nContent-Disposition: ATTACHMENT", True),
        (b"Content-Type: text/x-patch; name=a.patch", True),
        (b"Content-Type: image/png", True),
        (b"Content-Type: image/png\nContent-Disposition: inline", True),
        (b"Content-Type: message/delivery-status", False),
        (b"Content-Type: message/rfc822\nContent-Disposition: attachment", True),
    ],
)
def test_is_attachment(block: bytes, is_attachment: bool) -> None:
    """An attachment is what is called so, has a name, or is neither text nor a message."""
    assert headers.is_attachment(block) is is_attachment
