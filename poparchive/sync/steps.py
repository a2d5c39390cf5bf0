"""What a session does to the ledger and to the server's mail, a step at a time."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from poparchive.model import Fate, LedgerRow, Listed
from poparchive.pop3 import Pop3Error, ReplyError, Session
from poparchive.sync.aside import Aside, Wanted
from poparchive.sync.plan import Plan
from poparchive.sync.result import FAILED, Result
from poparchive.sync.sink import Sink

if TYPE_CHECKING:
    from poparchive.archive.writer import Writer
    from poparchive.sync.pull import Job


_NOTED_AT_A_TIME = 10_000
"""A drop may have a million messages, and each is held in memory once as it is."""


def note(writer: "Writer", account: int, todo: Plan) -> list[Wanted]:
    """Put into the ledger what the plan says of it; return what to fetch, with ledger numbers."""
    rules = {id(entry): rule for entry, rule in todo.skip}
    wanted: list[Wanted] = [(entry, row.id) for entry, row in todo.again]
    named = []
    for entry in todo.new:
        if entry.uidl or id(entry) in rules:
            named.append(entry)
        else:
            wanted.append((entry, None))
    for start in range(0, len(named), _NOTED_AT_A_TIME):
        some = named[start : start + _NOTED_AT_A_TIME]
        numbers = writer.listed(account, [(e.uidl, e.size_bytes) for e in some])
        for entry, ledger_number in zip(some, numbers, strict=True):
            if id(entry) in rules:
                writer.settle(ledger_number, Fate.SKIPPED, rules[id(entry)])
            else:
                wanted.append((entry, ledger_number))
    for row in todo.vanished:
        writer.settle(row.id, Fate.VANISHED, "no longer listed")
    wanted.sort(key=_number)
    # What went wrong before may end the session again: the others come first.
    troubled = {row.id for _, row in todo.again if row.fate is not Fate.LISTED}
    if troubled:
        wanted.sort(key=lambda one: one[1] in troubled)
    return wanted


def _number(wanted: Wanted) -> int:
    return wanted[0].number


def check_uidls(session: Session, ledger: Sequence[LedgerRow]) -> None:
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
    writer: "Writer",
    session: Session,
    job: "Job",
    todo: Plan,
    wanted: Sequence[Wanted],
    result: Result,
) -> list[int]:
    """Prove what the policy would delete, ask for its deletion, return its ledger numbers."""
    if job.policy.leave_s is None:
        return []
    if todo.doubt:
        result.notes.append(f"nothing is deleted: {todo.doubt}")
        return []
    candidates: list[tuple[Listed, LedgerRow]] = list(todo.delete)
    if session.without_uidl:
        result.notes.append(
            "mail of earlier pulls is not deleted: the server has no UIDL to know it by for certain"
        )
        candidates = []
    await flush(writer)
    if job.policy.leave_s == 0 and wanted:
        # A UIDL that repeats is no obstacle: within a session the number says which one was fetched.
        entries = {number: entry for entry, number in wanted if number is not None}
        rows = await asyncio.to_thread(writer.ledger_rows, list(entries))
        candidates += [(entries[row.id], row) for row in rows if row.message is not None]
    if not candidates:
        return []
    messages = [row.message for _, row in candidates if row.message is not None]
    proved, damages = await asyncio.to_thread(writer.prove, messages)
    if damages:
        result.outcome = FAILED
        result.error = f"{len(damages)} messages stay on the server: {damages[0]}"
    safe = [(entry, row) for entry, row in candidates if row.message in proved]
    refused = set(await session.delete([entry.number for entry, _ in safe]))
    return [row.id for entry, row in safe if entry.number not in refused]


async def flush(writer: "Writer") -> None:
    await asyncio.wrap_future(writer.flush())


def number_of(writer: "Writer", job: "Job") -> int:
    """The account's number in the archive, which notes it when it is new or has changed."""
    endpoint = job.endpoint
    return writer.account(job.name, f"{endpoint.host}:{endpoint.port}", job.login.user)
