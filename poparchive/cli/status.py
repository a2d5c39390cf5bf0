"""``poparchive status``: how the accounts and the archive stand."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import PoparchiveError

if TYPE_CHECKING:
    from poparchive.archive.scrub import Scrub
    from poparchive.archive.status import AccountStatus, ArchiveStatus, AttachmentsStatus
    from poparchive.config import Account


SHOWN_DAMAGES = 10
SHOWN_PACKS = 5
MORE = "there is more; `poparchive verify` names all"


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, an object a line.")] = False,
) -> int:
    """Show each account's last and next pull, messages, gaps and errors, and the archive's size.

    Exits with 1 if an account's last pull failed or has gaps, if an OAuth2 account needs a log-in, if the
    catalog lacks messages that were kept or is behind the journal, if packs or journal are missing or too
    short, or if other damage of the archive is known.
    """
    from poparchive.archive.status import status as count
    from poparchive.config import exceptions_of

    settings = Settings.of(context)
    found = count(settings.archive_dir())
    configured = _configured(settings)
    ratio = _ratio(found)
    bad = [
        a for a in found.accounts if a.last_outcome or a.lacking or (a.gaps and not found.pulling)
    ]
    pulled = {a.name for a in found.accounts}
    exceptions = {name: exceptions_of(account) for name, account in configured.items()}
    remarks = _remarks(configured)
    # A pull makes an older index anew, and what is new is found a moment later.
    unsearchable = (
        0 if found.pulling or found.attachments.index_older else found.messages - found.indexed
    )
    code = int(
        bool(bad)
        or bool(found.scrub.damages)
        or unsearchable > 0
        or bool(found.problems)
        or any(needed for _, needed in remarks.values())
    )
    waiting = [name for name in configured if name not in pulled]
    if as_json:
        for a in found.accounts:
            due = _next(a, configured.get(a.name))
            output.result(output.json_line(_fields(a, due, exceptions.get(a.name, []))))
        row: dict[str, object] = {"messages": found.messages, "raw_bytes": found.raw_bytes}
        row |= {"stored_bytes": found.stored_bytes, "ratio": ratio}
        row |= {"catalog_bytes": found.catalog_bytes, "search_bytes": found.search_bytes}
        row["exceptions"] = {name: found for name, found in exceptions.items() if found}
        row |= {"indexed": found.indexed, "never_pulled": waiting, "pulling": found.pulling}
        row |= _verified(found.scrub)
        row |= {"behind": found.behind, "problems": list(found.problems)}
        row["packs_without_parity"] = list(found.without_parity)
        row["attachments"] = _read(found.attachments)
        row |= {"logins": {name: text for name, (text, _) in remarks.items()}}
        output.result(output.json_line(row))
        return code
    rows = [
        (
            a.name,
            str(a.messages),
            str(a.gaps),
            "never" if a.last_ended is None else output.human_date(a.last_ended),
            _when(_next(a, configured.get(a.name))),
            a.last_error or ("" if a.last_outcome is None else "ok"),
        )
        for a in found.accounts
    ]
    rows += [(name, "0", "0", "never", "", "") for name in waiting]
    columns = ("ACCOUNT", "MESSAGES", "GAPS", "LAST PULL", "NEXT PULL", "STATE")
    output.table(columns, rows, right=(1, 2))
    for name, sentences in exceptions.items():
        for sentence in sentences:
            output.result(f"{name}: {sentence}")
    if found.pulling:
        output.note("A pull is running: gaps are what it has yet to fetch.")
    output.result(
        f"{output.counted(found.messages, 'message')}, {output.human_size(found.raw_bytes)} of mail in"
        f" {output.human_size(found.stored_bytes)}{'' if ratio is None else f' (ratio {ratio:.2f})'};"
        f" {found.indexed} searchable;"
        f" catalog {output.human_size(found.catalog_bytes)},"
        f" search index {output.human_size(found.search_bytes)}"
    )
    if found.attachments.messages:
        output.result(_coverage(found.attachments))
    if found.attachments.error:
        output.problem(output.visible(found.attachments.error))
    for a in found.accounts:
        if a.lacking:
            output.problem(output.lacking(a.name, a.lacking))
    for problem in found.problems[:SHOWN_DAMAGES]:
        output.problem(output.visible(problem))
    if len(found.problems) > SHOWN_DAMAGES:
        output.problem(MORE)
    if unsearchable > 0:
        output.problem(
            f"{output.counted(unsearchable, 'message')} cannot be searched. The next pull brings the index"
            " up; if that does not help: `poparchive verify --repair`, then `poparchive rebuild"
            " --search-only`"
        )
    output.result(_scrubbed(found.scrub))
    if found.without_parity and not found.pulling:
        output.problem(_unprotected(found.without_parity))
    for damage in found.scrub.damages[:SHOWN_DAMAGES]:
        output.problem(f"damaged: {output.visible(damage)}")
    if len(found.scrub.damages) > SHOWN_DAMAGES:
        output.problem(MORE)
    for text, _ in remarks.values():
        output.problem(text)
    return code


def _ratio(found: "ArchiveStatus") -> float | None:
    """How many times smaller packs and journal are than the mail; None if they are not those of that mail."""
    if found.problems:
        return None
    return round(found.raw_bytes / found.stored_bytes, 2) if found.stored_bytes else 0.0


def _read(attachments: "AttachmentsStatus") -> dict[str, object]:
    """How far the text inside attachments is read, for programs."""
    from poparchive.attachments.outcome import Status

    return {
        "messages": attachments.messages,
        "messages_indexed": None if attachments.index_older else attachments.indexed,
        "contents": {
            Status(status).name.lower(): count
            for status, (count, _) in sorted(attachments.contents.items())
        },
        "lacking": attachments.lacking,
        "octets": sum(octets for _, octets in attachments.contents.values()),
        "text_bytes": attachments.text_bytes,
        "confined_by": attachments.layers.split(),
        "index_older": attachments.index_older,
        "error": attachments.error or None,
    }


LAYERS = 4
"""``attachments.confine`` has so many."""


def _coverage(attachments: "AttachmentsStatus") -> str:
    """The same, in a sentence."""
    from poparchive.attachments.outcome import Lacking, Status
    from poparchive.cli.attachments import OLDER_INDEX

    text = f"attachments: {output.counted(attachments.messages, 'message')} have some"
    if not attachments.index_older:
        text = (
            f"attachments: those of {output.counted(attachments.indexed, 'message')} of"
            f" {attachments.messages} are searchable"
        )
    if attachments.contents:
        told = ", ".join(
            f"{count} {Status(status).name.lower()}"
            for status, (count, _) in sorted(attachments.contents.items())
        )
        text += f"; contents: {told}; texts {output.human_size(attachments.text_bytes)}"
    if attachments.layers and len(attachments.layers.split()) < LAYERS:
        text += f" (this system confines their reader only by {attachments.layers})"
    if pictures := attachments.lacking.get(Lacking.OCR):
        text += f"; {pictures} may have letters that only OCR reads (`--ocr`)"
    if attachments.index_older:
        text += f"; the search index does not tell which are searchable: {OLDER_INDEX}"
    elif attachments.indexed < attachments.messages:
        text += "; `poparchive attachments` reads the rest"
    return text


def _scrubbed(scrub: "Scrub") -> str:
    """What was verified, in a sentence."""
    text = (
        f"verified in full: {output.human_date(scrub.full)}"
        if scrub.full
        else "never verified in full"
    )
    if scrub.began:
        part = 100 * scrub.done // max(1, scrub.total)
        text += f"; the round since {output.human_date(scrub.began)} has read {part}%"
    return text


def _unprotected(packs: tuple[int, ...]) -> str:
    """No damage, but what would heal it is not there. A pull that runs makes it in its end."""
    some = ", ".join(map(str, packs[:SHOWN_PACKS])) + (", ..." if len(packs) > SHOWN_PACKS else "")
    return (
        f"{len(packs)} pack{'s' * (len(packs) != 1)} without parity ({some}): damage there would need a"
        " second copy; `poparchive verify --repair` makes it"
    )


def _verified(scrub: "Scrub") -> dict[str, object]:
    """The same for programs."""
    part = scrub.done / scrub.total if scrub.began and scrub.total else None
    return {
        "verified": output.rfc3339(scrub.full) if scrub.full else None,
        "round_began": output.rfc3339(scrub.began) if scrub.began else None,
        "round_done": None if part is None else round(part, 3),
        "damages": scrub.damages,
    }


def _remarks(configured: "dict[str, Account]") -> dict[str, tuple[str, bool]]:
    """What is to be said of log-ins by OAuth2, and whether a person is needed, by account."""
    if not any(account.oauth for account in configured.values()):
        return {}
    from poparchive.cli.tokens import remark

    found = {name: remark(account, time.time()) for name, account in configured.items()}
    return {name: (text, needed) for name, (text, needed) in found.items() if text}


def _configured(settings: Settings) -> "dict[str, Account]":
    """The configured accounts; none where only an archive is named."""
    if settings.named_archive() is not None and settings.named_config_file() is None:
        return {}
    try:
        return {account.name: account for account in settings.config().accounts}
    except PoparchiveError as error:
        # What the archive holds can be told although an entry of the configuration is wrong.
        output.problem(output.visible(str(error), keep="\n"))
        return {}


def _next(account: "AccountStatus", configured: "Account | None") -> int | None:
    """When a running daemon pulls the account next; None if nothing says so."""
    from poparchive.config import Every

    if configured is None or account.last_ended is None:
        return None
    schedule = configured.schedule
    if isinstance(schedule, Every):
        return account.last_ended + schedule.seconds
    from poparchive.schedule import Task, next_moment

    return next_moment(Task(account.name, cron=schedule.fields()), account.last_ended)


def _when(moment: int | None) -> str:
    if moment is None:
        return ""
    return "due" if moment <= time.time() else output.human_date(moment)


def _fields(a: "AccountStatus", due: int | None, exceptions: list[str]) -> dict[str, object]:
    return {
        "account": a.name,
        "host": a.host,
        "user": a.user,
        "messages": a.messages,
        "uidls": {fate.name.lower(): number for fate, number in sorted(a.fates.items())},
        "gaps": a.gaps,
        "lacking": a.lacking,
        "last_pull": None if a.last_ended is None else output.rfc3339(a.last_ended),
        "next_pull": None if due is None else output.rfc3339(due),
        "error": a.last_error,
        "exceptions": exceptions,
    }
