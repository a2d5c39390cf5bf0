"""Takes from a process what reading a file does not need: other files, the network, other programs.

Each layer stands for itself, and what the system does not give is left out; ``confine`` says what it gave.
None needs root, and all are there in containers unless these forbid them. The process must be
single-threaded: threads that it starts afterwards are confined like it.

    limits     setrlimit(2): memory, and no octet in any file
    landlock   files cannot be opened, but those below ``readable`` (Linux 5.13); no TCP (6.7); no signal to
               others and no abstract socket (6.12)
    seccomp    system calls that open files, sockets and programs fail, and those that reach other processes
               (signals, limits, priorities, shared memory, queues) or the kernel's rarely used corners
    network    a network namespace of its own, which is empty

Capabilities are given up where there are any; that is no layer of its own, as the others do not count on it.
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
SIGKILL: Final = 9

_CAPABILITY_VERSION_3: Final = 0x20080522
"""capset(2): the version whose sets have 64 bits."""

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWIPC: Final = 0x08000000

# landlock(7). The numbers are the same on all architectures.
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_FILES: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""The kinds of access to files that each ABI knows first."""
_LANDLOCK_READ: Final = 1 << 2 | 1 << 3

# seccomp(2), struct seccomp_data: nr at 0, arch at 4, the low halves of the first two arguments here.
_FIRST, _SECOND = 16, 24
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _EACCES, _EEXIST, _ENOSYS = 1, 13, 17, 38
_CLONE_THREAD: Final = 0x00010000
_X32: Final = 0x40000000

_OPENING: Final = ("open", "openat", "openat2", "creat")
_CHANGING: Final = (
    "unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat",
    "rmdir", "mknod", "mknodat", "truncate", "chmod", "fchmodat", "fchmodat2",
    "chown", "lchown", "fchownat", "utime", "utimes", "utimensat", "futimesat", "setxattr",
    "lsetxattr", "removexattr", "lremovexattr",
)  # fmt: skip
_MAKING: Final = ("mkdir", "mkdirat")
"""A library that wants its directory is told that it is there, which it is."""
_REACHING: Final = (
    "socket", "connect", "bind", "listen", "accept", "accept4", "execve", "execveat",
    "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kill", "tkill",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_getfd", "pidfd_send_signal",
    "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "setpriority",
    "ioprio_set", "kcmp", "process_madvise", "process_mrelease", "migrate_pages", "move_pages",
    "shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop", "semctl",
    "semtimedop", "mq_open", "mq_unlink", "inotify_init", "inotify_init1", "inotify_add_watch",
    "fanotify_init", "fanotify_mark", "io_uring_setup", "bpf", "perf_event_open", "userfaultfd",
    "add_key", "request_key", "keyctl", "mount", "umount2", "open_tree", "move_mount", "fsopen",
    "fspick", "fsmount", "mount_setattr", "pivot_root", "chroot", "setns", "unshare",
    "open_by_handle_at", "name_to_handle_at", "quotactl", "acct", "swapon", "swapoff", "reboot",
    "syslog", "personality",
)  # fmt: skip

_OWNING: Final = {"fcntl": (8, 10, 15), "ioctl": (0x8901, 0x8902)}
"""F_SETOWN, F_SETSIG and F_SETOWN_EX, FIOSETOWN and SIOCSPGRP: the owner of a pipe gets signals from it,
whoever that is."""

_NUMBERS: Final[dict[str, tuple[int, dict[str, int]]]] = {
    "x86_64": (0xC000003E, {
        "open": 2, "openat": 257, "openat2": 437, "creat": 85, "unlink": 87, "unlinkat": 263,
        "rename": 82, "renameat": 264, "renameat2": 316, "link": 86, "linkat": 265, "symlink": 88,
        "symlinkat": 266, "mkdir": 83, "mkdirat": 258, "rmdir": 84, "mknod": 133, "mknodat": 259,
        "truncate": 76, "chmod": 90, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "lchown": 94,
        "fchownat": 260, "utime": 132, "utimes": 235, "utimensat": 280, "futimesat": 261,
        "setxattr": 188, "lsetxattr": 189, "removexattr": 197, "lremovexattr": 198, "socket": 41,
        "connect": 42, "bind": 49, "listen": 50, "accept": 43, "accept4": 288, "execve": 59,
        "execveat": 322, "fork": 57, "vfork": 58, "clone": 56, "clone3": 435, "ptrace": 101,
        "process_vm_readv": 310, "process_vm_writev": 311, "kill": 62, "pidfd_open": 434,
        "pidfd_getfd": 438, "pidfd_send_signal": 424, "io_uring_setup": 425, "bpf": 321,
        "perf_event_open": 298, "userfaultfd": 323, "add_key": 248, "request_key": 249, "keyctl": 250,
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "setns": 308, "unshare": 272,
        "open_by_handle_at": 304, "tkill": 200, "rt_sigqueueinfo": 129,
        "rt_tgsigqueueinfo": 297, "sched_setaffinity": 203, "sched_setscheduler": 144,
        "sched_setparam": 142, "sched_setattr": 314, "setpriority": 141, "ioprio_set": 251,
        "kcmp": 312, "process_madvise": 440, "process_mrelease": 448, "migrate_pages": 256,
        "move_pages": 279, "shmget": 29, "shmat": 30, "shmctl": 31, "msgget": 68, "msgsnd": 69,
        "msgrcv": 70, "msgctl": 71, "semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220,
        "mq_open": 240, "mq_unlink": 241, "inotify_init": 253, "inotify_init1": 294,
        "inotify_add_watch": 254, "fanotify_init": 300, "fanotify_mark": 301, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fspick": 433, "fsmount": 432, "mount_setattr": 442,
        "name_to_handle_at": 303, "quotactl": 179, "acct": 163, "swapon": 167, "swapoff": 168,
        "reboot": 169, "syslog": 103, "personality": 135, "prlimit64": 302, "tgkill": 234,
        "fcntl": 72, "ioctl": 16,
    }),
    "aarch64": (0xC00000B7, {
        "openat": 56, "openat2": 437, "unlinkat": 35, "renameat": 38, "renameat2": 276, "linkat": 37,
        "symlinkat": 36, "mkdirat": 34, "mknodat": 33, "truncate": 45, "fchmodat": 53,
        "fchmodat2": 452, "fchownat": 54, "utimensat": 88, "setxattr": 5, "lsetxattr": 6,
        "removexattr": 14, "lremovexattr": 15, "socket": 198, "connect": 203, "bind": 200,
        "listen": 201, "accept": 202, "accept4": 242, "execve": 221, "execveat": 281, "clone": 220,
        "clone3": 435, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kill": 129,
        "pidfd_open": 434, "pidfd_getfd": 438, "pidfd_send_signal": 424, "io_uring_setup": 425,
        "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "add_key": 217, "request_key": 218,
        "keyctl": 219, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "setns": 268,
        "unshare": 97, "open_by_handle_at": 265, "tkill": 130,
        "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "sched_setaffinity": 122,
        "sched_setscheduler": 119, "sched_setparam": 118, "sched_setattr": 274, "setpriority": 140,
        "ioprio_set": 30, "kcmp": 272, "process_madvise": 440, "process_mrelease": 448,
        "migrate_pages": 238, "move_pages": 239, "shmget": 194, "shmat": 196, "shmctl": 195,
        "msgget": 186, "msgsnd": 189, "msgrcv": 188, "msgctl": 187, "semget": 190, "semop": 193,
        "semctl": 191, "semtimedop": 192, "mq_open": 180, "mq_unlink": 181, "inotify_init1": 26,
        "inotify_add_watch": 27, "fanotify_init": 262, "fanotify_mark": 263, "open_tree": 428,
        "move_mount": 429, "fsopen": 430, "fspick": 433, "fsmount": 432, "mount_setattr": 442,
        "name_to_handle_at": 264, "quotactl": 60, "acct": 89, "swapon": 224, "swapoff": 225,
        "reboot": 142, "syslog": 116, "personality": 92, "prlimit64": 261, "tgkill": 131, "fcntl": 25,
        "ioctl": 29,
    }),
}  # fmt: skip
"""The AUDIT_ARCH of an architecture, and its numbers (asm/unistd.h)."""


def end_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends."""
    if hasattr(_LIBC, "prctl"):
        _LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)


def confine(memory_bytes: int, readable: Sequence[Path] = ()) -> tuple[str, ...]:
    """Take away what the system lets us take, and return the names of the layers. There is no way back."""
    layers = ["limits"]
    _limit(memory_bytes)
    if not hasattr(_LIBC, "prctl"):
        return tuple(layers)
    _LIBC.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if not _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC):
        layers.append("network")
    # A namespace of its own gives all capabilities within it, and whoever is root has those of the system.
    _LIBC.capset(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
    if _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return tuple(layers)
    if abi := _landlock(readable):
        layers.append(f"landlock{abi}")
    if _seccomp(opening=bool(readable)):
        layers.append("seccomp")
    return tuple(layers)


def _limit(memory_bytes: int) -> None:
    """Limit what is written to memory; address space that is only reserved costs nothing, up to a point."""
    size = data = 0
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name in ("VmSize", "VmData"):
                kib = int(value.split()[0])
                size, data = (kib << 10, data) if name == "VmSize" else (size, kib << 10)
    _lower(resource.RLIMIT_DATA, data + memory_bytes)
    _lower(resource.RLIMIT_AS, size + memory_bytes + (2 << 30))
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(which, (value, value))


def _landlock(readable: Sequence[Path]) -> int:
    """Forbid files but those below ``readable``; return the ABI, 0 where there is none."""
    call = _LIBC.syscall
    abi: int = call(_LANDLOCK_CREATE, None, 0, 1)
    if abi < 1:
        return 0
    files = _LANDLOCK_FILES[max(known for known in _LANDLOCK_FILES if known <= abi)]
    # struct landlock_ruleset_attr grew with the ABI: files, then TCP, then what is scoped.
    values = [files, *([3] if abi >= 4 else []), *([3] if abi >= 6 else [])]
    attributes = struct.pack(f"{len(values)}Q", *values)
    rules = call(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if rules < 0:
        return 0
    try:
        for path in readable:
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
                try:
                    call(_LANDLOCK_ADD, rules, 1, struct.pack("=Qi", _LANDLOCK_READ, fd), 0)
                finally:
                    os.close(fd)
        return abi if not call(_LANDLOCK_RESTRICT, rules, 0) else 0
    finally:
        os.close(rules)


def _seccomp(*, opening: bool) -> bool:
    """Make system calls fail; with ``opening``, those that open files are left to Landlock."""
    if platform.machine() not in _NUMBERS or struct.calcsize("P") != 8:
        return False
    arch, numbers = _NUMBERS[platform.machine()]
    names = (*_CHANGING, *_REACHING)
    answers = {numbers[name]: _EPERM for name in names if name in numbers}
    answers |= {numbers[name]: _EEXIST for name in _MAKING if name in numbers}
    if not opening:
        answers |= {numbers[name]: _EACCES for name in _OPENING if name in numbers}
    # The kernel's answer to programs that know a newer call than it: they take the older one.
    answers[numbers["clone3"]] = _ENOSYS
    steps = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for number, errno in sorted(answers.items()):
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno)]
    # Threads may be started, processes not; each may lower its own limits, and signal its own threads.
    steps += _only(numbers["clone"], _ANY_BIT, _CLONE_THREAD)
    steps += _only(numbers["prlimit64"], _EQUAL, 0)
    steps += _only(numbers["tgkill"], _EQUAL, os.getpid())
    for name, commands in _OWNING.items():
        steps += _but(numbers[name], commands)
    steps.append((_RETURN, 0, 0, _ALLOW))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    held = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("=H6xQ", len(steps), ctypes.addressof(held)))
    return not _LIBC.prctl(PR_SET_SECCOMP, 2, ctypes.byref(program), 0, 0)


def _only(number: int, test: int, value: int) -> list[tuple[int, int, int, int]]:
    """Steps that let a call through whose first argument passes a test."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST),
        (test, 1, 0, value),
        (_RETURN, 0, 0, _ERRNO | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _but(number: int, values: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Steps that let a call through but for these second arguments."""
    steps = [(_LOAD, 0, 0, _SECOND)]
    for value in values:
        steps += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ERRNO | _EPERM)]
    steps.append((_RETURN, 0, 0, _ALLOW))
    return [(_EQUAL, 0, len(steps), number), *steps]
