"""Passwords, fetched from where the configuration says they are, when they are needed.

A password is never written by this program, never in an error and never in a repr. What a command
prints is never shown either, for it may be a password even when the command fails.
"""

import os
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

from poparchive.errors import PoparchiveError

COMMAND_TIMEOUT_S: Final = 60.0
"""Long enough for somebody to unlock a password store, short enough for an unattended pull."""

LONGEST_BYTES: Final = 64 * 1024
"""No password is longer; the limit keeps a wrong path, such as a device, from filling memory."""

SYSTEMD_PREFIX: Final = "account_"
"""What systemd puts before the names of files when our units load a directory of credentials."""


class CredentialError(PoparchiveError):
    """A password cannot be had. Concerns one account; others go on."""


class Reference(Protocol):
    """Where a password is to be had; ``config.PasswordRef`` is one."""

    @property
    def kind(self) -> str: ...
    @property
    def value(self) -> str: ...


class Secret:
    """A password that shows itself only when asked by ``reveal``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")


def fetch(
    reference: Reference, *, account: str, command_timeout_s: float = COMMAND_TIMEOUT_S
) -> Secret:
    """Returns the password for ``account``: the first line of what the reference leads to.

    Blocks, for a command up to its time limit; call it in a thread where other work goes on.
    Raises ``CredentialError`` that names the account and the reference.
    """
    try:
        if reference.kind == "command":
            octets = _command(reference.value, command_timeout_s)
        else:
            octets = _READERS[reference.kind](reference.value, account)
        return Secret(_first_line(octets))
    except CredentialError as error:
        raise CredentialError(
            f"account {account}: password from {_described(reference)}: {error}"
        ) from None


def _described(reference: Reference) -> str:
    """The reference as the configuration has it; of a command only the program.

    Arguments stay out, because people write ``echo`` and the password.
    """
    if reference.kind == "command":
        program = reference.value.split(maxsplit=1)[0]
        return f"the command {program!a}"
    return f"{reference.kind} {reference.value!a}"


def _first_line(octets: bytes) -> str:
    line = octets.split(b"\n", 1)[0].removesuffix(b"\r")
    if not line:
        raise CredentialError("it is empty, or its first line is")
    if b"\0" in line or b"\r" in line:
        raise CredentialError("it contains a NUL or a carriage return, which no server takes")
    try:
        return line.decode()
    except UnicodeDecodeError:
        # The exception would carry the octets.
        raise CredentialError("it is not UTF-8") from None


def _command(line: str, timeout_s: float) -> bytes:
    try:
        words = shlex.split(line)
    except ValueError:
        raise CredentialError("the command's quotes do not match") from None
    if not words:
        raise CredentialError("the command is empty")
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise CredentialError(f"it cannot be started: {error.strerror}") from None
    with process:
        try:
            octets, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise CredentialError(f"it did not end within {timeout_s:g} s") from None
        except BaseException:
            # An interrupt must not leave the program behind, nor wait for it.
            process.kill()
            raise
    if process.returncode:
        ending = (
            f"exit code {process.returncode}"
            if process.returncode > 0
            else f"signal {-process.returncode}"
        )
        raise CredentialError(f"it ended with {ending}; run it by hand to see why")
    return octets


def _file(path: str, account: str) -> bytes:
    return _read(Path(path), private=True)


def _env(name: str, account: str) -> bytes:
    try:
        return os.environb[os.fsencode(name)]
    except KeyError:
        raise CredentialError("the environment has no such variable") from None


def _credential(name: str, account: str) -> bytes:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise CredentialError(
            "only a service that systemd starts has credentials (LoadCredential=);"
            " for use from a shell write { command = ... } or { file = ... }"
        )
    if "/" in name or name in {".", ".."}:
        raise CredentialError("a credential's name has no slash")
    paths = [Path(directory, name), Path(directory, SYSTEMD_PREFIX + name)]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        raise CredentialError(
            f"systemd handed over no such credential; put it in a file named {name} in the"
            " directory of the unit's LoadCredential= and start the unit again"
        )
    # systemd guards these itself, in a mode that may differ by version.
    return _read(path, private=False)


def _keyring(service: str, account: str) -> bytes:
    password = _keyring_get(service, account)
    if password is None:
        raise CredentialError(f"it has none for {account}; run: keyring set {service} {account}")
    return password.encode()


def _keyring_get(service: str, account: str) -> str | None:
    with _keyring_package() as keyring:
        text = keyring.get_password(service, account)
    return None if text is None else str(text)


@contextmanager
def _keyring_package() -> Iterator[Any]:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        raise CredentialError(
            "the Python package keyring is not installed; pip install 'poparchive[keyring]'"
        ) from None
    try:
        yield keyring
    except keyring.errors.KeyringError as error:
        # Its text may hold what was to be kept.
        raise CredentialError(f"the keyring does not answer ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True)
class KeyringEntry:
    """An entry of the keyring that this program writes itself, such as an account's tokens."""

    service: str
    account: str

    def get(self) -> str | None:
        """What ``set`` put there; None for nothing. Raises ``CredentialError``."""
        with self._named():
            return _keyring_get(self.service, self.account)

    def set(self, text: str) -> None:
        """Replace it. Raises ``CredentialError``."""
        with self._named(), _keyring_package() as keyring:
            keyring.set_password(self.service, self.account, text)

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except CredentialError as error:
            raise CredentialError(
                f"account {self.account}: tokens in keyring {self.service!a}: {error}"
            ) from None


_READERS: Mapping[str, Callable[[str, str], bytes]] = {
    "file": _file,
    "env": _env,
    "credential": _credential,
    "keyring": _keyring,
}


def _read(path: Path, *, private: bool) -> bytes:
    try:
        # Not blocking, so that a pipe in the place of the file is seen instead of waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such path"
        raise CredentialError(f"it cannot be read: {reason}") from None
    try:
        # Asked of the open file, so that nobody exchanges it in between.
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise CredentialError("it is not a file")
        if private and status.st_mode & stat.S_IRWXO:
            mode = stat.S_IMODE(status.st_mode)
            raise CredentialError(
                f"everyone on this machine may use it (mode {mode:04o}); run: chmod 600 {path}"
            )
        return os.read(fd, LONGEST_BYTES)
    finally:
        os.close(fd)
