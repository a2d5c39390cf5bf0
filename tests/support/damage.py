"""Mail for archives that are damaged on purpose: small, distinct, with texts and attachments that repeat."""

import random

from poparchive.store.recipe import encode_base64


def mails(first: int, last: int) -> list[bytes]:
    """Messages with a text, and every third with one of four attachments that others have too."""
    return [_mail(number) for number in range(first, last)]


def _mail(number: int) -> bytes:
    chance = random.Random(number)
    text = " ".join(f"word{chance.randrange(400)}" for _ in range(60)).encode()
    head = (
        b"From: Anna %d <anna@example.com>\r\nTo: office@example.org\r\nSubject: Number %d\r\n"
        b"Date: Mon, %02d Jan 2024 08:00:00 +0000\r\nMessage-ID: <%d@example.com>\r\n"
        % (number % 7, number, number % 27 + 1, number)
    )
    body = b"zebra number%d %s\r\n" % (number, text)
    if number % 3:
        return head + b"\r\n" + body
    octets = random.Random(number % 4).randbytes(2500)
    return (
        head + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + body + b"--b\r\n"
        b'Content-Type: application/pdf; name="file-%d.pdf"\r\n'
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        % (number % 4)
        + encode_base64(octets, 76, b"\r\n", closed=True)
        + b"--b--\r\n"
    )
