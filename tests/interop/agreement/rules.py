"""Why the two programs may differ on a message: each rule is looked for in the message itself.

A rule is asked about one atom of a query and one message of notmuch's, with its copies, that only one of
the programs finds by it. What a rule says is on the page ``docs/search-notmuch.md`` under the same name.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import getaddresses, mktime_tz, parsedate_tz
from functools import cached_property

from poparchive.mime.tnef import read as read_tnef
from tests.interop.agreement.queries import Atom
from tests.interop.agreement.reading import Piece, Reading, decoded, plain
from tests.interop.agreement.words import (
    ENGLISH,
    LONGEST_OCTETS,
    their_words,
    they_find,
    they_find_form,
    we_find,
    we_find_form,
)

OTHERS = ("german", "french", "spanish", "dutch", "italian", "portuguese", "swedish")
"""Languages besides English that an archive's mail may be mostly in."""

UNSTEMMED = ("from", "subject")
"""Fields in which notmuch looks for words as they are."""

_ADDRESS = re.compile(r"[^\s@.]+(?:\.[^\s@.]+)*@\S+")
_ENCODED = re.compile(r"=\?[^?]*\?[^?]*\?[^?]*\?=")
_ODD_VALUE = re.compile(r"=\"[^\"<]*<|='[^'<]*<")
_CONTROLS = re.compile(rb"[\x80-\x9f]")
"""Letters in windows-1252, and nothing in ISO 8859."""
_ACCENTED = re.compile(rb"[A-Za-z][\xc0-\xff][A-Za-z]")
_BEYOND = re.compile(rb"[\x80-\xff]")
_WESTERN = ("iso-8859-1", "iso-8859-15", "windows-1252", "us-ascii")
_JOINED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7ff]"
)
_HEADERS = {"from": ("from",), "subject": ("subject",), "to": ("to", "cc", "bcc")}
_ALL_HEADERS = ("from", "subject", "to", "cc", "bcc")


@dataclass(frozen=True)
class Difference:
    """An atom by which one program finds a message and the other does not."""

    atom: Atom
    ours: bool
    """Whether poparchive is the one."""
    readings: tuple[Reading, ...]
    known: bool
    """Whether notmuch has the message at all."""

    @cached_property
    def pieces(self) -> list[Piece]:
        """What each copy says in the atom's field."""
        return [
            piece
            for reading in self.readings
            for piece in reading.pieces
            if not self.atom.field or piece.field == self.atom.field
        ]

    def among(self, *places: str) -> list[Piece]:
        return [piece for piece in self.pieces if piece.where in places]

    @property
    def both(self) -> Iterator[tuple[str, str]]:
        """What both programs read, as the one and the other does."""
        for piece in self.pieces:
            if piece.ours is not None and piece.theirs is not None:
                yield piece.ours, piece.theirs

    def headers(self) -> Iterator[str]:
        """The header fields that are asked, as they are written."""
        for reading in self.readings:
            for name in _HEADERS.get(self.atom.field, _ALL_HEADERS):
                yield from map(str, reading.message.get_all(name, ()))

    def they(self, text: str | None) -> bool:
        """Whether notmuch finds the atom in a text that it reads."""
        if not text or self.atom.form == "date":
            return False
        return (
            they_find(self.atom, text)
            or (
                self.atom.form in ("word", "stem")
                and self.atom.field not in UNSTEMMED
                # Of two stemmers, where only one is right, either explains a difference and none hides it.
                and they_find_form(self.atom, text, ENGLISH[:1] if self.ours else ENGLISH)
            )
        )

    def we(self, text: str | None) -> bool:
        """Whether poparchive finds the atom in a text that it reads."""
        if not text or self.atom.form == "date":
            return False
        return we_find(self.atom, text) or (
            self.atom.form == "stem" and we_find_form(self.atom, text, ("english", *OTHERS))
        )


Rule = Callable[[Difference], bool]
RULES: dict[str, Rule] = {}
"""In the order in which they are asked."""


def rule(name: str) -> Callable[[Rule], Rule]:
    def named(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return named


def only_theirs(name: str, *places: str) -> None:
    """Notmuch reads these pieces, poparchive does not."""
    RULES[name] = lambda it: not it.ours and any(it.they(one.theirs) for one in it.among(*places))


def only_ours(name: str, *places: str) -> None:
    """Poparchive reads these pieces, notmuch does not."""
    RULES[name] = lambda it: it.ours and any(it.we(one.ours) for one in it.among(*places))


@rule("no mail")
def no_mail(it: Difference) -> bool:
    return it.ours and not it.known


@rule("dates")
def dates(it: Difference) -> bool:
    if it.atom.form != "date":
        return False
    found = {_date(reading) for reading in it.readings}
    # Of copies with several dates notmuch takes one.
    return len(found) > 1 or found <= {None}


def _date(reading: Reading) -> float | None:
    parsed = parsedate_tz(reading.header("date"))
    try:
        date = mktime_tz(parsed) if parsed and parsed[9] is not None else None
    except (ValueError, OverflowError):
        return None
    return date if date is not None and 0 <= date < time.time() + 2 * 86_400 else None


@rule("tags")
def tags(it: Difference) -> bool:
    return (
        not it.ours
        and not it.atom.field
        and any(it.they(tag) for tag in ("attachment", "signed", "encrypted", "replied", "passed"))
    )


only_theirs("media types", "type")
only_theirs("Message-IDs", "message-id")


@rule("forms")
def forms(it: Difference) -> bool:
    return (
        not it.ours
        and it.atom.form in ("word", "stem")
        and any(
            it.they(piece.theirs) and not _we_find_in_english(it.atom, piece.theirs or "")
            for piece in it.pieces
        )
    )


def _we_find_in_english(atom: Atom, text: str) -> bool:
    return we_find(atom, text) or (atom.form == "stem" and we_find_form(atom, text))


@rule("forms of other languages")
def other_forms(it: Difference) -> bool:
    return (
        it.ours
        and it.atom.form == "stem"
        and any(
            we_find_form(it.atom, piece.ours, OTHERS) and not we_find_form(it.atom, piece.ours)
            for piece in it.pieces
            if piece.ours
        )
    )


@rule("forms in fields")
def field_forms(it: Difference) -> bool:
    return (
        it.ours
        and it.atom.form == "stem"
        and it.atom.field in UNSTEMMED
        and any(
            we_find_form(it.atom, piece.ours) and not we_find(it.atom, piece.ours)
            for piece in it.pieces
            if piece.ours
        )
    )


@rule("HTML beside plain text")
def beside_plain(it: Difference) -> bool:
    """A line without a word of its own is not read."""
    return (
        not it.ours
        and it.atom.form == "phrase"
        and any(it.they(piece.theirs) for piece in it.among("html beside plain"))
    )


only_ours("enclosed headers", "enclosed header")
only_ours("lists and labels", "list", "label")
only_ours("Sender", "sender")
only_ours("names of inline parts", "inline name")
only_theirs("calendars", "calendar")


@rule("parts that are no text")
def other_parts(it: Difference) -> bool:
    return not it.ours and any(
        it.they(piece.theirs or piece.octets.decode("latin-1").partition("\0")[0])
        for piece in it.among("other part", "attachment")
    )


@rule("winmail.dat")
def winmail(it: Difference) -> bool:
    if not it.ours:
        return False
    said = [read_tnef(piece.octets) for piece in it.among("other part", "attachment")]
    return any(one and (it.we(one.text) or it.we(one.subject)) for one in said)


@rule("S/MIME")
def smime(it: Difference) -> bool:
    """Both read what is signed, each with a parser of its own."""
    return any(
        part.get_content_type() in ("application/pkcs7-mime", "application/x-pkcs7-mime")
        for reading in it.readings
        for part in reading.message.walk()
    )


@rule("hidden in HTML")
def hidden(it: Difference) -> bool:
    places = ("html", "html beside plain")
    return not it.ours and any(it.they(piece.hidden) for piece in it.among(*places))


@rule("entities")
def entities(it: Difference) -> bool:
    for piece in it.among("html", "html beside plain"):
        if "&" in piece.page:
            escaped = Piece(
                "", "", "", "", piece.page.replace("&", "&amp;").encode(), "utf-8"
            ).shown
            if it.ours and it.we(piece.shown) and not it.we(escaped):
                return True
            if not it.ours and it.they(escaped) and not it.they(piece.shown):
                return True
    return False


@rule("tags of HTML")
def html_tags(it: Difference) -> bool:
    for piece in it.among("html", "html beside plain", "enriched"):
        if it.ours and it.we(piece.shown) and not it.we(piece.theirs):
            return True
        # For poparchive a quoted value ends at a "<" at the latest: what is behind it may be text.
        if it.ours and _ODD_VALUE.search(piece.page) and it.we(piece.hidden):
            return True
        if not it.ours and it.they(piece.theirs) and not it.they(piece.shown):
            return True
    return False


@rule("uuencoded")
def uuencoded(it: Difference) -> bool:
    """Text that is a file: poparchive leaves out what is well formed, notmuch long lines of it."""
    return any(
        it.we(line) if it.ours else it.they(line)
        for piece in it.among("text")
        if re.search(r"^begin [0-7]{3,4} ", piece.theirs or "", re.MULTILINE)
        for line in (piece.theirs or "").splitlines()
        if re.fullmatch(r"[ -`]{1,62}", line)
    )


@rule("scripts without spaces")
def bigrams(it: Difference) -> bool:
    return it.ours and any(
        it.we(ours) and (_JOINED.search(it.atom.text) or not it.we(_JOINED.sub("x", ours)))
        for ours, _ in it.both
    )


@rule("letters")
def letters(it: Difference) -> bool:
    """Other letters in the text, or the same ones with their accents apart."""
    return it.ours and any(
        it.we(ours) and not _has_letters(it.atom.text, ours) for ours, _ in it.both
    )


def _has_letters(asked: str, text: str) -> bool:
    return f" {' '.join(plain(asked))}" in f" {' '.join(plain(text))} "


@rule("long words")
def long_words(it: Difference) -> bool:
    return it.ours and any(
        len(word.encode()) > LONGEST_OCTETS for word in re.findall(r"[\w'&.,]+", it.atom.text)
    )


@rule("words")
def words(it: Difference) -> bool:
    return any(
        it.we(ours) and not it.they(theirs) if it.ours else it.they(theirs) and not it.we(ours)
        for ours, theirs in it.both
    )


@rule("addresses")
def addresses(it: Difference) -> bool:
    for piece in it.among("from", "to", "cc", "bcc"):
        text = piece.ours or ""
        good = [
            f"{name} {address}"
            for name, address in getaddresses([re.sub(r"\([^()]*\)", " ", text)])
            if _ADDRESS.fullmatch(address)
            and not re.search(rf"<[^<>]*:{re.escape(address)}>", text)
        ]
        if it.ours and it.we(text) and not any(it.we(one) for one in good):
            return True
    return False


@rule("encoded words")
def encoded_words(it: Difference) -> bool:
    return any(
        _ENCODED.search(value)
        and (it.we(decoded(value)) or it.they(decoded(value)))
        and not it.we(_ENCODED.sub(" ", value))
        for value in it.headers()
    )


@rule("repeated fields")
def repeated(it: Difference) -> bool:
    names = _HEADERS.get(it.atom.field, _ALL_HEADERS)
    return any(
        len(values) > 1
        and any(it.we(decoded(str(one))) or it.they(decoded(str(one))) for one in values)
        for reading in it.readings
        for name in names
        for values in [reading.message.get_all(name, ())]
    )


@rule("copies")
def copies(it: Difference) -> bool:
    """Words of a phrase in several copies."""
    return (
        len(it.readings) > 1
        and not it.ours
        and it.atom.form == "phrase"
        and all(
            any(word in their_words(piece.theirs or "") for piece in it.pieces)
            for word in their_words(it.atom.text)
        )
    )


@rule("charsets")
def charsets(it: Difference) -> bool:
    """Octets beyond ASCII that no charset is named for, or that the named one does not have."""
    return any(
        not piece.octets.isascii() and _mislabelled(piece)
        for piece in it.pieces
        if piece.where in ("text", "html", "html beside plain", "other text")
    ) or any(not header.isascii() for header in it.headers())


def _mislabelled(piece: Piece) -> bool:
    try:
        piece.octets.decode(piece.label or "ascii")
    except (LookupError, ValueError):
        return True
    if piece.label.lower() in _WESTERN and (
        _CONTROLS.search(piece.octets) or _is_utf8(piece.octets)
    ):
        return True
    # Nothing inside a word says that the label is right.
    if piece.label.lower() in _WESTERN and not _ACCENTED.search(piece.octets):
        return True
    # With more letters beyond ASCII than in it no text is in a language of Western Europe.
    letters = len(re.findall(rb"[A-Za-z]", piece.octets))
    return piece.label.lower() in _WESTERN and len(_BEYOND.findall(piece.octets)) > letters


@rule("damaged")
def damaged(it: Difference) -> bool:
    return any(reading.damaged for reading in it.readings)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except ValueError:
        return False
    return True


def by_copies(readings: tuple[Reading, ...]) -> str | None:
    """Why a query may differ though its atoms do not: one copy has this, another that."""
    return "copies" if len(readings) > 1 else None


def explained(it: Difference) -> str | None:
    """The first rule that holds."""
    return next((name for name, holds in RULES.items() if holds(it)), None)
