"""Reads one content with all that is in it: the way from a kind to its reader, and what all share.

Promise: ``read`` never raises but ``MemoryError``, and what it takes is bounded by ``Budget``; time and
memory are the worker's to limit. What comes out is text that encodes to UTF-8, without control characters.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from poparchive.attachments import documents, mail, office, packed, plain
from poparchive.attachments.kinds import IMAGES, ZIPPED, Kind, kind_of
from poparchive.attachments.outcome import HAVE_TEXT, Job, Lacking, Limits, Outcome, Status
from poparchive.attachments.parts import Budget, Found, ReadError
from poparchive.mime.charset import clean

DATA_CHARS: Final = 64 << 10
"""A sheet of numbers that somebody wrote is shorter."""
_WORD: Final = re.compile(r"[^\W\d_]{3}")

Reader = Callable[[bytes, "Reading"], None]


@dataclass(slots=True)
class Reading:
    """One content that is being read, with those in it."""

    limits: Limits
    budget: Budget = field(default_factory=Budget)
    found: Found = field(default_factory=Found)

    def inner(self, content: bytes, name: str, media_type: str) -> None:
        """Read a content that is in the one that is being read. Raises ``ReadError`` at a limit."""
        self.budget.enter()
        try:
            self.one(content, name, media_type)
        except ReadError as error:
            if error.status is Status.BOMB:
                raise
            self.found.note(error.status, f"{name}: {error}" if name else str(error), error.lacking)
        finally:
            self.budget.leave()

    def one(self, content: bytes, name: str, media_type: str) -> None:
        """Read a content. Raises ``ReadError``."""
        kind = kind_of(content, name, media_type)
        reader = _READERS.get(kind)
        if reader is not None:
            reader(content, self)
        elif kind in IMAGES:
            office.picture(content, kind, self)
        elif kind in documents.KINDS:
            documents.document(content, kind, self)
        elif kind in office.KINDS:
            if kind in ZIPPED:
                packed.check_document(content, self.budget)
            office.document(content, kind, self)
            documents.margins(content, kind, self)
        elif kind is not Kind.EMPTY and kind is not Kind.NO_TEXT:
            raise ReadError(Status.UNSUPPORTED, f"nothing here reads {kind.value}")


def read(job: Job, limits: Limits) -> Outcome:
    """Read a content and all that is in it."""
    reading = Reading(limits)
    found = reading.found
    try:
        reading.one(job.content, job.name, job.type)
    except ReadError as error:
        status, note, lacking = error.status, str(error), error.lacking
    except MemoryError:
        raise
    except RecursionError:
        status, note, lacking = Status.BOMB, "it is nested too deeply", Lacking.NOTHING
    except Exception as error:
        status, note, lacking = Status.DAMAGED, f"{type(error).__name__}: {error}", Lacking.NOTHING
    else:
        text = found.text()
        if text.strip():
            return Outcome(Status.DONE, _worded(clean(text)), found.remark, found.lacking)
        return Outcome(found.worst, "", found.remark, found.lacking)
    text = _worded(clean(found.text()))
    if text.strip() and status not in HAVE_TEXT:
        # What was read before it broke is there to be found.
        return Outcome(Status.DONE, text, note, lacking)
    return Outcome(status, text, note, lacking)


def _worded(text: str) -> str:
    """Leave out, of a long text, lines without a word: measured data, which nobody looks for by a number.

    Files of data were half of the text of attachments of public lists, and made the index a third larger.
    """
    if len(text) <= DATA_CHARS:
        return text
    end = text.rfind("\n", 0, DATA_CHARS) + 1
    kept = [line for line in text[end:].split("\n") if _WORD.search(line)]
    return text[:end] + "\n".join(kept)


def _armor(content: bytes, reading: Reading) -> None:
    if b"-----BEGIN PGP MESSAGE" in content[:4096]:
        raise ReadError(Status.ENCRYPTED, "it is encrypted by OpenPGP")


def _locked(content: bytes, reading: Reading) -> None:
    raise ReadError(Status.ENCRYPTED, "it has a password")


_READERS: Final[Mapping[Kind, Reader]] = {
    Kind.TEXT: plain.text,
    Kind.HTML: plain.html,
    Kind.XML: plain.xml,
    Kind.CALENDAR: plain.calendar,
    Kind.MAIL: mail.mail,
    Kind.PKCS7: mail.smime,
    Kind.TNEF: mail.winmail,
    Kind.RTF: plain.rich,
    Kind.ARMOR: _armor,
    Kind.LOCKED_OFFICE: _locked,
    Kind.ZIP: packed.zipped,
    Kind.TAR: packed.tar,
    Kind.UUENCODED: packed.uuencoded,
    Kind.GZIP: packed.gzip,
    Kind.BZIP2: packed.bzip2,
    Kind.XZ: packed.xz,
}
