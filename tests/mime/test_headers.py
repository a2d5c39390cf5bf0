"""Fields of header blocks, and what they say of parts."""

import pytest

from poparchive.mime import headers
from poparchive.mime.headers import Block
from poparchive.mime.structure import parse

BLOCK = (
    b"Received: by a.example;\r\n\tMon, 1 Jan 2001 00:00:00 +0000\r\n"
    b"SUBJECT : first\r\n"
    b"subject: second\r\n"
    b"X-Subject: other\r\n"
    b"To:\r\n"
    b"Date: value"
)


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r", b"\r\r\n"])
def test_fields(end: bytes) -> None:
    """The values, whatever the case and the line ends; not of fields whose names only end so."""
    block = Block(BLOCK.replace(b"\r\n", end))
    assert block.first(b"subject") == b"first"
    assert block.all(b"subject") == [b"first", b"second"]
    assert block.first(b"received") == b"by a.example;\tMon, 1 Jan 2001 00:00:00 +0000"
    assert block.first(b"to") == b""
    assert block.first(b"date") == b"value"
    assert block.first(b"cc") == b""
    assert block
    assert not Block(b"X-From: a\r\n")


def test_a_lone_cr_in_a_value() -> None:
    """It ends no line where others do, and is left out."""
    assert Block(b"To: x\nSubject: a\rb\n").first(b"subject") == b"ab"


@pytest.mark.parametrize(
    "block", [b"", b"Content-Type:", b"Content-Type: ;;", b"Content-Type: text", b"X: y"]
)
def test_defaults(block: bytes) -> None:
    """Without usable fields a part is plain text in 7 bits (RFC 2045)."""
    part = parse(block + b"\r\n\r\nbody")
    assert (part.type, part.encoding, part.parts) == ("text/plain", b"", [])
    assert part.about == headers.About("", "", None, attached=False)
    assert part.attachment_name is None


@pytest.mark.parametrize(
    "parameter", [b"boundary*=us-ascii''a%2Db", b'boundary*0="a"; boundary*1="-b"']
)
def test_a_multipart_is_walked_by_a_boundary_in_pieces(parameter: bytes) -> None:
    """Its parts are found as those of any other."""
    head = b"Content-Type: multipart/mixed;\r\n " + parameter + b"\r\n\r\n"
    body = b"--a-b\r\n\r\none\r\n--a-b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--a-b--\r\n"
    assert [leaf.type for leaf in parse(head + body).leaves()] == ["text/plain", "text/html"]


@pytest.mark.parametrize(
    ("parameter", "boundary"),
    [
        (b"boundary=abc", b"abc"),
        (b"BOUNDARY = abc; x=y", b"abc"),
        (b'charset=x; boundary="a b "', b"a b"),
        (b'boundary="unclosed', b"unclosed"),
        (b"xboundary=abc", None),
        (b"boundary*=us-ascii'en'a%20b%3D", b"a b="),
        (b"BOUNDARY*=''abc; x=y", b"abc"),
        (b'boundary*0=abc; boundary*1="d e"; x=y', b"abcd e"),
        (b'boundary*1=d; boundary*0="ab"; boundary*2*=%65', b"abde"),
        (b"boundary*0*=us-ascii''a%2Bb; boundary*1=c%20", b"a+bc%20"),
        (b"boundary*0=a; boundary*2=c", b"a"),
        (b"boundary*=''; x=y", None),
        (b"boundary*0=abc; boundary=d", b"d"),
        (b"boundary*x=abc", None),
    ],
)
def test_boundary(parameter: bytes, boundary: bytes | None) -> None:
    """Quoted, bare and unclosed boundaries, in pieces or encoded (RFC 2231); trailing blanks are not part of
    one (RFC 2046)."""
    assert headers.boundary_of(b"multipart/mixed; " + parameter) == boundary


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
def test_name(value: bytes, name: str | None) -> None:
    """File names as RFC 2183, 2231 and 6266 have them and as mailers write them."""
    part = parse(b"Content-Disposition: " + value + b"\r\n\r\n")
    assert part.about.name == name
    assert part.about.placed == "attachment"
    assert part.attachment_name == (name or "")


def test_name_of_the_type() -> None:
    """The type's name counts where the disposition has none."""
    block = b"Content-Type: image/png; name=t.png\r\nContent-Disposition: inline"
    assert parse(block).about.name == "t.png"
    assert parse(block + b"; filename=d.png").about.name == "d.png"
    assert parse(b'Content-Type: text/plain; charset="x"').about.name is None


def test_charset() -> None:
    """The label of a part's charset, without quotes."""
    for value in (b"charset=x-1", b'CHARSET = "x-1"; a=b', b"charset*=x-1"):
        assert parse(b"Content-Type: text/plain; " + value).about.charset == "x-1"


@pytest.mark.parametrize("parameter", [b"x", b"x" * 5000])
def test_long_names_are_cut(parameter: bytes) -> None:
    """A name is at most as long as file systems allow."""
    name = parse(b"Content-Disposition: attachment; filename=" + parameter).about.name
    assert name is not None
    assert len(name) == min(len(parameter), headers.MAX_NAME_CHARS)


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
def test_attachments(block: bytes, is_attachment: bool) -> None:
    """An attachment is what is called so, has a name, or is neither text nor a message."""
    assert parse(block).about.attached is is_attachment
