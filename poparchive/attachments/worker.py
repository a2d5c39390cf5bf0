"""The process that reads contents: one after the other, confined, and nobody's loss when it dies.

It gets contents on standard input and answers on standard output (``wire``). Everything that reading needs is
loaded before it shuts itself in; from then on it can open nothing and reach nobody.
"""

import codecs
import contextlib
import encodings
import gc
import importlib
import os
import pkgutil
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO, Final

from poparchive import mime
from poparchive.attachments import confine, forms, office, reading
from poparchive.attachments.outcome import Abilities, Job, Limits, Outcome, Status
from poparchive.attachments.wire import JOB, pack_answer, pack_hello

_LAZY: Final = (  # and all of ``mime``, which imports parts of itself for the first mail that needs them
    "html.entities",
    "stringprep",
    "unicodedata",
    "_strptime",
    "tarfile",
    "zipfile",
    "lzma",
    "bz2",
)


def serve(limits: Limits) -> None:
    """Read contents until there are no more. Ends the process."""
    confine.end_with_parent()
    commands, answers = sys.stdin.buffer, sys.stdout.buffer
    readable = _prepare(limits)
    layers = confine.confine(limits.memory_bytes, readable)
    gc.freeze()
    with contextlib.suppress(BrokenPipeError):
        _say(answers, pack_hello(Abilities(office.version(), bool(readable), layers)))
        while (job := _next(commands)) is not None:
            _say(answers, pack_answer(_read(job, limits)))
            del job
            gc.collect()
    # Threads of the library, and pipes whose other end is gone, are nothing to wait for.
    os._exit(0)


def _prepare(limits: Limits) -> list[Path]:
    """Load all that may be needed later, and return the directories that must stay readable."""
    # Also those that have no other name, as koi8_u.
    for one in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(LookupError, ImportError):
            codecs.lookup(one.name)
    own = [f"{mime.__name__}.{one.name}" for one in pkgutil.iter_modules(mime.__path__)]
    for name in (*_LAZY, *own):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if office.library() is not None:
        _load_pdfium()
    if limits.ocr and (directory := office.tessdata(limits.ocr_languages)):
        office.register()
        return [directory]
    return []


def _load_pdfium() -> None:
    """Have the library unpack its PDF reader, in a process that ends then, and load it from there: it takes
    one by that name that is loaded already for the one that it would open."""
    if not forms.path().exists():
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                office.warm()
            os._exit(0)
        os.waitpid(child, 0)
    with contextlib.suppress(OSError, AttributeError):
        forms.load()


def _next(commands: BinaryIO) -> Job | None:
    header = commands.read(JOB.size)
    if len(header) < JOB.size:
        return None
    name, kind, content = JOB.unpack(header)
    said = commands.read(name), commands.read(kind)
    octets = commands.read(content)
    if len(octets) < content:
        return None
    return Job(octets, *(text.decode("utf-8", "replace") for text in said))


def _read(job: Job, limits: Limits) -> Outcome:
    """Read a content. Who takes too long is ended by a signal, and the pool knows that one."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime) + limits.cpu_s + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or until < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (until, hard))
    try:
        return reading.read(job, limits)
    except MemoryError:
        return Outcome(Status.MEMORY, note="reading it takes too much memory")


def _say(answers: BinaryIO, octets: bytes) -> None:
    answers.write(octets)
    answers.flush()


def main() -> None:
    """Read the limits from the command line, as the pool writes them."""
    cpu, memory, ocr, languages = sys.argv[1:5]
    # A signal from the terminal reaches the pool, which decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(
        Limits(
            cpu_s=int(cpu),
            memory_bytes=int(memory),
            ocr=bool(int(ocr)),
            ocr_languages=languages,
        )
    )


if __name__ == "__main__":
    main()
