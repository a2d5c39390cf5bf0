"""What a pool and its workers say to each other: lengths and octets, and nothing that could be run.

A worker may be in the hands of what it read. All that it says is checked, and is text at most.

    job      !HHQ  length of name, of type, of content      then these three
    answer   !BBIQ status, lacking, length of note, of text  then these two, in UTF-8
    hello    !I    length                                    then lines: extra, ocr, layers
"""

import struct
from typing import Final

from poparchive.attachments.outcome import (
    NOTE_CHARS,
    TEXT_CHARS,
    Abilities,
    Job,
    Lacking,
    Outcome,
    Status,
)

JOB: Final = struct.Struct("!HHQ")
ANSWER: Final = struct.Struct("!BBIQ")
HELLO: Final = struct.Struct("!I")

NAME_BYTES: Final = 1_000
_UTF8: Final = 4
_HELLO_BYTES: Final = 4_096
_LACKING: Final = tuple(Lacking)


class WireError(Exception):
    """The other side does not speak like this."""


def pack_job(job: Job) -> list[bytes]:
    """Return what to send, in pieces, so that a large content is not copied."""
    name = job.name.encode("utf-8", "replace")[:NAME_BYTES]
    kind = job.type.encode("utf-8", "replace")[:NAME_BYTES]
    return [JOB.pack(len(name), len(kind), len(job.content)), name, kind, job.content]


def pack_answer(outcome: Outcome) -> bytes:
    note = outcome.note[:NOTE_CHARS].encode("utf-8", "replace")
    text = outcome.text[:TEXT_CHARS].encode("utf-8", "replace")
    lacking = _LACKING.index(outcome.lacking)
    return ANSWER.pack(outcome.status, lacking, len(note), len(text)) + note + text


def unpack_answer(octets: bytes | bytearray) -> tuple[Outcome, int] | None:
    """Return an answer and its length; None if it is not all there yet. Raises ``WireError``."""
    if len(octets) < ANSWER.size:
        return None
    status, lacking, note, text = ANSWER.unpack_from(octets)
    if note > _UTF8 * NOTE_CHARS or text > _UTF8 * TEXT_CHARS or lacking >= len(_LACKING):
        raise WireError("a worker answers with more than it may")
    end = ANSWER.size + note + text
    if len(octets) < end:
        return None
    try:
        known = Status(status)
    except ValueError:
        raise WireError("a worker answers with a status that there is not") from None
    said = octets[ANSWER.size : ANSWER.size + note].decode("utf-8", "replace")
    found = octets[ANSWER.size + note : end].decode("utf-8", "replace")
    return Outcome(known, found, said, _LACKING[lacking]), end


def pack_hello(abilities: Abilities) -> bytes:
    lines = [abilities.extra, "ocr" if abilities.ocr else "", " ".join(abilities.layers)]
    octets = "\n".join(lines).encode()
    return HELLO.pack(len(octets)) + octets


def unpack_hello(octets: bytes | bytearray) -> tuple[Abilities, int] | None:
    """Return what a worker says of itself, and its length; None if it is not all there yet."""
    if len(octets) < HELLO.size:
        return None
    (length,) = HELLO.unpack_from(octets)
    if length > _HELLO_BYTES:
        raise WireError("a worker says more of itself than it may")
    end = HELLO.size + length
    if len(octets) < end:
        return None
    lines = octets[HELLO.size : end].decode("utf-8", "replace").split("\n")
    if len(lines) != 3:
        raise WireError("a worker says something else of itself than it should")
    return Abilities(lines[0], bool(lines[1]), tuple(lines[2].split())), end
