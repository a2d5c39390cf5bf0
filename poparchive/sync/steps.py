"""What a session does to the ledger and to the server's mail, a step at a time."""

import asyncio
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import TYPE_CHECKING

from poparchive.model import Fate, LedgerRow, ascend, column
from poparchive.pop3 import Pop3Error, ReplyError, Session
from poparchive.sync.aside import Aside
from poparchive.sync.plan import Kept, Numbered, Plan, Wanted
from poparchive.sync.result import FAILED, Result
from poparchive.sync.sink import Sink, room

if TYPE_CHECKING:
    from poparchive.archive.writer import Writer
    from poparchive.sync.pull import Job


_AT_A_TIME = 10_000
"""A drop may have a million messages: rows of Python objects are made for so many of them."""


async def note(writer: "Writer", account: int, todo: Plan) -> Numbered:
    """Put into the ledger what the plan says of it; return what to fetch, with ledger numbers."""
    wanted = await _note_new(writer, account, todo)
    for piece in _pieces(len(todo.vanished)):
        for number in todo.vanished[piece]:
            writer.settle(number, Fate.VANISHED, "no longer listed")
        await _breathe(writer)
    if len(todo.again):
        wanted = todo.again + wanted
    if not todo.troubled and ascend(wanted.entries.numbers):
        return wanted
    order = sorted(range(len(wanted)), key=wanted.entries.numbers.__getitem__)
    # What went wrong before may end the session again: the others come first.
    order.sort(key=lambda at: wanted.ledger[at] in todo.troubled)
    return wanted.pick(order)


async def _note_new(writer: "Writer", account: int, todo: Plan) -> Numbered:
    """Note what was never listed before; return it, without what a rule leaves on the server."""
    new, skip = todo.new, todo.skip
    ledger = column([0]) * len(new)
    for piece in _pieces(len(new)):
        # Of what has no UIDL nothing is noted before it has come.
        named = [at for at in range(piece.start, piece.stop) if new.uidls[at] or skip[at]]
        numbers = writer.listed(account, [(new.uidls[at], new.sizes[at]) for at in named])
        for at, number in zip(named, numbers, strict=True):
            ledger[at] = number
            if skip[at]:
                writer.settle(number, Fate.SKIPPED, todo.rule)
        await _breathe(writer)
    wanted = Numbered(new, ledger)
    if any(skip):
        wanted = wanted.pick([at for at, skipped in enumerate(skip) if not skipped])
    return wanted


def _pieces(count: int) -> Iterator[slice]:
    """Cut so many rows into pieces, each of which is held in memory as it is noted."""
    for start in range(0, count, _AT_A_TIME):
        yield slice(start, min(start + _AT_A_TIME, count))


async def _breathe(writer: "Writer") -> None:
    """Wait until what was noted is on its way, if it is much."""
    if writer.full():
        await room(writer)


def check_uidls(session: Session, ledger: Iterable[LedgerRow]) -> None:
    """Raise if a server that had UIDLs refuses them now: without, all mail would count as new."""
    if session.without_uidl and any(row.uidl and b" " not in row.uidl for row in ledger):
        raise ReplyError(
            "the server refuses UIDL, which it answered before; nothing is fetched until it does again",
            command="UIDL",
        ).at(session.where)


def set_aside(wanted: Wanted, sink: Sink, aside: Aside, error: Pop3Error, result: Result) -> None:
    """Let the pull go on without a message that ends sessions."""
    entry, _ = wanted
    if verdict := aside.judge(entry, error):
        sink.settle(wanted, *verdict)
        result.failed += 1
        result.outcome = FAILED
        result.error = f"message {entry.number} was left on the server: {error}"


async def delete(
    writer: "Writer", session: Session, job: "Job", todo: Plan, wanted: Numbered, result: Result
) -> "array[int]":
    """Prove what the policy would delete, ask for its deletion, return its ledger numbers."""
    gone = column()
    if job.policy.leave_s is None:
        return gone
    if todo.doubt:
        result.notes.append(f"nothing is deleted: {todo.doubt}")
        return gone
    if session.without_uidl:
        result.notes.append(
            "mail of earlier pulls is not deleted: the server has no UIDL to know it by for certain"
        )
    await flush(writer)
    damages: list[str] = []
    if not session.without_uidl:
        for piece in _pieces(len(todo.delete.ledger)):
            gone += await _delete(writer, session, todo.delete[piece], damages)
    if job.policy.leave_s == 0:
        # A UIDL that repeats is no obstacle: within a session the number says which one was fetched.
        for piece in _pieces(len(wanted)):
            kept = await asyncio.to_thread(_fetched, writer, wanted, piece)
            gone += await _delete(writer, session, kept, damages)
    if damages:
        result.outcome = FAILED
        result.error = f"{len(damages)} messages stay on the server: {damages[0]}"
    return gone


def _fetched(writer: "Writer", wanted: Numbered, piece: slice) -> Kept:
    """Those of a piece that are kept by now."""
    numbers = wanted.entries.numbers[piece]
    entries = {
        row: number for row, number in zip(wanted.ledger[piece], numbers, strict=True) if row
    }
    rows = [row for row in writer.ledger_rows(list(entries)) if row.message is not None]
    return Kept(
        column(entries[row.id] for row in rows),
        column(row.id for row in rows),
        column(row.message or 0 for row in rows),
    )


async def _delete(
    writer: "Writer", session: Session, kept: Kept, damages: list[str]
) -> "array[int]":
    if not len(kept.ledger):
        return column()
    proved, damaged = await asyncio.to_thread(writer.prove, kept.messages)
    damages += map(str, damaged)
    safe = [message in proved for message in kept.messages]
    refused = set(await session.delete(list(compress(kept.numbers, safe))))
    pairs = zip(compress(kept.numbers, safe), compress(kept.ledger, safe), strict=True)
    return column(row for number, row in pairs if number not in refused)


async def settle_deleted(writer: "Writer", gone: Sequence[int]) -> None:
    """Note what the server has deleted; it is in the ledger when this returns."""
    for piece in _pieces(len(gone)):
        for number in gone[piece]:
            writer.settle(number, Fate.DELETED, "read again from disk and hashed equal")
        await _breathe(writer)
    await flush(writer)


async def flush(writer: "Writer") -> None:
    await asyncio.wrap_future(writer.flush())


def number_of(writer: "Writer", job: "Job") -> int:
    """The account's number in the archive, which notes it when it is new or has changed."""
    endpoint = job.endpoint
    return writer.account(job.name, f"{endpoint.host}:{endpoint.port}", job.login.user)
