"""Readers of mail in mail: attached messages with their own attachments, mbox, winmail.dat, S/MIME."""

import binascii
import contextlib
import re
from collections.abc import Iterator
from typing import Final

from poparchive.attachments.outcome import Status
from poparchive.attachments.parts import ReadError, Within
from poparchive.mime import pkcs7, tnef, transfer
from poparchive.mime.structure import parse
from poparchive.mime.text import extract

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/=\s]+")

_SEPARATOR: Final = re.compile(
    rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\r\n]{1,400}?\d:\d\d[^\r\n]{0,60}\r?\n(?=[!-9;-~]{1,76}:)"
)
"""Between the messages of an mbox (RFC 4155): it has a time of day, an empty line is before it, and a header
comes behind it. What else begins so is a line of a text."""
_QUOTED: Final = re.compile(rb"^>(>*From )", re.MULTILINE)


def mail(content: bytes, within: Within) -> None:
    """What a message says, and what its attachments hold; of an mbox all its messages."""
    if _SEPARATOR.match(content) is None:
        _message(content, within)
        return
    for message in _messages(content):
        if within.found.full:
            return
        _message(message, within)


def _messages(content: bytes) -> Iterator[bytes]:
    """Yield the messages of an mbox, without what quotes lines that begin as a separator does."""
    begin = 0
    for separator in _SEPARATOR.finditer(content):
        if separator.start():
            yield _QUOTED.sub(rb"\1", content[begin : separator.start()])
        begin = separator.end()
    yield _QUOTED.sub(rb"\1", content[begin:])


def _message(content: bytes, within: Within) -> None:
    root = parse(content)
    said = extract(content, root, details=False)
    fields = [said.subject, said.sender, said.recipients, said.copies]
    within.found.add("\n".join([field for field in fields if field]))
    within.found.add(said.searched)
    within.found.add("\n".join([name for name in said.attachment_names if name]))
    for leaf in root.leaves():
        name = leaf.attachment_name
        if name is not None and not within.found.full:
            within.inner(transfer.decoded(content, leaf), name, leaf.type)


def winmail(content: bytes, within: Within) -> None:
    """What Outlook wraps in a ``winmail.dat``."""
    said = tnef.read(content)
    if said is None:
        raise ReadError(Status.DAMAGED, "it is no TNEF")
    within.found.add(said.subject)
    within.found.add(said.text)
    within.found.add("\n".join([file.name for file in said.attachments if file.name]))
    for file in said.attachments:
        within.inner(file.content, file.name, "")


def smime(content: bytes, within: Within) -> None:
    """An envelope is encrypted. A signature says nothing; what it is over, if it is in there, does."""
    if _BASE64.fullmatch(content[:256]):
        with contextlib.suppress(binascii.Error):
            content = binascii.a2b_base64(content)
    said = pkcs7.read(content)
    if said.kind == "encrypted":
        raise ReadError(Status.ENCRYPTED, "it is encrypted by S/MIME")
    if said.inside:
        within.inner(said.inside, "", "message/rfc822")
