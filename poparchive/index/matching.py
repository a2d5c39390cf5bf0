"""What FTS5 can answer of a query, in its own language. Words are quoted always: no text is syntax."""

from collections.abc import Callable, Sequence

from poparchive.index.columns import ATTACHMENT, MARK
from poparchive.index.fold import fold_query
from poparchive.query.frozen import Frozen
from poparchive.query.tree import FileType, HasAttachment, Is, Language, Near, Node, Stem, Words

COLUMNS_OF = {
    "from": ("sender",),
    "to": ("recipients", "copies", "blind"),
    "cc": ("copies",),
    "bcc": ("blind",),
    "addr": ("sender", "recipients", "copies", "blind"),
    "subject": ("subject",),
    "body": ("body",),
    "list": ("lists",),
    "label": ("labels",),
    "filename": ("attachments",),
    "attachment": ("contents",),
}
"""Which columns of the index a field looks into."""

_OLD_ATTACHMENT = "hasattachment"
"""The mark of a message with attachments in an index without the column ``contents``, which has no others."""


class Match(Frozen):
    """What FTS5 is asked, and whether it is for what matches or for all else.

    An empty expression: it cannot be asked, for want of what is ``missing``."""

    expression: str
    negated: bool = False
    missing: tuple[str, ...] = ()

    @property
    def words(self) -> int:
        """How many words and phrases FTS5 looks up."""
        return self.expression.count('"') // 2

    def opposite(self) -> "Match":
        return Match(self.expression, not self.negated)


def all_of(matches: Sequence[Match]) -> Match:
    """Return what all of these have in common."""
    wanted = [one.expression for one in matches if not one.negated]
    unwanted = [one.expression for one in matches if one.negated]
    if not wanted:
        return Match(_joined(" OR ", unwanted), negated=True)
    expression = _joined(" AND ", wanted)
    return Match(_without(expression, unwanted) if unwanted else expression)


def any_of(matches: Sequence[Match]) -> Match:
    """Return what at least one of these has; FTS5 knows no NOT alone, but that of a difference."""
    wanted = [one.expression for one in matches if not one.negated]
    unwanted = [one.expression for one in matches if one.negated]
    if not unwanted:
        return Match(_joined(" OR ", wanted))
    expression = _joined(" AND ", unwanted)
    return Match(_without(expression, wanted) if wanted else expression, negated=True)


def _without(expression: str, unwanted: list[str]) -> str:
    return f"({expression} NOT {_joined(' OR ', unwanted)})"


def _joined(operator: str, expressions: list[str]) -> str:
    return expressions[0] if len(expressions) == 1 else f"({operator.join(expressions)})"


class Matcher:
    """Knows which columns there are, and the forms of words."""

    def __init__(
        self,
        columns: frozenset[str],
        languages: tuple[str, ...],
        forms: Callable[[str, tuple[str, ...]], tuple[str, ...]],
        beginning: Callable[[str], tuple[str, ...]],
    ) -> None:
        self._columns = columns
        self._languages = languages
        self._forms = forms
        self._beginning = beginning

    def match(self, node: Node) -> Match | None:
        """Return what FTS5 is asked for a leaf, or None if it is not FTS5's to answer."""
        if isinstance(node, Words):
            return self._in_field(node.field, self._words(node))
        if isinstance(node, Near):
            phrases = " ".join(map(_phrase, node.words))
            return self._in_field(node.field, f"NEAR({phrases}, {node.distance})")
        if isinstance(node, Stem):
            # A word that has no stem, as in Chinese, is looked for itself.
            forms = self._forms(node.text, self._languages)
            quoted = [f'"{form}"' for form in forms] or [_phrase(Words(node.text))]
            return self._in_field(node.field, _joined(" OR ", quoted))
        if isinstance(node, HasAttachment):
            if "contents" not in self._columns:
                return self._flag(_OLD_ATTACHMENT)
            return self._flag(ATTACHMENT)
        if isinstance(node, FileType):
            return self._mark(f"type{node.ending}", "filetype:")
        if isinstance(node, Language):
            return self._mark(f"lang{node.code}", "lang:")
        if isinstance(node, Is) and node.state in ("encrypted", "signed"):
            return self._mark(node.state, f"is:{node.state}")
        return None

    def _words(self, node: Words) -> str:
        text = node.text
        # Of such a word alone it is known how the tokenizer has it.
        if node.prefix and text.isascii() and text.isalnum():
            words = self._beginning(text.lower())
            if words:
                return _joined(" OR ", [f'"{word}"' for word in words])
        return _phrase(node)

    def _in_field(self, field: str, expression: str) -> Match:
        if not field:
            return Match(expression)
        columns = [one for one in COLUMNS_OF[field] if one in self._columns]
        if not columns:
            return Match("", missing=(f"{field}:",))
        return Match(f"({_filter(columns)} : {expression})")

    def _mark(self, name: str, asked: str) -> Match:
        if "contents" not in self._columns:
            return Match("", missing=(asked,))
        return self._flag(MARK + name)

    def _flag(self, mark: str) -> Match:
        return Match(f'(flags : "{mark}")')


def _filter(columns: list[str]) -> str:
    return columns[0] if len(columns) == 1 else "{" + " ".join(columns) + "}"


def _phrase(node: Words) -> str:
    folded = fold_query(node.text.replace(MARK, " "))
    star = "*" if node.prefix or folded.endswith("*") else ""
    words = folded.strip().rstrip("*").replace('"', " ")
    return f'"{words}"{star}'
