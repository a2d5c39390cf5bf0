"""The processes that read attachments: what they may not do, and what their end costs."""

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from poparchive.attachments import Job, Limits, Pool, Status, confine
from poparchive.attachments.pool import WorkerError
from tests.hostile.attachments.files import zeros_zip
from tests.support import documents

ROOT = Path(__file__).parents[3]
QUICK = Limits(cpu_s=2, wall_factor=5, memory_bytes=256 << 20)
GOOD = Job(b"<p>a wonderful sanctuary", "good.html", "text/html")


def words(pool: Pool[str], **jobs: Job) -> dict[str, tuple[Status, str]]:
    return {tag: (out.status, out.text) for tag, out in pool.read(jobs.items())}


# ---- confinement -----------------------------------------------------------------------------------------

PROBE = """
import os, sys, socket, threading
sys.path[:] = {path!r}
from poparchive.attachments import confine
{layer}
def tried(name, call):
    try:
        call()
    except (OSError, MemoryError) as error:
        print(name, "refused")
    else:
        print(name, "done")
def child():
    if not os.fork():
        os._exit(0)
tried("read", lambda: open("/etc/passwd").read())
tried("write", lambda: open({file!r}, "w").write("x"))
tried("unlink", lambda: os.unlink({file!r}))
tried("chmod", lambda: os.chmod({file!r}, 0o777))
tried("tcp", lambda: socket.socket(socket.AF_INET).connect(("127.0.0.1", {port})))
tried("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {port})))
tried("unix", lambda: socket.socket(socket.AF_UNIX).connect({file!r}))
tried("process", child)
tried("signal", lambda: os.kill(os.getppid(), 0))
tried("memory", lambda: bytearray(400 << 20))
started = []
thread = threading.Thread(target=lambda: started.append(1))
thread.start()
thread.join()
print("thread", "done" if started else "refused", flush=True)
# Last: where it is done, nobody is left to say so.
tried("program", lambda: os.execv("/bin/true", ["true"]))
"""
LAYERS = {
    "all": "layers = confine.confine(100 << 20); print('layers', ' '.join(layers))",
    "landlock": "confine._LIBC.prctl(38, 1, 0, 0, 0); print('layers', confine._landlock([]) or '')",
    "seccomp": "confine._LIBC.prctl(38, 1, 0, 0, 0); print('layers', confine._seccomp(opening=False) or '')",
    "network": "print('layers', '' if confine._LIBC.unshare(0x50000000) else 'network')",
}
REFUSED = {
    "all": "read write unlink chmod tcp udp unix program process signal memory",
    "landlock": "read write unlink tcp program",
    "seccomp": "read write unlink chmod tcp udp unix program process signal",
    "network": "tcp udp",
}


@pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")
@pytest.mark.parametrize("layer", LAYERS)
def test_what_a_confined_process_is_refused(layer: str, tmp_path: Path) -> None:
    """Each layer alone refuses what it is there for, and all together refuse all; threads go on."""
    import socket

    file = tmp_path / "file"
    file.touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = PROBE.format(
            path=sys.path, layer=LAYERS[layer], file=str(file), port=server.getsockname()[1]
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
    said = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
    if not said.get("layers"):
        pytest.skip(f"this system gives no {layer}: {done.stderr[-200:]}")
    if layer == "all" and len(said["layers"].split()) < 4:
        pytest.skip(f"this system gives only {said['layers']}")
    assert said["thread"] == "done"
    for what in REFUSED[layer].split():
        assert said[what] == "refused", (what, done.stdout, done.stderr)


REACH = """
import ctypes, os, struct, sys
sys.path[:] = {path!r}
from poparchive.attachments import confine
victim = {victim}
_, numbers = confine._NUMBERS[{machine!r}]
if {confined}:
    confine._LIBC.prctl(38, 1, 0, 0, 0)
    if not confine._seccomp(opening=False):
        sys.exit("this system gives no seccomp")
def tried(name, *arguments, number=None):
    number = numbers.get(name) if number is None else number
    if number is not None:
        got = confine._LIBC.syscall(number, *arguments)
        print(name, "done" if got >= 0 else "refused", flush=True)
        return got
    return -1
queued = struct.pack("iiiiII", 23, 0, -1, 0, os.getpid(), os.getuid()) + bytes(104)
inside, _ = os.pipe()
tried("prlimit64", victim, 4, struct.pack("QQ", 0, 1 << 20), None)
tried("sched_setaffinity", victim, 8, struct.pack("Q", 1 << min(os.sched_getaffinity(0))))
tried("sched_setscheduler", victim, 3, struct.pack("i", 0))
tried("sched_setparam", victim, struct.pack("i", 0))
tried("sched_setattr", victim, struct.pack("IIQiIQQQ", 48, 3, 0, 5, 0, 0, 0, 0), 0)
tried("setpriority", 0, victim, 7)
tried("ioprio_set", 1, victim, 3 << 13)
tried("kill", victim, 23)
tried("tkill", victim, 23)
tried("tgkill", victim, victim, 23)
tried("rt_sigqueueinfo", victim, 23, queued)
tried("rt_tgsigqueueinfo", victim, victim, 23, queued)
tried("fcntl", inside, 8, victim)
tried("kcmp", os.getpid(), victim, 2, 0, 0)
tried("inotify_init1", 0)
tried("personality", 0xFFFFFFFF)
for make, remove in (("shmget", "shmctl"), ("msgget", "msgctl"), ("semget", "semctl")):
    arguments = {{"shmget": (0, 4096, 0o600), "msgget": (0, 0o600), "semget": (0, 1, 0o600)}}[make]
    got = tried(make, *arguments)
    if got >= 0:
        tried(remove, got, *((0, 0) if remove == "semctl" else (0,)), None)
name = b"poparchive-%d" % os.getpid()
if tried("mq_open", name, 0o102, 0o600, None) >= 0:
    tried("mq_unlink", name)
# What it needs of these itself.
import resource, signal, threading
resource.setrlimit(resource.RLIMIT_CPU, (60, resource.getrlimit(resource.RLIMIT_CPU)[1]))
signal.signal(signal.SIGURG, signal.SIG_IGN)
signal.pthread_kill(threading.get_ident(), signal.SIGURG)
print("itself done")
"""


@pytest.mark.skipif(platform.machine() not in confine._NUMBERS, reason="there is no filter for it")
def test_the_filter_alone_keeps_it_from_other_processes() -> None:
    """Whatever the same user may do to a process of his, a reader may not, with no other layer."""
    said: dict[bool, dict[str, str]] = {}
    for confined in (False, True):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
            code = REACH.format(
                path=sys.path, victim=victim.pid, machine=platform.machine(), confined=confined
            )
            before = _hold_of(victim.pid)
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=False
            )
            after = _hold_of(victim.pid)
            victim.kill()
        if "no seccomp" in done.stderr:
            pytest.skip(done.stderr)
        said[confined] = dict(line.split() for line in done.stdout.splitlines())
        assert said[confined].pop("itself", done.stderr) == "done"
        assert (before == after) is confined
    free, kept = said[False], said[True]
    assert {"prlimit64", "setpriority", "tgkill", "rt_sigqueueinfo", "fcntl"} <= {
        name for name, how in free.items() if how == "done"
    }, free
    assert set(kept.values()) == {"refused"}, kept


def _hold_of(pid: int) -> list[object]:
    """What others may change of a process."""
    import resource

    return [
        resource.prlimit(pid, resource.RLIMIT_CORE),
        os.sched_getaffinity(pid),
        os.sched_getscheduler(pid),
        os.getpriority(os.PRIO_PROCESS, pid),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_a_confined_process_has_no_capability() -> None:
    """Neither those of whoever is root, nor those that a namespace of its own gives within it."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\nfrom poparchive.attachments import confine\n"
        "status = open('/proc/self/status')\nconfine.confine(100 << 20)\nprint(status.read())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said = dict(line.split(":", 1) for line in done.stdout.splitlines() if line)
    for which in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(said[which], 16) == 0, which


def test_a_worker_says_what_keeps_it_in() -> None:
    """What the system does not give is not claimed."""
    with Pool[str](QUICK) as pool:
        layers = pool.abilities().layers
    assert layers[0] == "limits"
    assert set(layers[1:]) <= {"network", "seccomp", *(f"landlock{n}" for n in range(1, 30))}


def test_the_filter_knows_this_machine() -> None:
    """Numbers of system calls are the kernel's, as the C library's headers have them."""
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip(f"{header} is not there")
    known = dict(
        line.split()[1:3]
        for line in header.read_text().splitlines()
        if line.startswith("#define __NR_")
    )
    _, numbers = confine._NUMBERS["x86_64"]
    for name, number in numbers.items():
        if f"__NR_{name}" in known:
            assert int(known[f"__NR_{name}"]) == number, name


def test_a_worker_has_loaded_what_mail_takes() -> None:
    """It can open no file later: parts of ``mime`` that are imported for the first mail that needs them are
    there, such as those for HTML beside plain text and for text without a charset."""
    mail = (
        b"From: a@example.org\nSubject: s\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/alternative; boundary="b"\n\n--b\n\nThe sanctuary opens \xbf\xf3\xb3w.\n'
        b"--b\nContent-Type: text/html\n\n<p>The sanctuary opens.<p>The numbat sleeps.\n--b--\n"
    )
    with Pool[str](Limits()) as pool:
        ((status, text),) = words(pool, mail=Job(mail, "a.eml", "message/rfc822")).values()
    assert status is Status.DONE
    assert "sanctuary" in text
    assert "numbat" in text


@pytest.mark.parametrize(
    ("codec", "said"),
    [
        ("koi8_u", "Привіт, їжак читає газету щодня, а ґава літає над лісом."),
        ("cp874", "สวัสดีครับ วันนี้อากาศดีมาก เราไปเที่ยวกันเถอะ"),
        ("utf-16-be", "half of a pair"),
    ],
)
def test_a_worker_has_loaded_every_codec(codec: str, said: str) -> None:
    """Also those that no other name leads to, which only a guess asks for."""
    octets = said.encode(codec) if codec != "utf-16-be" else said.encode("utf-16-be")[1:-1]
    with Pool[str](Limits()) as pool:
        ((status, text),) = words(pool, text=Job(octets, "a.txt", "text/plain")).values()
    assert status in (Status.DONE, Status.EMPTY)
    if codec != "utf-16-be":
        assert said.split()[0].strip(",") in text


# ---- limits ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("kreuzberg") is None, reason="needs the extra `attachments`")
def test_a_worker_has_loaded_what_reads_forms() -> None:
    """What is filled into a PDF is read where no file can be opened."""
    field = b"/Type/Annot/Subtype/Widget/Rect[0 0 9 9]/FT/Tx/T(a)/V(a quoll)"
    with Pool[str](Limits(), 1) as pool:
        found = words(pool, form=Job(documents.pdf_form("kangaroo", field), "a.pdf", ""))
    assert found["form"] == (Status.DONE, "kangaroo\na quoll")


def test_each_limit_has_its_status() -> None:
    """Time, memory, unpacked size and size of the content; afterwards a good one is read."""
    with Pool[str](QUICK) as pool:
        found = words(
            pool,
            bomb=Job(zeros_zip(300), "a.zip", ""),
            large=Job(b"x" * 2_000, "a.txt", ""),
            good=GOOD,
        )
        assert found["bomb"][0] is Status.BOMB
        assert found["good"] == (Status.DONE, "a wonderful sanctuary")
    small = Limits(content_bytes=1_000)
    with Pool[str](small) as pool:
        assert words(pool, large=Job(b"x" * 2_000, "a.txt", ""))["large"][0] is Status.UNSUPPORTED


def test_a_worker_that_hangs_is_ended_and_replaced() -> None:
    """One that is stopped gives no answer: its content has the status, and the next is read by another."""
    limits = Limits(cpu_s=1, wall_factor=1)
    with Pool[str](limits, workers=2) as pool:
        pool.abilities()
        os.kill(pool.pids[0], signal.SIGSTOP)
        found = words(pool, first=GOOD, second=GOOD._replace(name="b.html"))
        assert sorted(status.name for status, _ in found.values()) == ["DONE", "TIMEOUT"]
        assert words(pool, third=GOOD)["third"][0] is Status.DONE


def test_a_worker_that_is_killed_costs_nothing() -> None:
    """Whoever kills one in the middle, what it was reading is read by the next one."""
    with Pool[str](Limits()) as pool:
        pool.abilities()
        (before,) = pool.pids
        jobs = {str(n): GOOD for n in range(20)}

        def some() -> Iterator[tuple[str, Job]]:
            for at, one in enumerate(jobs.items()):
                if at == 10:
                    os.kill(pool.pids[0], signal.SIGKILL)
                yield one

        found = {tag: outcome.status for tag, outcome in pool.read(some())}
        assert found == dict.fromkeys(jobs, Status.DONE)
        assert pool.pids != [before]


def test_each_content_is_tried_again_for_itself() -> None:
    """That a worker was killed over one is not held against the next, though its octets lie where those of
    the first lay."""
    with Pool[str](Limits()) as pool:
        pool.abilities()

        def some() -> Iterator[tuple[str, Job]]:
            for name in "ab":
                os.kill(pool.pids[0], signal.SIGSTOP)
                threading.Timer(0.05, os.kill, (pool.pids[0], signal.SIGKILL)).start()
                yield name, GOOD

        found = {tag: outcome.status for tag, outcome in pool.read(some())}
    assert found == dict.fromkeys("ab", Status.DONE)


def test_a_crash_in_a_reader_is_the_contents_fault() -> None:
    """A worker that ends by SIGSEGV while it reads says that the content is damaged, and is replaced."""
    with Pool[str](Limits()) as pool:
        pool.abilities()
        worker = pool.pids[0]
        os.kill(worker, signal.SIGSTOP)

        def crash() -> None:
            os.kill(worker, signal.SIGSEGV)
            os.kill(worker, signal.SIGCONT)

        threading.Timer(0.05, crash).start()
        found = words(pool, crash=GOOD, good=GOOD)
        assert found["crash"][0] is Status.DAMAGED
        assert found["good"][0] is Status.DONE


def test_workers_end_with_the_process_that_started_them() -> None:
    """Nothing is left when the parent is killed in the middle of a content."""
    if sys.platform != "linux":
        pytest.skip("the kernel ends children with their parent on Linux only")
    code = (
        "import sys, time\nfrom poparchive.attachments import Pool, Limits\n"
        "pool = Pool(Limits())\npool.abilities()\nprint(*pool.pids, flush=True)\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    end = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists() and "zombie" not in _state(worker):
        assert time.monotonic() < end, "the worker lives on"
        time.sleep(0.01)


def _state(pid: int) -> str:
    try:
        return (
            Path(f"/proc/{pid}/status")
            .read_text(encoding="ascii")
            .split("State:")[1]
            .split("\n")[0]
        )
    except (OSError, IndexError):
        return "zombie"


def test_no_file_is_left_behind() -> None:
    """The private directory goes with the pool."""
    with Pool[str](Limits()) as pool:
        pool.abilities()
        directory = pool._directory
        assert directory.stat().st_mode & 0o777 == 0o700
        words(pool, pdf=Job(documents.pdf("kangaroo"), "a.pdf", ""))
    assert not directory.exists()


def test_a_worker_that_lies_is_not_believed() -> None:
    """An answer that is longer than any may be, or a status that there is not, ends the worker."""
    from poparchive.attachments import wire

    for octets in (
        wire.ANSWER.pack(0, 0, 0, 1 << 40),
        wire.ANSWER.pack(0, 0, 1 << 30, 0),
        wire.ANSWER.pack(99, 0, 0, 0),
        wire.ANSWER.pack(0, 99, 0, 0),
    ):
        with pytest.raises(wire.WireError):
            wire.unpack_answer(octets)
    for hello in (wire.HELLO.pack(1 << 30), wire.HELLO.pack(3) + b"abc"):
        with pytest.raises(wire.WireError):
            wire.unpack_hello(hello)


def test_a_worker_that_cannot_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says why, and nothing waits for ever."""
    monkeypatch.setattr("poparchive.attachments.pool._WORKER", "poparchive.nowhere")
    with Pool[str](QUICK) as pool, pytest.raises(WorkerError, match="nowhere"):
        pool.abilities()


NOISY = """
import os
from poparchive.attachments import reading, worker
main, read = worker.main, reading.read
def noisy(job, limits):
    if job.name == "abort":
        os.abort()
    os.write(2, b"warning: a table in a font is out of memory\\n" * 400)
    return read(job, limits)
reading.read = noisy
"""


def test_a_library_may_complain_as_much_as_it_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Warnings over many contents, more than a pipe holds, stop none of them, and are no reason for what
    becomes of a later one."""
    (tmp_path / "noisy_reader.py").write_text(NOISY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("poparchive.attachments.pool._WORKER", "noisy_reader")
    with Pool[str](Limits(cpu_s=2)) as pool:
        found = words(pool, **{str(n): GOOD for n in range(20)})
        assert {status for status, _ in found.values()} == {Status.DONE}
        assert len(pool.pids) == 1
        assert words(pool, last=GOOD._replace(name="abort"))["last"][0] is Status.DAMAGED
