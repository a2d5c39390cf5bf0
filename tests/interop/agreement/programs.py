"""The two programs with the same mail in them, and what each of them finds."""

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from poparchive.index.search import Searcher
from tests.support.archives import fill

CONFIG = """[database]
path={place}/index
mail_root={place}/mail
[user]
name=Nobody
primary_email=nobody@example.org
[new]
tags=
[maildir]
synchronize_flags=false
"""


@dataclass(frozen=True)
class Mail:
    """One message: where it is from, and its octets."""

    path: str
    octets: bytes

    @cached_property
    def id(self) -> bytes:
        return sha256(self.octets).digest()


class Notmuch:
    """notmuch with an index of its own, asked by its command, a process a query."""

    def __init__(self, place: Path, mails: Iterable[Mail]) -> None:
        self._mails = {place / "mail" / mail.path.replace("/", "_"): mail for mail in mails}
        (place / "mail").mkdir(parents=True)
        (place / "index").mkdir()
        for path, mail in self._mails.items():
            path.write_bytes(mail.octets)
        (place / "config").write_text(CONFIG.format(place=place))
        self._environment = {
            **os.environ,
            "NOTMUCH_CONFIG": str(place / "config"),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }
        self._said("new", "--quiet")

    def groups(self) -> list[tuple[Mail, ...]]:
        """Its messages, each with the files that it takes for copies of it: those of one Message-ID."""
        shown = self._said(
            "show", "--format=json", "--body=false", "--entire-thread=false", "--exclude=false", "*"
        )
        return [
            tuple(self._mails[Path(name)] for name in one["filename"])
            for one in _messages(json.loads(shown))
        ]

    def find(self, query: str) -> frozenset[bytes]:
        """The ids of the messages that a query finds, with their copies."""
        said = self._said("search", "--output=files", "--format=text0", "--exclude=false", query)
        return frozenset(self._mails[Path(name)].id for name in said.split("\0") if name)

    def find_all(self, queries: Sequence[str]) -> dict[str, frozenset[bytes]]:
        """The same of many queries, as many at a time as there are processors."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(queries, pool.map(self.find, queries), strict=True))

    def _said(self, *words: str) -> str:
        done = subprocess.run(
            ["notmuch", *words], env=self._environment, capture_output=True, check=False
        )
        if done.returncode:
            raise AssertionError(f"notmuch {words}: {done.stderr.decode(errors='replace')}")
        return os.fsdecode(done.stdout)


def _messages(shown: object) -> Iterable[dict[str, list[str]]]:
    """The messages in the nested lists of threads that notmuch prints."""
    if isinstance(shown, dict):
        yield shown
    elif isinstance(shown, list):
        for one in shown:
            yield from _messages(one)


class Poparchive:
    """poparchive with an archive of its own, asked in this process."""

    def __init__(self, place: Path, mails: Iterable[Mail]) -> None:
        fill(place, (mail.octets for mail in mails))
        self._searcher = Searcher(place / "catalog.sqlite", place / "search.sqlite")
        run = self._searcher._run
        self._ids = dict(run("SELECT id, sha256 FROM cat.messages", ()).fetchall())

    def find(self, query: str) -> frozenset[bytes]:
        """The ids of the messages that a query finds."""
        return frozenset(self._ids[key] for key in self._searcher.keys(query))
