"""Opens the catalog: the one place that knows which database it is, and that migrates it.

Writers get an SQLAlchemy engine with WAL and ``synchronous=FULL``. Readers that people wait for use
``lookup``, which needs no SQLAlchemy.
"""

import contextlib
import functools
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ExceptionContext,
    Select,
    Table,
    create_engine,
    event,
)
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from poparchive.errors import PoparchiveError
from poparchive.index import bulk, failures, schema, versions
from poparchive.index.damage import DATABASE_ERRORS

HEAD = versions.CATALOG

_VERSION_TABLE = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


class CatalogError(PoparchiveError):
    """The catalog cannot be used as it is; ``rebuild`` always can make it anew."""


def open_catalog(path: Path, *, draft: bool = False) -> Engine:
    """Return an engine for a catalog with all migrations applied; makes the file if need be.

    A ``draft`` is written beside the one that counts: nothing is synced, and the cache is half as large, for
    a rebuild holds much else.
    """
    synchronous, cache_kib = ("OFF", 4096) if draft else ("FULL", 8192)
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise CatalogError(
            f"{path}: cannot be made: {error.strerror}. Look at the disk and run the command again."
        ) from error
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"cached_statements": bulk.CACHED_STATEMENTS}
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: object) -> None:
        with _explaining(path):
            failures.wait_for_locks(connection)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={synchronous}")
            connection.execute(f"PRAGMA cache_size=-{cache_kib}")

    @event.listens_for(engine, "handle_error", retval=True)
    def _explain(context: ExceptionContext) -> BaseException | None:
        return _explained(path, context.original_exception)

    if _is_empty(path):
        _make(path)
    elif _version(path) != HEAD:
        migrate(path)
    return engine


def _explained(path: Path, error: BaseException) -> PoparchiveError | None:
    """What a person can do about an error of SQLite's; None if it tells of a mistake in the program."""
    if failures.busy(error):
        return failures.DatabaseBusyError(path)
    if failures.refused(error):
        return CatalogError(
            f"{path}: cannot write: {error}. All mail that came is kept; {failures.remedy(error)}"
            " and run the command again, which brings the catalog up."
        )
    if failures.damaged(error):
        return CatalogError(
            f"{path}: the catalog is damaged ({error}). Nothing is lost: remove the file and run"
            " `poparchive rebuild`."
        )
    return None


@contextlib.contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Translate the errors of SQLite where SQLAlchemy is not between."""
    try:
        yield
    except DATABASE_ERRORS as error:
        if explained := _explained(path, error):
            raise explained from error
        raise


@functools.cache
def _select_statement(query: Select[Any], key: Column[Any], count: int) -> str:
    dialect = sqlite_dialect.dialect(paramstyle="qmark")
    selected = query.where(key.in_([None] * count))
    return str(selected.compile(dialect=dialect, compile_kwargs={"render_postcompile": True}))


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert rows that have a value for every column, in the order of the table's definition.

    This and the next two go to the driver as they are: binding parameters one by one takes
    SQLAlchemy longer than SQLite takes to write the row.
    """
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    for some in bulk.chunks(rows):
        marks, parameters = bulk.values(some)
        insert = f"INSERT INTO {table.name} ({names}) VALUES {marks}"  # noqa: S608
        connection.exec_driver_sql(insert, parameters)


def update_rows(
    connection: Connection, table: Table, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]
) -> None:
    """Set the named columns; the first value of a row is its id, the others those columns' values."""
    changed = ", ".join(f'"{name}" = column{at}' for at, name in enumerate(names, 2))
    for some in bulk.chunks(rows):
        marks, parameters = bulk.values(some)
        update = f"UPDATE {table.name} SET {changed} FROM (VALUES {marks}) WHERE id = column1"  # noqa: S608
        connection.exec_driver_sql(update, parameters)


def rows_where(
    connection: Connection, query: Select[Any], key: Column[Any], values: Sequence[object]
) -> Iterator[Any]:
    """Yield what ``query``, a constant of its module, selects where ``key`` is one of the values."""
    for some in bulk.chunks(values):
        statement = _select_statement(query, key, len(some))
        # The driver's own rows: SQLAlchemy's take longer to make than to read.
        driver = connection.connection.driver_connection
        assert driver
        yield from driver.execute(statement, tuple(some))


def _version(path: Path) -> str | None:
    """Return the migration the file has, without importing alembic: it takes a quarter second.

    Raises ``NewerDatabaseError`` if this program does not know it.
    """
    if not path.exists():
        return None
    with _explaining(path), contextlib.closing(sqlite3.connect(path)) as connection:
        failures.wait_for_locks(connection)
        versions.refuse_newer_catalog(connection, path)
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")
        if not tables.fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def _is_empty(path: Path) -> bool:
    return path.stat().st_size == 0


def _make(path: Path) -> None:
    """Make a catalog as all migrations together would, in one transaction.

    Running them takes a third of a second, which is most of a small first pull. A test compares.
    """
    with (
        _explaining(path),
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_VERSION_TABLE)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        connection.execute(f"PRAGMA user_version={versions.FACTS}")
        for statement in _definitions():
            connection.execute(statement)
        connection.execute("COMMIT")


@functools.cache
def _definitions() -> tuple[str, ...]:
    """Every table and index. Verifications compare with a catalog that was just made, each with its own."""
    dialect = sqlite_dialect.dialect()
    tables = schema.metadata.sorted_tables
    made: list[CreateTable | CreateIndex] = [CreateTable(table) for table in tables]
    made += [CreateIndex(index) for table in tables for index in sorted(table.indexes, key=str)]
    return tuple(str(statement.compile(dialect=dialect)) for statement in made)


def migrations() -> Path:
    """Return where the alembic scripts are: inside the installed package, or in the checkout."""
    packaged = Path(__file__).parent / "migrations"
    return packaged if packaged.exists() else Path(__file__).parents[2] / "alembic"


def migrate(path: Path) -> None:
    """Bring a catalog to ``HEAD``. Each migration and its mark commit together."""
    from alembic.config import Config
    from alembic.util import CommandError

    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.attributes["url"] = f"sqlite:///{path}"
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise CatalogError(
            f"{path}: the catalog cannot be brought up to version {HEAD} ({error}). Remove the file and"
            " run `poparchive rebuild`."
        ) from error
    except DBAPIError as error:
        raise _explained(path, error.orig or error) or CatalogError(
            f"{path}: the catalog cannot be brought to this version ({error.orig}). Nothing is lost:"
            " remove the file and run `poparchive rebuild`."
        ) from error
