"""The first released format: what was written in it is read, searched and added to, for ever.

``fixtures/format-1.tar.gz`` was written by poparchive 0.1.0 (``fixtures/make_format_1.py``) and is
never made again; ``fixtures/format-1.json`` says what must come out of it.
"""

import hashlib
import json
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poparchive.archive.read import Reader
from poparchive.archive.rebuild import rebuild
from poparchive.archive.writer import Writer
from poparchive.index.search import Searcher
from poparchive.model import Fate
from poparchive.store.layout import open_layout
from tests.support.archives import damages, octets_of, put

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED: dict[str, Any] = json.loads((FIXTURES / "format-1.json").read_text())
DATABASES = ("catalog.sqlite", "search.sqlite")


def _as_they_were(_: Path) -> None:
    """The databases of that time."""


def _without_databases(root: Path) -> None:
    """Packs and journal alone, as they come back from another medium."""
    for name in DATABASES:
        (root / name).unlink()


def _without_search_index(root: Path) -> None:
    (root / "search.sqlite").unlink()


def _without_catalog(root: Path) -> None:
    (root / "catalog.sqlite").unlink()


def _with_older_search_index(root: Path) -> None:
    """An index that an earlier version made, whose words are folded in another way."""
    connection = sqlite3.connect(root / "search.sqlite")
    connection.execute("INSERT INTO mail(mail) VALUES ('delete-all')")
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()


def _with_torn_search_index(root: Path) -> None:
    path = root / "search.sqlite"
    path.write_bytes(path.read_bytes()[:5000])


STATES = [
    _as_they_were,
    _without_databases,
    _without_search_index,
    _without_catalog,
    _with_older_search_index,
    _with_torn_search_index,
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with tarfile.open(FIXTURES / "format-1.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path / "archive"


def _kept(root: Path) -> dict[str, int]:
    """Hash and size of every message that the archive gives back."""
    held = octets_of(root)
    found = {hashlib.sha256(octets).hexdigest(): len(octets) for octets in held}
    assert len(held) == len(found)
    return found


def _query(root: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(root / "catalog.sqlite")
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def _ledger(root: Path) -> dict[str, dict[str, Any]]:
    rows = _query(
        root,
        "SELECT u.id, a.name, u.uidl, u.size_bytes, u.fate, hex(m.sha256), u.reason FROM uidls u"
        " JOIN accounts a ON a.id = u.account LEFT JOIN messages m ON m.id = u.message",
    )
    return {
        str(number): {
            "account": account,
            "uidl": uidl.encode("latin-1").hex(),
            "size": size,
            "fate": Fate(fate).name.lower(),
            "message": message.lower() or None,
            "reason": reason,
        }
        for number, account, uidl, size, fate, message, reason in rows
    }


def _runs(root: Path) -> list[dict[str, Any]]:
    names = (
        *("account", "started", "ended", "outcome", "listed", "archived", "duplicates"),
        *("failed", "deleted", "octets", "error"),
    )
    columns = ", ".join(f"r.{name}" for name in names[1:])
    query = (
        f"SELECT a.name, {columns} FROM runs r JOIN accounts a ON a.id = r.account ORDER BY r.id"
    )
    return [dict(zip(names, row, strict=True)) for row in _query(root, query)]


def _search(root: Path, query: str) -> list[str]:
    with Searcher(root / "catalog.sqlite", root / "search.sqlite") as searcher:
        return sorted(hit.id.hex() for hit in searcher.search(query, limit=100))


def _all_is_there(root: Path, *, besides: dict[str, int] | None = None) -> None:
    """Every message, UIDL, fate, run and search is as it was."""
    assert _kept(root) == EXPECTED["messages"] | (besides or {})
    accounts = _query(root, 'SELECT id, name, host, "user" FROM accounts')
    assert {str(n): list(rest) for n, *rest in accounts}.items() >= EXPECTED["accounts"].items()
    assert _ledger(root).items() >= EXPECTED["uidls"].items()
    assert _runs(root) == EXPECTED["runs"]
    for query, found in EXPECTED["searches"].items():
        assert _search(root, query) == found, query
    assert damages(root) == []


def test_the_fixture_is_the_one_that_was_released() -> None:
    """Nobody makes it again: it would be another version's."""
    digest = hashlib.sha256((FIXTURES / "format-1.tar.gz").read_bytes()).hexdigest()
    assert digest == "18bb687640b33a64bf6ec1fd8b4e8ae81f6927e680efbefc7219a050cf702798"
    digest = hashlib.sha256((FIXTURES / "format-1.json").read_bytes()).hexdigest()
    assert digest == "d687494d1199a0b38c2212cfd1dc2d585987e2477fc8c54f5b246e39222e67fc"


def test_the_fixture_has_what_a_large_archive_has(root: Path) -> None:
    """Several packs and journal files, every fate, runs that failed, and messages of all kinds."""
    sealed = [row[0] for row in _query(root, "SELECT sealed FROM packs ORDER BY id")]
    assert sealed == [1, 1, 1, 1, 0]
    assert len(open_layout(root).packs()) == len(sealed)
    assert len(open_layout(root).journals()) > 1
    assert {row["fate"] for row in EXPECTED["uidls"].values()} == {f.name.lower() for f in Fate}
    assert {run["outcome"] for run in EXPECTED["runs"]} == {0, 1, 2}
    assert len(EXPECTED["messages"]) > 40
    assert (FIXTURES / "format-1.tar.gz").stat().st_size < 150_000


def test_it_is_read_before_anything_is_written(root: Path) -> None:
    """A reader needs no writer before it: the databases of that time are enough."""
    assert _kept(root) == EXPECTED["messages"]
    for query, found in EXPECTED["searches"].items():
        assert _search(root, query) == found, query
    with Reader(root) as reader:
        for identity in EXPECTED["messages"]:
            located = reader.lookup.message(identity[:16])
            assert hashlib.sha256(reader.raw(located)).hexdigest() == identity


@pytest.mark.parametrize("prepare", STATES)
def test_all_of_it_comes_out(root: Path, prepare: Callable[[Path], None]) -> None:
    """A writer opens it in any state of its databases, and then all of it is there."""
    prepare(root)
    Writer(root).close()
    _all_is_there(root)


@pytest.mark.parametrize("prepare", STATES[:2])
def test_a_rebuild_gives_all_of_it(root: Path, prepare: Callable[[Path], None]) -> None:
    """`rebuild` makes both databases from packs and journal alone."""
    prepare(root)
    rebuild(open_layout(root))
    _all_is_there(root)


@pytest.mark.parametrize("prepare", STATES)
def test_it_takes_more(root: Path, prepare: Callable[[Path], None]) -> None:
    """A pull into it keeps what is new and knows what is old."""
    prepare(root)
    new = b"Subject: decades later\r\n\r\nstill the same archive\r\n"
    known = b"\r\n"
    assert hashlib.sha256(known).hexdigest() in EXPECTED["messages"]
    before = {
        path: path.read_bytes() for part in ("packs", "journal") for path in _files(root / part)
    }
    with Writer(root) as writer:
        put(writer, [new, known], account="somebody")
    identity = hashlib.sha256(new).hexdigest()
    _all_is_there(root, besides={identity: len(new)})
    assert _search(root, "decades") == [identity]
    rows = [row for row in _ledger(root).values() if row["account"] == "somebody"]
    assert [row["fate"] for row in rows] == ["archived", "duplicate"]
    # Nothing that was written then has changed.
    for path, octets in before.items():
        assert path.read_bytes().startswith(octets), path


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]
