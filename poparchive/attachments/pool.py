"""Workers that read contents, and whoever minds them: one thread, which never waits for one of them alone.

Promise: ``read`` gives exactly one outcome for each job, whatever is in it. A worker that takes too long is
killed, one that dies is replaced, and what it says is believed to be text and no more.
"""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from poparchive.attachments import wire
from poparchive.attachments.outcome import Abilities, Job, Limits, Outcome, Status, too_large
from poparchive.errors import PoparchiveError

Tag = TypeVar("Tag")

START_S: Final = 120
"""A worker that has not said hello by then is not going to."""

JOBS_EACH: Final = 2_000
"""So many contents a worker reads before another takes its place: what leaks in a library ends with it."""

_WORKER: Final = "poparchive.attachments.worker"
_PIECE_BYTES: Final = 1 << 18
_COMPLAINT_BYTES: Final = 4096
_LISTEN_PIECES: Final = 16
_OUT_OF_MEMORY: Final = (b"memory allocation of", b"MemoryError", b"bad_alloc", b"out of memory")


class WorkerError(PoparchiveError):
    """No worker can be started."""


class _Worker(Generic[Tag]):
    """A process and what is on its way to it and from it."""

    def __init__(self, limits: Limits, directory: Path) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from {_WORKER} import main; main()"
        values = [limits.cpu_s, limits.memory_bytes, int(limits.ocr), limits.ocr_languages]
        try:
            # Neither environment nor directory have a say in what it imports, nor has site.
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", code, *map(str, values)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,
                env={"TMPDIR": str(directory), "HOME": str(directory), "MALLOC_ARENA_MAX": "2"},
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(
                f"the process that reads attachments cannot be started: {error}"
            ) from error
        assert self.process.stdin
        assert self.process.stdout
        assert self.process.stderr
        self.to = self.process.stdin.fileno()
        self.back = self.process.stdout.fileno()
        self.aside = self.process.stderr.fileno()
        for pipe in (self.to, self.back, self.aside):
            os.set_blocking(pipe, False)
        self.abilities: Abilities | None = None
        self.job: tuple[Tag, Job] | None = None
        self.again = False
        self.jobs = 0
        self.outgoing: list[memoryview] = []
        self.incoming = bytearray()
        self.complaint = b""
        self.complains = True
        self.deadline = time.monotonic() + START_S
        self.killed = False

    def give(self, tag: Tag, job: Job, limits: Limits, *, again: bool) -> None:
        """Hand it a job, ``again`` if that was in the hands of one that was killed before."""
        self.job = (tag, job)
        self.again = again
        self.jobs += 1
        # What was said of the content before is no reason for the end of this one.
        self.listen()
        self.complaint = b""
        self.outgoing = [memoryview(piece) for piece in wire.pack_job(job) if piece]
        self.deadline = time.monotonic() + limits.cpu_s * limits.wall_factor

    def write(self) -> None:
        """Send what the pipe takes."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self.outgoing:
                sent = os.write(self.to, self.outgoing[0][:_PIECE_BYTES])
                self.outgoing[0] = self.outgoing[0][sent:]
                if not self.outgoing[0]:
                    self.outgoing.pop(0)
            return
        if self.process.poll() is not None:
            self.outgoing.clear()

    def receive(self) -> bool:
        """Take in what is there; False when there will be no more."""
        with contextlib.suppress(BlockingIOError):
            piece = os.read(self.back, _PIECE_BYTES)
            self.incoming += piece
            return bool(piece)
        return True

    def listen(self) -> None:
        """Take in what libraries say aside, and keep the end of it: a pipe that nobody reads fills up, and
        whoever writes to it then waits for ever."""
        with contextlib.suppress(BlockingIOError):
            # At most so much at a time, as one that never stops must not hold up the others.
            for _ in range(_LISTEN_PIECES):
                piece = os.read(self.aside, 1 << 16)
                if not piece:
                    self.complains = False
                    return
                self.complaint = (self.complaint + piece)[-_COMPLAINT_BYTES:]

    def kill(self) -> None:
        self.killed = True
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def end(self) -> tuple[int, bytes]:
        """Wait for the end; return how it ended, and what it complained of."""
        self.process.kill()
        code = self.process.wait()
        self.listen()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                assert pipe
                pipe.close()
        return code, self.complaint


class Pool(Generic[Tag]):
    """Up to ``workers`` processes, started when there is something for them. For the thread that made it."""

    def __init__(self, limits: Limits, workers: int = 1) -> None:
        self._limits = limits
        self._wanted = workers
        self._workers: list[_Worker[Tag]] = []
        self._directory = Path(tempfile.mkdtemp(prefix="poparchive-attachments-"))
        self._abilities: Abilities | None = None
        self._again: list[tuple[Tag, Job]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the workers, which have nothing to lose. Safe to call twice."""
        for worker in self._workers:
            worker.kill()
            worker.end()
        self._workers.clear()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def pids(self) -> list[int]:
        """The workers that are there now."""
        return [worker.process.pid for worker in self._workers]

    def abilities(self) -> Abilities:
        """Return what workers here can do; starts one if none has said so yet. Raises ``WorkerError``."""
        if self._abilities is None:
            for _ in self.read(()):
                pass
        assert self._abilities
        return self._abilities

    def read(self, jobs: Iterable[tuple[Tag, Job]]) -> Iterator[tuple[Tag, Outcome]]:
        """Give each job to a worker and yield outcomes as they come, tagged as the jobs are.

        A job is taken when a worker is free for it, so that no more are in memory than there are workers.
        """
        coming = iter(jobs)
        more = True
        while True:
            while more and self._free_place():
                again = bool(self._again)
                job = self._again.pop() if again else next(coming, None)
                if job is None:
                    more = False
                    break
                if len(job[1].content) > self._limits.content_bytes:
                    yield job[0], too_large(len(job[1].content), self._limits.content_bytes)
                    continue
                self._idle_or_new().give(*job, self._limits, again=again)
            if self._abilities is None and not self._workers:
                self._idle_or_new()
            busy = [w for w in self._workers if w.job is not None or w.abilities is None]
            if not busy:
                if self._again:
                    more = True
                    continue
                return
            yield from self._turn(busy)
            more = more or bool(self._again)

    def _free_place(self) -> bool:
        return len([w for w in self._workers if w.job is not None]) < self._wanted

    def _idle_or_new(self) -> "_Worker[Tag]":
        for worker in [w for w in self._workers if w.job is None]:
            if worker.jobs < JOBS_EACH and worker.process.poll() is None:
                return worker
            self._remove(worker)
        if not sys.executable:
            raise WorkerError(
                "the process that reads attachments cannot be started: no interpreter"
            )
        worker = _Worker[Tag](self._limits, self._directory)
        self._workers.append(worker)
        return worker

    def _turn(self, busy: "list[_Worker[Tag]]") -> Iterator[tuple[Tag, Outcome]]:
        """Wait until a worker has something to say or takes too long."""
        with selectors.DefaultSelector() as selector:
            for worker in busy:
                selector.register(worker.back, selectors.EVENT_READ, worker)
                if worker.complains:
                    selector.register(worker.aside, selectors.EVENT_READ, worker)
                if worker.outgoing:
                    selector.register(worker.to, selectors.EVENT_WRITE, worker)
            wait_s = min(worker.deadline for worker in busy) - time.monotonic()
            ready = selector.select(max(wait_s, 0))
        ended = set()
        for key, _ in ready:
            worker = key.data
            if key.fd == worker.to:
                worker.write()
            elif key.fd == worker.aside:
                worker.listen()
            elif not worker.receive():
                ended.add(worker)
        for worker in busy:
            try:
                yield from self._heard(worker)
            except wire.WireError:
                worker.kill()
                ended.add(worker)
            if worker in ended:
                yield from self._died(worker)
            elif worker.deadline <= time.monotonic() and (worker.job or not worker.abilities):
                worker.kill()
                yield from self._died(worker)

    def _heard(self, worker: "_Worker[Tag]") -> Iterator[tuple[Tag, Outcome]]:
        """Take what is whole of what a worker said."""
        if worker.abilities is None:
            said = wire.unpack_hello(worker.incoming)
            if said is None:
                return
            worker.abilities, length = said
            self._abilities = worker.abilities
            del worker.incoming[:length]
            worker.deadline = time.monotonic() + self._limits.cpu_s * self._limits.wall_factor
        answer = wire.unpack_answer(worker.incoming)
        if answer is None:
            return
        if worker.job is None or worker.outgoing:
            raise wire.WireError("a worker answers before it was asked")
        outcome, length = answer
        del worker.incoming[:length]
        (tag, _), worker.job = worker.job, None
        yield tag, outcome

    def _died(self, worker: "_Worker[Tag]") -> Iterator[tuple[Tag, Outcome]]:
        """Find out why a worker ended, which is the outcome of what it was reading."""
        killed, job = worker.killed, worker.job
        late = worker.deadline <= time.monotonic()
        code, complaint = self._remove(worker)
        if worker.abilities is None:
            said = complaint.decode("utf-8", "replace").strip()[-1000:]
            raise WorkerError(f"the process that reads attachments does not start: {said or code}")
        if job is None:
            return
        tag, _ = job
        if -code == signal.SIGXCPU or (killed and late):
            yield tag, Outcome(Status.TIMEOUT, note="reading it takes too long")
        elif any(word in complaint for word in _OUT_OF_MEMORY):
            yield tag, Outcome(Status.MEMORY, note="reading it takes too much memory")
        elif killed:
            yield tag, Outcome(Status.DAMAGED, note="its reader said what no reader says")
        elif -code == signal.SIGKILL and not worker.again:
            # Somebody killed it, perhaps the system for want of memory. What it read may be blameless.
            self._again.append(job)
        elif -code == signal.SIGKILL:
            yield tag, Outcome(Status.MEMORY, note="its reader was killed twice")
        else:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            yield tag, Outcome(Status.DAMAGED, note=f"its reader {how}")

    def _remove(self, worker: "_Worker[Tag]") -> tuple[int, bytes]:
        self._workers.remove(worker)
        return worker.end()
