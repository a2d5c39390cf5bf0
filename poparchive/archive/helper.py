"""A describer in a process of its own, so that reading mail has a core for itself.

The helper reads messages and owns the search index; it knows nothing of packs and journal, and of
the catalog only where messages with a Message-ID are.
What it does can be done again from those: if it dies, mail that is kept stays kept, and the next start
indexes what is missing. It ends when its standard input does, so it does not outlive its writer for long.

Spoken over two pipes, in pickles. ``begin``, ``flush`` and ``compact`` have one answer each, in order;
``index`` has none. An error is the answer to whatever is asked next, and the last one.
"""

import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from poparchive.archive.describe import Stored
from poparchive.archive.describer import Describer
from poparchive.archive.spool import Spooled
from poparchive.errors import PoparchiveError
from poparchive.index.facts import MessageFacts
from poparchive.index.fulltext import FulltextWriter, Mark

_PROTOCOL = pickle.HIGHEST_PROTOCOL
_PIPE_BYTES = 1 << 20
"""What Linux lets most ask for: a tenth of the time goes into taking turns with the 64 KiB it gives."""

_NOT_FOR_IT = (signal.SIGINT, signal.SIGTERM)
"""A signal from the terminal or from systemd reaches the helper too. Its writer decides when all is done."""


class HelperError(PoparchiveError):
    """The helper process has ended before its time."""


class Helper:
    """A ``Describer`` in another process, for one thread. After an error only ``close`` is of use.

    ``begin`` blocks until the helper takes the messages, so at most one batch waits in the pipe.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        assert process.stdin
        assert process.stdout
        self._to: BinaryIO = cast("BinaryIO", process.stdin)
        self._from: BinaryIO = cast("BinaryIO", process.stdout)
        self._unread = 0
        self._facts: deque[list[MessageFacts]] = deque()

    @classmethod
    def start(cls, search: Path, catalog: Path, keep: Sequence[int] = ()) -> Self | None:
        """Start a process that will open the index ``search``; None where there can be none.

        It looks into the catalog, for threads.

        It keeps the files ``keep`` open: with the lock's among them, nobody else writes before it has ended.
        """
        if not sys.executable:
            return None
        # It imports what we do. Neither environment nor directory have a say in that, nor has site.
        code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        command = [sys.executable, "-I", "-S", "-c", code, "poparchive: reads mail for the index"]
        # Until it ignores them itself: what is meant for us must not end it while it starts.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_FOR_IT)
        try:
            helper = cls(_process(command, keep))
            helper._send((str(search), str(catalog), gc.get_threshold()))
            helper._receive()
        except (OSError, HelperError):
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return helper

    def begin(self, messages: Sequence[Stored], retrieved: int) -> None:
        """Send a batch's messages. Their octets may be forgotten once ``facts`` has returned."""
        # The tree of parts is larger than what it was made from, and made again in less time.
        bare = [(one.id, one.message, one.references, one.place) for one in messages]
        self._send(("begin", bare, retrieved))
        self._unread += 1

    def facts(self) -> list[MessageFacts]:
        """Wait for what the helper says of the first batch whose facts were not asked for yet."""
        if not self._facts:
            self._receive_facts()
        return self._facts.popleft()

    def index(self, keys: Sequence[int], mark: Mark) -> None:
        """Let the helper index the first batch that is not indexed yet. Does not wait for it."""
        self._send(("index", keys, mark))

    def flush(self) -> None:
        """Return when all that was given to ``index`` can be found."""
        self._ask("flush")

    def compact(self) -> None:
        """Merge the index if much was added."""
        self._ask("compact")

    def close(self) -> None:
        """End the process, which closes the index. Safe to call twice."""
        # Whoever waits to give us an answer finds nobody there, and whoever waits for us finds the end.
        for pipe in (self._from, self._to):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()

    def _ask(self, what: str) -> None:
        self._send((what,))
        while self._unread:
            self._receive_facts()
        self._receive()

    def _receive_facts(self) -> None:
        self._unread -= 1
        self._facts.append(self._receive())

    def _send(self, words: tuple[object, ...]) -> None:
        try:
            pickle.dump(words, self._to, _PROTOCOL)
            self._to.flush()
        except (OSError, ValueError) as error:
            # It may have said why it ended, behind what it had answered before.
            while self._unread:
                self._receive_facts()
            self._receive()
            raise self._ended() from error

    def _receive(self) -> Any:
        try:
            answer = pickle.load(self._from)  # noqa: S301 - our own process wrote it
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise self._ended() from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _ended(self) -> HelperError:
        self.close()
        code = self._process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return HelperError(
            f"the process that reads mail for the search index {how}. All mail that came is kept;"
            " run the command again, which brings the index up."
        )


def _process(command: Sequence[str], keep: Sequence[int]) -> "subprocess.Popen[bytes]":
    """Start the process, with large pipes if the system lets us have them."""

    def start(size: int) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, pass_fds=keep, pipesize=size)

    try:
        return start(_PIPE_BYTES)
    except PermissionError:
        return start(-1)


def serve() -> None:
    """Be the helper: the other end of ``Helper``, on standard input and output."""
    for number in _NOT_FOR_IT:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _NOT_FOR_IT)
    # When the pipe is broken the writer is gone, and with it whoever wants what is left.
    with contextlib.suppress(EOFError, BrokenPipeError):
        _serve(sys.stdin.buffer, sys.stdout.buffer)
    # The interpreter would flush the broken pipe once more, and complain to the user's terminal.
    os._exit(0)


def _serve(commands: BinaryIO, answers: BinaryIO) -> None:
    search, catalog, thresholds = pickle.load(commands)  # noqa: S301 - our parent wrote it
    gc.set_threshold(*thresholds)
    gc.freeze()
    _say(answers, pickle.dumps(None, _PROTOCOL))
    describer: Describer | None = None
    try:
        while True:
            word, *arguments = pickle.load(commands)  # noqa: S301
            try:
                # The index is opened when there is something for it: until then it is another's.
                describer = describer or Describer(FulltextWriter.open(Path(search), Path(catalog)))
                answer = _answer(describer, word, arguments)
            except Exception as error:
                error.add_note(traceback.format_exc())
                _say(answers, _pickled(error))
                return
            if word != "index":
                _say(answers, pickle.dumps(answer, _PROTOCOL))
    finally:
        if describer:
            describer.close()


def _say(answers: BinaryIO, octets: bytes) -> None:
    answers.write(octets)
    answers.flush()


def _answer(describer: Describer, word: str, arguments: list[Any]) -> object:
    """Do what was asked."""
    if word != "begin":
        return getattr(describer, word)(*arguments)
    bare, retrieved = arguments
    describer.begin([Stored(*one) for one in bare], retrieved)
    facts = describer.facts()
    for _, message, *_ in bare:
        if isinstance(message, Spooled):
            message.close()
    return facts


def _pickled(error: Exception) -> bytes:
    """The error, or one that says the same, for exceptions that do not come out of a pickle."""
    try:
        octets = pickle.dumps(error, _PROTOCOL)
        pickle.loads(octets)  # noqa: S301 - it was made in the line before
    except Exception:
        return pickle.dumps(HelperError(f"{type(error).__name__}: {error}"), _PROTOCOL)
    return octets
