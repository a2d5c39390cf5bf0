"""Text becomes a tree, by recursive descent: or, and, not, atom. Linear in the text; nesting is bounded."""

from poparchive.query import fields, near
from poparchive.query.errors import QuerySyntaxError, Repair
from poparchive.query.letters import ONE_WORD, has_word, words_in
from poparchive.query.reading import Accounts, Reading, Saved
from poparchive.query.tokens import Token, is_dash, is_negated, saved_name, straight, tokens
from poparchive.query.tree import EVERYTHING, And, Near, Node, Not, Or, Stem, Words
from poparchive.query.values import BadValueError, is_parted, value

MAX_DEPTH = 50
"""Deeper parentheses are a mistake or an attack; the parser recurses, and so does the planner."""

MAX_ATOMS = 1_000
"""Words and values of a query, saved searches written out. These could double at each level. Each word of a
phrase counts, as it costs as much as one alone; a character of a script without blanks is a word."""

MAX_SAVED = 20
"""Saved searches within each other."""

_ENDS = (")", "}")
_WORDLIKE = (*fields.TEXT, "has", "is", "filetype", "lang")
"""Fields whose values do not begin with a dash: those of others are numbers, dates and names."""
_FOREIGN = ("NEAR/", "ADJ/", "!", "||", "&&")
"""How words begin that are operators elsewhere."""
_NEARS = ("near", "Near", "NEAR")
_EXPECTED = "a word, a field or a parenthesis was expected here"


def parse(query: str, *, now: int, saved: Saved = dict, accounts: Accounts | None = None) -> Node:
    """Return the tree of a query; an empty one means every message.

    ``now``, in seconds since the epoch, is what ``older_than:`` counts from. Without ``accounts`` any name
    of one will do. Raises ``QuerySyntaxError``.
    """
    reading = Reading(now, saved, accounts)
    try:
        return _Parser(query, reading).whole()
    except QuerySyntaxError as error:
        from poparchive.query.spelling import nearest

        def check(text: str) -> Node:
            return _Parser(text, Reading(now, reading.names, accounts)).whole()

        found = nearest(error, check)
        raise QuerySyntaxError(error.query, error.position, error.what, nearest=found) from None


class _Parser:
    """One text. A node is None where there is no word in it to search for, as in ``&``."""

    def __init__(
        self, query: str, reading: Reading, within: tuple[str, ...] = (), depth: int = 0
    ) -> None:
        self._query = query = straight(query)
        self._reading = reading
        self._within = within
        self._depth = depth
        self._field = ""
        self._tokens = tokens(query)
        self._at = 0

    def whole(self) -> Node:
        if not self._tokens:
            return EVERYTHING
        node = self._or()
        token = self._peek()
        if token is not None:
            raise self._error('there is no "(" for this ")"', repair=_without(token))
        if node is None:
            from poparchive.query import meant

            what, repair = meant.nothing(self._query)
            raise QuerySyntaxError(self._query, 0, what, repair=repair)
        return node

    # ---- operators -------------------------------------------------------------------------------

    def _or(self) -> Node | None:
        found = [self._and()]
        while self._keyword("OR"):
            self._at += 1
            found.append(self._and())
        kept = tuple(node for node in found if node is not None)
        return Or(kept) if len(kept) > 1 else kept[0] if kept else None

    def _and(self) -> Node | None:
        found = [self._not()]
        while True:
            token = self._peek()
            if token is None or token.kind in _ENDS or self._keyword("OR"):
                break
            if self._keyword("AND"):
                self._at += 1
            found.append(self._not())
        kept = tuple(node for node in found if node is not None)
        return And(kept) if len(kept) > 1 else kept[0] if kept else None

    def _any(self) -> Node | None:
        """What braces hold: at least one of these, with or without OR between them."""
        found: list[Node | None] = []
        while not found or ((token := self._peek()) is not None and token.kind not in _ENDS):
            if found and self._keyword("OR"):
                self._at += 1
            all_of = [self._not()]
            while self._keyword("AND"):
                self._at += 1
                all_of.append(self._not())
            every = tuple(node for node in all_of if node is not None)
            found.append(And(every) if len(every) > 1 else every[0] if every else None)
        kept = tuple(node for node in found if node is not None)
        return Or(kept) if len(kept) > 1 else kept[0] if kept else None

    def _not(self) -> Node | None:
        token = self._peek()
        if token is None or not (token.kind == "-" or self._keyword("NOT")):
            return self._near_by()
        self._at += 1
        self._over_dashes()
        if self._peek() is None:
            raise self._error("what should not be there was expected here", repair=_without(token))
        self._deeper(token)
        inner = self._not()
        self._depth -= 1
        return None if inner is None else Not(inner)

    def _over_dashes(self) -> None:
        """Behind ``NOT`` and ``-`` dashes are signs: ``NOT –a`` is no double negation."""
        while (token := self._peek()) is not None and is_dash(self._query, token):
            self._at += 1
            token = self._peek()
            if token is None or token.kind in _ENDS or self._keyword("OR") or self._keyword("AND"):
                self._at -= 1
                return

    def _near_by(self) -> Node | None:
        """An atom, or two with Gmail's AROUND and a number between them."""
        begin = self._at
        left = self._atom()
        found = near.around(self._tokens, self._at)
        if found is None:
            return left
        operator = self._tokens[self._at]
        distance, self._at = found
        middle, after = self._at, self._peek()
        right = None if after is None or after.kind in _ENDS else self._atom()
        if not self._field:
            near.no_search(self._query, self._tokens[begin : self._at])
        if (
            not (isinstance(left, Words) and isinstance(right, Words))
            or left.field != right.field
            or self._keyword("AROUND")
        ):
            from poparchive.query import foreign

            raise self._error(
                "AROUND takes a word or a phrase on either side, in one field; NEAR(a b c, 5) takes more",
                operator.start,
                repair=foreign.around(self._tokens, begin, middle, self._query),
            )
        return Near((left, right), distance, left.field)

    def _atom(self) -> Node | None:
        token = self._peek()
        if token is None or token.kind in _ENDS or self._keyword("OR") or self._keyword("AND"):
            from poparchive.query import meant

            raise self._error(_EXPECTED, repair=meant.unexpected(self._tokens, self._at))
        self._at += 1
        if token.kind in ("(", "{"):
            return self._group(self._field, token)
        if token.kind in ("group", "field"):
            name = self._known(token)
            if self._field:
                raise self._error(
                    f"{name}: cannot stand inside the parentheses of {self._field}:",
                    token.start,
                    repair=Repair(token.start, token.at or token.end - 1, ""),
                )
            if token.kind == "group":
                return self._group(name, token)
            return self._value(name, token)
        if token.kind == "near":
            return self._near(token)
        if token.kind == "word" and (token.text.startswith(_FOREIGN) or token.text in _NEARS):
            from poparchive.query import foreign

            before = self._tokens[self._at - 2] if self._at > 1 else None
            if found := foreign.operator(before, token, self._peek(), self._query):
                raise self._error(found[0], token.start, repair=found[1])
        if self._field:
            return self._value(self._field, token)
        if saved := saved_name(token):
            return self._saved(saved, token)
        return self._words(token, "")

    def _group(self, field: str, token: Token) -> Node | None:
        outer, self._field = self._field, field
        self._deeper(token)
        brace = "{" in (token.kind, token.text)
        node = self._any() if brace else self._or()
        self._depth -= 1
        self._field = outer
        closing = "}" if brace else ")"
        after = self._peek()
        if after is None or after.kind != closing:
            at = len(self._query) if after is None else after.start
            raise self._error(f'a "{closing}" is missing', at, repair=Repair(at, at, closing))
        self._at += 1
        return node

    # ---- atoms -----------------------------------------------------------------------------------

    def _known(self, token: Token) -> str:
        """Return the name of a token's field as the tree has it."""
        name = fields.canonical(token.name)
        if name in fields.ALL:
            return name
        from poparchive.query import meant

        what, repair = meant.no_field(self._query, token)
        raise self._error(what, token.start, repair=repair)

    def _value(self, field: str, token: Token) -> Node | None:
        text = token.text
        if not text:
            from poparchive.query import meant

            what = f"a value was expected after {field}:, as in {field}:{fields.EXAMPLES[field]}"
            mended = meant.missing(field, self._tokens, self._at)
            raise self._error(what, token.at, repair=mended)
        if field in _WORDLIKE and is_negated(token, self._peek()):
            from poparchive.query import foreign

            before = self._tokens[self._at - 2] if self._at > 1 else None
            what, mended = foreign.negated_behind(self._query, before, token)
            raise self._error(what, token.at, repair=mended)
        if field in fields.TEXT:
            return self._words(token, field)
        self._count(token)
        accounts = self._reading.accounts() if field == "account" else None
        try:
            if accounts is not None and text not in accounts:
                from poparchive.query import meant

                raise meant.no_account(text, accounts)
            if field in ("larger", "smaller") and is_parted(token, self._peek()):
                raise BadValueError("the unit stands right behind the number, as in larger:5M")
            return value(field, text, self._reading.now)
        except BadValueError as error:
            from poparchive.query import meant

            repair = meant.otherwise(field, self._tokens, self._at) or meant.instead(
                token, error.meant
            )
            raise self._error(f"{field}: {error}", token.at, repair=repair) from None

    def _words(self, token: Token, field: str) -> Node | None:
        """A word, phrase or stem; None if the tokenizer will find nothing in it."""
        text = token.text
        if not token.quoted and text.startswith("!") and text[1:2].isalnum():
            from poparchive.query import foreign

            what, repair = foreign.negated(self._query, token)
            raise self._error(what, token.at, repair=repair)
        if not token.quoted and text.startswith("~") and has_word(text):
            if ONE_WORD.fullmatch(text, 1) is None:
                raise self._error(
                    "one word was expected after ~",
                    token.at,
                    repair=Repair(token.at, token.at + 1, ""),
                )
            self._count(token)
            return Stem(text[1:], field)
        prefix = not token.quoted and text.endswith("*")
        if prefix:
            text = text.rstrip("*")
        if not has_word(text):
            return None
        self._count(token, words_in(text))
        return Words(text, prefix, field)

    def _near(self, token: Token) -> Node | None:
        if self._field and self._field not in fields.TEXT:
            raise self._error(f"NEAR means nothing for {self._field}:", token.start)
        each, distance = near.parted(self._query, token)
        if not self._field:
            near.no_search(self._query, each)
        found: list[Words] = []
        end = token.at
        for one in each:
            node = self._words(one, self._field)
            if not isinstance(node, Words):
                continue
            if len(found) == near.MOST:
                raise self._error(
                    f"NEAR takes at most {near.MOST} words or phrases",
                    one.start,
                    repair=Repair(end, each[-1].end, ""),
                )
            found.append(node)
            end = one.end
        if len(found) < 2:
            words = self._query[each[0].start : each[-1].end] if each else ""
            raise self._error(
                "NEAR expects two words or more, as in NEAR(paper order, 5)",
                token.at,
                repair=Repair(token.start, token.end, words),
            )
        return Near(tuple(found), distance, self._field)

    def _saved(self, name: str, token: Token) -> Node:
        names = self._reading.names()
        if name not in names:
            from poparchive.query import meant

            what, repair = meant.no_search(name, names, token)
            raise self._error(what, token.start, repair=repair)
        if name in self._within:
            way = " -> ".join(f"@{one}" for one in (*self._within, name))
            raise self._error(f"the saved searches go in a circle: {way}", token.start)
        if len(self._within) >= MAX_SAVED:
            raise self._error("saved searches are nested too deeply", token.start)
        self._deeper(token)
        try:
            within = (*self._within, name)
            node = _Parser(names[name], self._reading, within, self._depth).whole()
        except QuerySyntaxError as error:
            if error.what.startswith("in the saved search"):
                raise
            raise QuerySyntaxError(
                error.query,
                error.position,
                f"in the saved search @{name}: {error.what}",
                repair=error.repair,
            ) from None
        self._depth -= 1
        return node

    # ---- tokens and errors -----------------------------------------------------------------------

    def _peek(self) -> Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _keyword(self, word: str) -> bool:
        token = self._peek()
        return token is not None and token.kind == "word" and token.text == word

    def _error(
        self, what: str, at: int | None = None, *, repair: Repair | None = None
    ) -> QuerySyntaxError:
        if at is None:
            token = self._peek()
            at = len(self._query) if token is None else token.start
        return QuerySyntaxError(self._query, at, what, repair=repair)

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error("the query is nested too deeply", token.start)

    def _count(self, token: Token, words: int = 1) -> None:
        self._reading.atoms += max(words, 1)
        if self._reading.atoms > MAX_ATOMS:
            raise self._error(f"the query has more than {MAX_ATOMS} words", token.start)


def _without(token: Token) -> Repair:
    return Repair(token.start, token.end, "")
