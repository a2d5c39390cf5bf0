"""How ``poparchive doctor`` shows what was found: for a terminal, for a pipe, as JSON.

All text of the server is made visible before it is printed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from poparchive.cli import output
from poparchive.cli.doctor_entry import entry
from poparchive.diagnose import Finding, Look, Mailbox, Report, Verdict, explain, suggest
from poparchive.diagnose.values import TopResult

if TYPE_CHECKING:
    from poparchive.cli.doctor import Case

Row = tuple[str, str]


class Section(NamedTuple):
    title: str
    rows: list[Row]


_COLOURS = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.BAD: "red"}


def show(report: Report, case: "Case") -> None:
    """Print sections, findings and the entry to paste."""
    parts = list(_sections(report))
    findings = explain(report, trust=case.trust)
    lines = entry(report, case)
    if output.on_terminal():
        _show_rich(parts, findings, lines)
        return
    for title, rows in parts:
        for name, text in rows:
            output.result("\t".join(map(output.visible, (title, name, text))))
    for finding in findings:
        cells = ("findings", f"{finding.verdict} {finding.topic}", finding.text)
        output.result("\t".join(map(output.visible, cells)))
    for line in lines:
        output.result(output.visible(line))


def show_json(report: Report, case: "Case") -> None:
    """Print one object with everything."""
    suggestion = suggest(report.host, report.looks, case.trust)
    looks = [
        asdict(look) | {"works": look.works, "mechanisms": look.mechanisms} for look in report.looks
    ]
    row: dict[str, Any] = {
        "host": report.host,
        "works": report.works,
        "modes": looks,
        "mailbox": asdict(report.mailbox) if report.mailbox else None,
        "findings": [asdict(finding) for finding in explain(report, trust=case.trust)],
        "suggestion": asdict(suggestion) if suggestion else None,
        "entry": "".join(f"{line}\n" for line in entry(report, case)),
    }
    output.result(output.json_line(row))


def _sections(report: Report) -> Iterator[Section]:
    for look in report.looks:
        yield Section(f"{look.mode} {look.port}", [(n, t) for n, t in _look_rows(look) if t])
    if report.mailbox:
        yield Section("mailbox", [(n, t) for n, t in _mailbox_rows(report.mailbox) if t])


def _look_rows(look: Look) -> Iterator[Row]:
    yield "works", "yes" if look.works else f"no: {look.problem}"
    yield "connect", _milliseconds(look.connect_s)
    yield "TLS", look.tls_version or ""
    if certificate := look.certificate:
        yield "subject", certificate.subject
        yield "names", ", ".join(certificate.names)
        yield "issuer", certificate.issuer
        yield "valid", _span(certificate.not_before, certificate.not_after)
        yield "trusted", "yes" if certificate.trusted else f"no: {certificate.distrust}"
        yield "fingerprint", certificate.fingerprint
    yield "greeting", look.greeting or ""
    if look.capa_refused:
        yield "CAPA", "refused"
    yield "CAPA in the clear", _listed(look.capa_clear)
    yield "CAPA under TLS", _listed(look.capa_tls)
    yield "log-in by", ", ".join(look.mechanisms)
    yield "round trip", _milliseconds(look.rtt_s)


def _mailbox_rows(mailbox: Mailbox) -> Iterator[Row]:
    yield "log-in", f"{mailbox.user}, {f'by {mailbox.auth}' if mailbox.auth else 'failed'}"
    yield "problem", mailbox.problem
    yield "problem later", mailbox.second_problem
    yield "CAPA", _listed(mailbox.capabilities)
    if mailbox.messages is not None:
        yield "messages", f"{mailbox.messages}, {output.human_size(mailbox.octets or 0)}"
    if uidl := mailbox.uidl:
        yield "UIDL", f"{uidl.count}, {uidl.length} octets, {uidl.alphabet}"
        yield "UIDL faults", f"{uidl.repeated} repeated, {uidl.missing} missing"
    if again := mailbox.again:
        order = "same order" if again.order_kept else "another order"
        yield "second session", f"{again.kept} kept, {again.gone} gone, {again.new} new, {order}"
    for size in mailbox.sizes:
        yield f"message {size.number}", f"LIST {size.listed_bytes}, came {size.came_bytes} octets"
    exact = sum(top.result is TopResult.EXACT for top in mailbox.tops)
    yield "TOP", f"{exact} of {len(mailbox.tops)} exact" if mailbox.tops else ""
    for top in mailbox.tops:
        if top.result is not TopResult.EXACT:
            yield f"TOP {top.number} {top.lines}", str(top.result)
    if found := mailbox.pipelining:
        announced = "announced" if found.announced else "not announced"
        yield "pipelining", f"{announced}, {'works' if found.works else found.problem}"
    yield "round trip", _milliseconds(mailbox.rtt_s)


def _listed(capabilities: dict[str, tuple[str, ...]] | None) -> str:
    return ", ".join(" ".join((name, *words)) for name, words in (capabilities or {}).items())


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:.1f} ms"


def _span(start: datetime | None, end: datetime | None) -> str:
    return f"{start:%Y-%m-%d} to {end:%Y-%m-%d}" if start and end else ""


# ---- on a terminal -------------------------------------------------------------------------------


def _show_rich(parts: Sequence[Section], findings: Sequence[Finding], lines: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False, no_color=not output.coloured())

    def heading(title: str) -> None:
        console.rule(Text(output.visible(title), "bold"), align="left", style="dim")

    for title, rows in parts:
        heading(title)
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True, style="cyan")
        grid.add_column(overflow="fold")
        for name, text in rows:
            grid.add_row(Text(output.visible(name)), Text(output.visible(text)))
        console.print(grid)
        console.print()
    heading("what it means")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for finding in findings:
        colour = _COLOURS[finding.verdict]
        grid.add_row(Text(finding.verdict, colour), Text(output.visible(finding.text)))
    console.print(grid)
    if lines:
        console.print()
        heading("the account")
    for line in lines:
        # As it is, whatever the width: it is there to be copied.
        output.result(output.visible(line))
