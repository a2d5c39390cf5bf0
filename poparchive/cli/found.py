"""Lists of messages that were found, with the piece of each that shows why: for a terminal, and as JSON."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poparchive.archive.read import Reader
from poparchive.cli import output
from poparchive.errors import PoparchiveError
from poparchive.index.results import Hit
from poparchive.index.snippet import Snippet, snippet
from poparchive.mime.structure import Octets
from poparchive.mime.text import Extract, extract
from poparchive.query.tree import Words

if TYPE_CHECKING:
    from poparchive.archive.known import Inside

_SENDER_CELLS = 20
_ID_DIGITS = 10
_INDENT = "    "
_LEAST_SNIPPET = 60
_SHORTEST = 12

_Piece = Callable[[str, Sequence[Words]], Snippet]
"""Takes from a text what shows best why it was found."""


def print_json(root: Path, hits: Sequence[Hit], wanted: Sequence[Words]) -> None:
    """Print an object a line."""
    for hit, text, shown in _with_text(root, hits, wanted, _characters):
        row = fields(hit, text, shown.text) | {
            "copies": [one.hex() for one in hit.copies],
            "marks": shown.marks,
            "snippet_of": shown.where,
        }
        output.result(output.json_line(row))


def fields(hit: Hit, text: Extract | None, piece: str | None = None) -> dict[str, object]:
    """Return what every ``--json`` says of a message; ``piece`` is shown of its text, by default the
    beginning. Without ``text`` it could not be read."""
    if piece is None:
        piece = snippet(text.searched, [])[0] if text else ""
    return {
        "id": hit.id.hex(),
        "message_id": text.message_id if text else "",
        "date": output.rfc3339(hit.date),
        "from": hit.sender,
        "to": text.recipients if text else "",
        "cc": text.copies if text else "",
        "subject": hit.subject,
        "size_bytes": hit.size_bytes,
        "accounts": hit.accounts,
        "attachments": [
            {"name": name, "type": kind, "size_bytes": size} for name, kind, size in hit.attachments
        ],
        "snippet": piece,
        "thread": hit.thread.hex() if hit.thread else None,
    }


def print_list(root: Path, hits: Sequence[Hit], wanted: Sequence[Words]) -> None:
    """Print a line for each message, what shows why it was found, and what else is to say of it."""
    width = output.terminal_width()
    room = max(width - len(_INDENT) - 2, _LEAST_SNIPPET)
    fitted = partial(_fitted, room=room)
    for hit, _, shown in _with_text(root, hits, wanted, fitted):
        _print_head(hit, width)
        if shown.text:
            line = _marked(shown)
            if shown.where:
                line = output.style(output.visible(shown.where) + ": ", "green") + line
            output.result(_INDENT + line)
        if about := _about(hit):
            output.result(_INDENT + output.style(output.fit(about, width - len(_INDENT)), "green"))


def name_of(sender: str) -> str:
    """Return what a person is called: the name before the address, else the address."""
    name, bracket, address = sender.partition("<")
    return name.strip(' "') or address.removesuffix(">") if bracket else sender


def _print_head(hit: Hit, width: int) -> None:
    day = output.human_date(hit.date).partition(" ")[0]
    sender = output.fit(output.visible(name_of(hit.sender)), _SENDER_CELLS)
    pad = " " * (_SENDER_CELLS - output.cells(sender))
    head = f"{hit.id.hex()[:_ID_DIGITS]}  {day}  "
    together = f"  [{hit.together}]" if hit.together > 1 else ""
    room = width - len(head) - _SENDER_CELLS - 2 - len(together)
    subject = output.fit(output.visible(hit.subject), max(room, 10))
    output.result(
        output.style(head, "dim") + output.style(sender, "cyan") + pad + "  "
        + output.style(subject, "bold") + output.style(together, "dim")
    )  # fmt: skip


def _about(hit: Hit) -> str:
    said = []
    if hit.copies:
        copies = "copy" if len(hit.copies) == 1 else "copies"
        said.append(f"+{len(hit.copies)} {copies}")
    if len(hit.accounts) > 1:
        said.append("in " + ", ".join(hit.accounts))
    if hit.attachments:
        names = ", ".join(name or "(unnamed)" for name, _, _ in hit.attachments)
        said.append("attached: " + names)
    return output.visible("; ".join(said))


def _characters(text: str, terms: Sequence[Words]) -> Snippet:
    return Snippet(*snippet(text, terms))


def _fitted(text: str, terms: Sequence[Words], room: int) -> Snippet:
    """Return a piece of about so many columns of a terminal, with what marks the hits."""
    width = room
    while True:
        shown = Snippet(*snippet(text, terms, width=width))
        taken = output.cells(_marked(shown, plain=True))
        if taken <= room + 2 or width <= _SHORTEST:
            return shown
        width = max(min(width * room // taken, width - 1), _SHORTEST)


def _marked(shown: Snippet, *, plain: bool = False) -> str:
    """Colour the hits, or mark them where there is no colour. With ``plain`` colours, which take no room, are
    left out."""
    coloured = output.coloured()
    pieces = []
    at = 0
    for start, end in shown.marks:
        pieces.append(output.visible(shown.text[at:start]))
        hit = output.visible(shown.text[start:end])
        if not coloured:
            hit = f"**{hit}**"
        pieces.append(hit if plain else output.style(hit, "yellow"))
        at = end
    pieces.append(output.visible(shown.text[at:]))
    return "".join(pieces)


def _with_text(
    root: Path, hits: Sequence[Hit], wanted: Sequence[Words], piece: "_Piece"
) -> Iterator[tuple[Hit, Extract | None, Snippet]]:
    """Read the messages found, and take from each what shows best why it was."""
    if not hits:
        return
    with Reader(root) as reader, _Attachments(reader.layout.contents) as inside:
        for hit in hits:
            try:
                with reader.whole(reader.lookup.by_key(hit.key)) as octets:
                    text = extract(octets, details=False)
                    shown = _best(octets, text, wanted, piece, inside)
            except PoparchiveError as error:
                # One damaged message must not hide the others that were found.
                output.problem(output.visible(str(error)))
                yield hit, None, Snippet("", [])
                continue
            yield hit, text, shown


class _Attachments:
    """Texts inside attachments, whose reading is imported for the first message that needs it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inside: Inside | None = None

    def __enter__(self) -> "_Attachments":
        return self

    def __exit__(self, *error: object) -> None:
        if self._inside is not None:
            self._inside.close()

    def texts(self, octets: Octets) -> Iterator[tuple[str, str]]:
        """Yield name and text of each that was read."""
        if self._inside is None:
            if not self._path.exists():
                return iter(())
            from poparchive.archive.known import Inside

            self._inside = Inside(self._path)
        return self._inside.texts(octets)


def _best(
    octets: Octets, text: Extract, wanted: Sequence[Words], piece: "_Piece", inside: "_Attachments"
) -> Snippet:
    """Take it from the text, or from an attachment where only that has what is wanted."""
    own = piece(text.searched, _in(wanted, "body"))
    attached = _in(wanted, "attachment")
    if own.marks or not attached or not text.attachment_names:
        return own
    for name, content in inside.texts(octets):
        found = piece(content, attached)._replace(where=name or "(unnamed)")
        if found.marks:
            return found
    return own


def _in(wanted: Sequence[Words], field: str) -> list[Words]:
    """Leave out the words that a query wants elsewhere: in the subject, which is shown as a whole."""
    return [one for one in wanted if one.field in ("", field)]
