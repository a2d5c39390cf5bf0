"""Which attachments are files that somebody sent."""

import pytest

from poparchive.mime.text import extract

TEXT = "Content-Type: text/plain\r\n\r\nword"
SIGNATURES = ("pgp-signature", "pkcs7-signature", "x-pkcs7-signature")


def mixed(*parts: str, kind: str = "mixed") -> bytes:
    inner = "".join(f"--b\r\n{part}\r\n" for part in parts)
    return (
        f"Subject: s\r\nContent-Type: multipart/{kind}; boundary=b\r\n\r\n{inner}--b--\r\n".encode()
    )


def part(kind: str, *fields: str, content: str = "content") -> str:
    return "\r\n".join([f"Content-Type: {kind}", *fields, "", content])


@pytest.mark.parametrize(
    ("one", "is_file"),
    [
        *((part(f"application/{kind}; name=smime.p7s"), False) for kind in SIGNATURES),
        (part("application/pgp-signature", "Content-Disposition: attachment"), False),
        (part("application/pgp-encrypted", content="Version: 1\r\n"), False),
        (part("application/pgp-encrypted; name=a.pgp", content="-----BEGIN PGP"), True),
        (part("application/pgp-encrypted", content="Version: 1" + " x" * 100), True),
        (part("image/png; name=photo.png", "Content-ID: <1@x>"), True),
        (
            part("image/png; name=a.png", "Content-ID: <1@x>", "Content-Disposition: attachment"),
            True,
        ),
        (part("image/png; name=a.png", "Content-Disposition: inline"), True),
        (part("application/pdf", "Content-ID: <1@x>"), True),
        (part("text/plain; name=a.txt"), True),
        (part("text/plain", content="begin 644 a.txt\r\n#86)C\r\n`\r\nend"), True),
        (part("message/rfc822", content=part("application/pdf")), True),
        (part("message/rfc822", content=part("application/pgp-signature")), False),
        (part("text/plain"), False),
    ],
)
def test_a_file_that_somebody_sent(one: str, is_file: bool) -> None:
    """What mail programs add of themselves is none, beside a file as well; its name is known all the same."""
    assert extract(mixed(TEXT, one)).files is is_file
    assert extract(mixed(TEXT, one, part("application/pdf"))).files
    assert extract(mixed(part("application/pdf"), one)).files
    if "name=" in one:
        found = extract(mixed(TEXT, one))
        assert found.attachment_names
        assert found.attachment_types


@pytest.mark.parametrize(
    ("one", "is_file"),
    [
        (part("image/png; name=logo.png", "Content-ID: <1@x>"), False),
        (part("image/png", "content-id: <1@x>", "Content-Disposition: inline"), False),
        (
            part("image/png; name=a.png", "Content-ID: <1@x>", "Content-Disposition: attachment"),
            True,
        ),
        (part("image/png; name=a.png"), True),
        (part("application/pdf", "Content-ID: <1@x>"), True),
    ],
)
def test_a_picture_of_an_html_text_is_none(one: str, is_file: bool) -> None:
    """Within multipart/related, where it has a name to be shown by; a photo beside the text is a file."""
    related = mixed(part("text/html"), one, kind="related").decode()
    assert extract(related.encode()).files is is_file
    within = related.partition("\r\n")[2].replace("boundary=b", "boundary=c").replace("--b", "--c")
    assert extract(mixed(within)).files is is_file
    photo = part("image/jpeg; name=photo.jpg", "Content-ID: <2@x>")
    assert extract(mixed(within, photo)).files


def test_a_message_of_a_digest_may_be_a_file() -> None:
    """What has no type of its own there is a message, and attached if it says so."""
    attached = "Content-Disposition: attachment; filename=a.eml\r\n\r\nSubject: x\r\n\r\ny"
    assert extract(mixed(attached, kind="digest")).files
    assert not extract(mixed("\r\nSubject: x\r\n\r\ny", kind="digest")).files
