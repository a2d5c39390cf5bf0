"""Where tokens are kept: a file of mode 0600, or an entry of the desktop's keyring.

A save is whole or not at all, and on disk when it returns. Whoever refreshes holds ``lock`` meanwhile, for
many providers take a refresh token once, and take a second use for theft.
"""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poparchive.oauth.errors import StoreError
from poparchive.oauth.tokens import Tokens, decode, encode


class Store(Protocol):
    """Keeps the tokens of one account."""

    @property
    def place(self) -> str:
        """Where that is, for people."""

    def load(self) -> Tokens | None:
        """What was saved last. Raises ``StoreError`` where it cannot be read."""

    def save(self, tokens: Tokens) -> None:
        """Raises ``StoreError`` where it cannot be written; what was there is then still there."""

    def prepare(self) -> None:
        """Raise what ``save`` would raise, before a person was bothered."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Wait until no other thread or process is within, and keep them out."""


@dataclass(frozen=True, slots=True)
class FileStore:
    """A file that is replaced in one step, with its lock beside it."""

    path: Path

    @property
    def place(self) -> str:
        return str(self.path)

    def load(self) -> Tokens | None:
        with _reading(self.place):
            try:
                fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            with os.fdopen(fd, "rb") as file:
                mode = os.fstat(fd).st_mode
                if not stat.S_ISREG(mode):
                    raise StoreError("that is not a file")
                if mode & (stat.S_IRWXG | stat.S_IRWXO):
                    raise StoreError(
                        f"others may read it (mode {stat.S_IMODE(mode):04o});"
                        f" run: chmod 600 {self.path}"
                    )
                octets = file.read()
            try:
                return decode(octets.decode())
            except UnicodeDecodeError:
                raise StoreError("they are damaged") from None

    def save(self, tokens: Tokens) -> None:
        with _writing(self.place):
            # A link stays one, and what it leads to is replaced.
            target = Path(os.path.realpath(self.path))
            _directory(target.parent)
            fd, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
            temporary = Path(name)
            try:
                with os.fdopen(fd, "w", encoding="utf-8") as file:
                    file.write(encode(tokens) + "\n")
                    file.flush()
                    os.fsync(fd)
                temporary.rename(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    def prepare(self) -> None:
        with _writing(self.place):
            target = Path(os.path.realpath(self.path))
            _directory(target.parent)
            with tempfile.TemporaryFile(dir=target.parent):
                pass

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return _locked(self.path.with_name(self.path.name + ".lock"))


class Vault(Protocol):
    """One secret text in a keyring; ``credentials.KeyringEntry`` is one."""

    def get(self) -> str | None: ...
    def set(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class KeyringStore:
    """An entry of a keyring. Keyrings have no locks, so one beside other tokens is taken."""

    vault: Vault
    place: str
    lock_path: Path

    def load(self) -> Tokens | None:
        with _reading(self.place):
            text = self.vault.get()
            return None if text is None else decode(text)

    def save(self, tokens: Tokens) -> None:
        self.vault.set(encode(tokens))

    def prepare(self) -> None:
        self.vault.get()
        with self.lock():
            pass

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return _locked(self.lock_path)


def _directory(path: Path) -> None:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with _writing(str(path)):
        _directory(path.parent)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # The kernel gives it back whatever happens to us. A holder waits for one answer at most.
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _reading(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"the tokens in {place} cannot be read: {error.strerror}") from None
    except StoreError as error:
        raise StoreError(f"the tokens in {place} cannot be used: {error}") from None


@contextlib.contextmanager
def _writing(place: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{place}: tokens cannot be kept there: {error.strerror}") from None
