"""Readers of mail in mail: attached messages with their own attachments, and what is signed by S/MIME."""

import binascii
import contextlib
import re
from typing import Final

from poparchive.attachments.outcome import Status
from poparchive.attachments.parts import ReadError, Within
from poparchive.mime import transfer
from poparchive.mime.structure import parse
from poparchive.mime.text import extract

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=\s]+")
_ENVELOPED: Final = bytes.fromhex("06092a864886f70d010703")
_SIGNED: Final = bytes.fromhex("06092a864886f70d010702")
"""Object identifiers of RFC 5652: enveloped-data (encrypted) and signed-data."""


def mail(content: bytes, within: Within) -> None:
    """What a message says, and what its attachments hold."""
    root = parse(content)
    said = extract(content, root)
    fields = [said.subject, said.sender, said.recipients, said.copies]
    within.found.add("\n".join([field for field in fields if field]))
    within.found.add(said.body)
    within.found.add("\n".join([name for name in said.attachment_names if name]))
    for leaf in root.leaves():
        name = leaf.attachment_name
        if name is not None and not within.found.full:
            within.inner(transfer.decoded(content, leaf), name, leaf.type)


def pkcs7(content: bytes, within: Within) -> None:
    """An envelope is encrypted. A signature says nothing; what it is over, if it is in there, does."""
    head = content[:4096]
    if _BASE64.fullmatch(head[:256]):
        with contextlib.suppress(binascii.Error):
            content = binascii.a2b_base64(content)
            head = content[:4096]
    if _ENVELOPED in head[:64]:
        raise ReadError(Status.ENCRYPTED, "it is encrypted by S/MIME")
    if _SIGNED not in head[:64]:
        return
    at = content.find(b"Content-Type:")
    if at >= 0:
        # An octet string, perhaps in pieces of 1,000; the certificates behind it are no text.
        within.inner(content[at:], "smime.eml", "message/rfc822")
