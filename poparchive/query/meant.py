"""What people who come from other programs type, and what it is here. Asked only for a query that is wrong.

Not accepted, but suggested: each of them means something a little different somewhere.
"""

import re
from collections.abc import Collection, Iterable, Sequence

from poparchive.errors import quoted
from poparchive.query import fields
from poparchive.query.errors import Repair
from poparchive.query.spelling import closest, nearness
from poparchive.query.tokens import Token
from poparchive.query.values import SIZE, UNITS_ALONE, BadValueError

_NAMED = 10
"""So many names of accounts are listed."""

NAMES = {
    "attach": "attachment",
    "attachments": "attachment",
    "category": "label",
    "contact": "addr",
    "deliveredto": "to",
    "embed": "attachment",
    "ext": "filetype",
    "file": "filename",
    "flag": "is",
    "folder": "label",
    "in": "label",
    "keyword": "label",
    "language": "lang",
    "mailbox": "account",
    "messageid": "msgid",
    "mid": "msgid",
    "mime": "filetype",
    "mimetype": "filetype",
    "participants": "addr",
    "received": "on",
    "recip": "to",
    "recipient": "to",
    "sender": "from",
    "sent": "on",
    "since": "after",
    "tag": "label",
    "title": "subject",
    "type": "filetype",
    "until": "before",
}
"""Fields."""

_EVERYWHERE = ("all", "anywhere")

_KINDS = {
    "archive": "(zip OR rar OR 7z)",
    "audio": "(mp3 OR m4a OR wav)",
    "document": "(docx OR doc OR odt)",
    "excel": "(xlsx OR xls)",
    "image": "(jpg OR png OR gif)",
    "photo": "jpg",
    "picture": "(jpg OR png OR gif)",
    "powerpoint": "(pptx OR ppt)",
    "presentation": "(pptx OR ppt OR odp)",
    "spreadsheet": "(xlsx OR xls OR ods)",
    "text": "txt",
    "video": "(mp4 OR mov OR avi)",
    "word": "(docx OR doc)",
}
"""Kinds of files, by endings."""

_SUBTYPES = {
    "calendar": "ics", "gzip": "gz", "mpeg": "mp3", "msword": "doc", "plain": "txt", "rfc822": "eml",
    "vnd.ms-excel": "xls", "vnd.ms-powerpoint": "ppt", "x-zip-compressed": "zip",
    "vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "vnd.oasis.opendocument.text": "odt", "vnd.oasis.opendocument.spreadsheet": "ods",
    "vnd.oasis.opendocument.presentation": "odp",
}  # fmt: skip
"""Media types that are not called like the ending."""

_MARKS = {
    "attachment": "has:attachment",
    "chat": "label:chat",
    "copy": "is:duplicate",
    "draft": "label:draft",
    "dupe": "is:duplicate",
    "flagged": "label:starred",
    "important": "label:important",
    "inbox": "label:inbox",
    "muted": "label:muted",
    "pgp": "(is:signed OR is:encrypted)",
    "read": "label:opened",
    "sent": "label:sent",
    "smime": "(is:signed OR is:encrypted)",
    "snoozed": "label:snoozed",
    "spam": "label:spam",
    "starred": "label:starred",
    "trash": "label:trash",
    "unread": "label:unread",
}
"""What others have behind ``is:``. Gmail writes its own marks as labels into mail that it hands out."""

_CARRIED = {
    "drive": 'body:"drive.google.com"',
    "encryption": "is:encrypted",
    "file": "has:attachment",
    "link": "body:http",
    "signature": "is:signed",
    "youtube": "body:youtube",
}
"""What others have behind ``has:`` and is no kind of file."""

_LANGUAGES = {
    "arabic": "ar", "bulgarian": "bg", "chinese": "zh", "czech": "cs", "danish": "da", "dutch": "nl",
    "english": "en", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hebrew": "he",
    "hungarian": "hu", "italian": "it", "japanese": "ja", "korean": "ko", "norwegian": "no",
    "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru",
    "spanish": "es", "swedish": "sv", "thai": "th", "turkish": "tr", "ukrainian": "uk",
    "vietnamese": "vi", "deutsch": "de", "espanol": "es", "español": "es", "francais": "fr",
    "français": "fr", "italiano": "it", "nederlands": "nl", "polski": "pl", "svenska": "sv",
}  # fmt: skip
"""Names that people type for codes of ISO 639-1."""

_COUNTRIES = {
    "at": "de", "br": "pt", "ch": "de", "cn": "zh", "cz": "cs", "deu": "de", "dk": "da", "fra": "fr",
    "gb": "en", "gr": "el", "ie": "en", "in": "id", "iw": "he", "jp": "ja", "kr": "ko", "mx": "es",
    "nld": "nl", "pb": "pa", "rs": "sr", "se": "sv", "ua": "uk", "us": "en", "ces": "cs",
    "ell": "el", "zho": "zh", "fas": "fa", "ron": "ro", "nob": "no", "nor": "no", "swe": "sv",
    "spa": "es", "tur": "tr", "ukr": "uk",
}  # fmt: skip
"""Countries that people type for their languages, older codes, and longer ones."""


def no_field(query: str, token: Token) -> tuple[str, Repair]:
    """Return what is wrong with a token whose field there is not: what to say, and a repair."""
    typed, name = token.name.lower(), fields.canonical(token.name)
    if name == "in" and token.text.lower() in _EVERYWHERE:
        what = f"there is no in:{token.text}: all of the archive is searched always"
        return what, Repair(token.start, token.end, "")
    meant = NAMES.get(name) or closest(name, fields.ALL)
    end = token.start + len(token.name)
    if meant is not None:
        there_is = f"there is {meant}:"
        repair = Repair(token.start, end, meant)
    else:
        there_is = "there are " + ", ".join(f"{one}:" for one in fields.ALL)
        opening = token.text if token.kind == "group" else ""
        rest = query[end : token.end - len(opening)].replace('"', "")
        repair = Repair(token.start, token.end - len(opening), f'"{token.name}{rest}"')
    what = (
        f'there is no field "{quoted(typed)}:"; {there_is}. Put it in quotes to search for the text'
    )
    return what, repair


def no_account(name: str, known: Collection[str]) -> BadValueError:
    """Return the error of an account that there is not; it names those that there are, the nearest first."""
    ordered = sorted(known, key=lambda one: (*nearness(name, one), one))
    listed = ", ".join(f'"{one}"' for one in ordered[:_NAMED]) or "none yet"
    more = f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else ""
    best = ordered[0] if ordered else ""
    near = best and (
        nearness(name, best)[0] == 0
        or closest(name.casefold(), [best.casefold()]) is not None
        or len(ordered) == 1
    )
    return BadValueError(
        f"no mail came from such an account; there are {listed}{more}", best if near else ""
    )


def instead(token: Token, meant: str) -> Repair | None:
    """Write another value in the place of a token's. ``meant`` may be several in parentheses."""
    if not meant:
        return None
    if meant.startswith("("):
        return Repair(token.at - token.quoted, token.at + len(token.text) + token.quoted, meant)
    if not token.quoted and re.search(r'[\s"()]', meant):
        meant = f'"{meant}"'
    return Repair(token.at, token.at + len(token.text), meant)


def otherwise(field: str, tokens: Sequence[Token], at: int) -> Repair | None:
    """Repair what is more than a value: has:pdf, is:starred, size:<5M, newer:3d, and newer_than:3 days. The
    value is before the place ``at``."""
    token = tokens[at - 1]
    after = tokens[at] if at < len(tokens) else None
    text = token.text.lower()
    if token.kind == "field" and field == "is" and text in _MARKS:
        return Repair(token.start, token.end, _MARKS[text])
    if token.kind == "field" and field == "has":
        singular = text.removesuffix("s")
        other = _CARRIED.get(text) or _CARRIED.get(singular)
        if kinds := _KINDS.get(text) or _KINDS.get(singular):
            other = f"filetype:{kinds}"
        elif text in _COMMON or text in fields.SAME_ENDINGS:
            other = f"filetype:{text}"
        return Repair(token.start, token.end, other) if other else None
    if token.kind == "field" and (
        found := _sizes(field, token, tokens) or _age(field, token, after)
    ):
        return found
    if field in ("larger", "smaller") and after is not None and after.text.lower() in UNITS_ALONE:
        return Repair(token.at, after.end, token.text + after.text.removesuffix("ytes"))
    if field in ("older_than", "newer_than") and text.isdecimal() and after is not None:
        unit = _A_UNIT.fullmatch(after.text) if after.kind == "word" else None
        return Repair(token.at, after.end, f"{text}{unit[1].lower()}") if unit else None
    return None


def _sizes(field: str, token: Token, tokens: Sequence[Token]) -> Repair | None:
    """Write larger: and smaller: for size:<5M and size:1k..2k."""
    if field not in ("larger", "smaller"):
        return None
    sign = re.match(r"\s*([<>])=?\s*", token.text)
    if sign and token.name.lower() == "size":
        name = "smaller" if sign[1] == "<" else "larger"
        return Repair(token.start, token.end, f"{name}:{token.text[sign.end() :]}")
    first, dots, last = token.text.partition("..")
    ends = (("larger", first.strip()), ("smaller", last.strip(". ")))
    each = [f"{name}:{end}" for name, end in ends if end]
    if not dots or not each:
        return None
    both = " ".join(each)
    # Behind a minus and within braces two would mean another thing than one.
    apart = any(one.kind in ("-", "{") or one.text in ("NOT", "{") for one in tokens)
    return Repair(token.start, token.end, f"({both})" if apart and len(each) > 1 else both)


def _age(field: str, token: Token, after: Token | None) -> Repair | None:
    """Write older_than: for before:2y, and newer_than: for after:3 days."""
    other = {"before": "older_than", "after": "newer_than"}.get(field)
    text = token.text + (
        after.text if after and after.kind == "word" and token.text.isdecimal() else ""
    )
    if other is None or _AN_AGE.fullmatch(text) is None:
        return None
    return Repair(token.start, token.start + len(token.name), other)


_A_UNIT = re.compile("([hdwmy])(?:ours?|ays?|eeks?|onths?|ears?)?", re.IGNORECASE)
_AN_AGE = re.compile(rf"[0-9]{{1,5}}\s*{_A_UNIT.pattern}", re.IGNORECASE)
_COMMON = frozenset((
    "7z", "avi", "bmp", "csv", "doc", "docx", "eml", "gif", "gz", "heic", "htm", "html", "ics", "jpg",
    "json", "m4a", "mov", "mp3", "mp4", "msg", "odp", "ods", "odt", "pages", "pdf", "png", "ppt", "pptx",
    "rar", "rtf", "svg", "tar", "tif", "txt", "vcf", "wav", "webp", "xls", "xlsx", "xml", "zip",
))  # fmt: skip


def nothing(query: str) -> tuple[str, Repair | None]:
    """Return what is wrong with a query without a word, and a repair."""
    what = "there is no word in this to search for"
    if not query.replace("*", "").strip():
        # In notmuch it is every message.
        return what, Repair(0, len(query), "")
    return what, None


def no_search(name: str, known: Iterable[str], token: Token) -> tuple[str, Repair]:
    """Return what is wrong with the name of a saved search that there is not, and a repair."""
    near = closest(name, known)
    there = ", ".join(f"@{one}" for one in sorted(known)) or "none"
    repair = Repair(token.start, token.end, f"@{near}" if near else f'"@{name}"')
    return f"no search is saved as @{quoted(name)}; there are {there}", repair


def unexpected(tokens: Sequence[Token], at: int) -> Repair | None:
    """Leave out what stands at a wrong place: an operator, or parentheses around nothing."""
    token = tokens[at] if at < len(tokens) else None
    before = tokens[at - 1] if at else None
    if token is not None and token.kind not in (")", "}"):
        return _without(token)
    if before is None:
        return None if token is None else _without(token)
    if before.kind in ("(", "{", "group") and token is not None:
        return Repair(before.start, token.end, "")
    return _without(before)


def missing(field: str, tokens: Sequence[Token], at: int) -> Repair:
    """The value of the token before is the next word, after a blank too many; else the field is left out,
    or, where there is nothing else, gets the value that is its example."""
    token = tokens[at - 1]
    after = tokens[at] if at < len(tokens) else None
    if not token.quoted and after is not None and after.kind in ("word", "quoted", "(", "{"):
        return Repair(token.end, after.start, "")
    if not token.quoted and at == len(tokens) and all(one.kind == "-" for one in tokens[:-1]):
        return Repair(token.end, token.end, fields.EXAMPLES[field])
    return _without(token)


def _without(token: Token) -> Repair:
    return Repair(token.start, token.end, "")


def size(text: str) -> str:
    """Return the size that was meant, or nothing. Commas or points part thousands; one may be decimal."""
    plain = text.lstrip("-+<>=")
    if re.match(r"\d{1,3}(?:(?:,\d{3})+|(?:\.\d{3}){2,})(?![\d,.])", plain, re.ASCII):
        plain = plain.replace(",", "").replace(".", "")
    plain = plain.replace(",", ".")
    if re.fullmatch(r"\d{1,6}(?:\.\d{1,6})?e\+?\d{1,2}", plain, re.IGNORECASE | re.ASCII):
        plain = str(min(int(float(plain)), 10**15 - 1))
    elif plain.lower() in UNITS_ALONE:
        plain = f"1{plain}"
    begins = re.match(SIZE, plain, re.IGNORECASE | re.ASCII)
    if begins is None:
        return ""
    behind = plain[begins.end(2 if begins[2] else 1) :].strip()
    # Another unit: few look for messages of some octets, and none is of petabytes.
    return begins[0].rstrip() + ("M" if not begins[3] and behind[:1].isalpha() else "")


def ending(text: str) -> str:
    """Return the value of ``filetype:`` that was meant, or nothing."""
    lower = text.lower().strip("*. ")
    several = [one.strip("*. ") for one in re.split(r"[,;|+/\s]+", lower) if one.strip("*. ")]
    if "/" in lower:
        kind, _, subtype = lower.partition("/")
        if subtype in _SUBTYPES:
            return _SUBTYPES[subtype]
        if kind in _KINDS and not re.fullmatch("[a-z0-9]{2,5}", subtype):
            return _KINDS[kind]
    elif len(several) > 1 and all(map(_ENDING.fullmatch, several)):
        return f"({' OR '.join(several)})"
    return _KINDS.get(lower) or _KINDS.get(lower.removesuffix("s")) or _only_ending(lower)


_ENDING = re.compile("[a-z0-9]{1,16}")


def _only_ending(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", text.rpartition("/")[2])
    return plain if _ENDING.fullmatch(plain) else ""


def is_kind(text: str) -> bool:
    """Whether it names a kind of files, and so is no ending."""
    return text in _KINDS or (text.endswith("s") and text[:-1] in _KINDS)


def language(text: str) -> str:
    """Return the value of ``lang:`` that was meant, or nothing."""
    lower = text.lower()
    several = [one for one in re.split(r"[,;|+\s]+", lower) if one]
    if len(several) > 1:
        codes = [one if one in fields.LANGUAGES else language(one) for one in several]
        return f"({' OR '.join(codes)})" if all(codes) else ""
    if lower in _COUNTRIES:
        return _COUNTRIES[lower]
    if tag := re.match("([a-z]{2,3})[-_]", lower):
        return tag[1] if tag[1] in fields.LANGUAGES else language(tag[1])
    beginning = [
        code for name, code in _LANGUAGES.items() if len(lower) > 2 and name.startswith(lower)
    ]
    if beginning:
        return beginning[0]
    name = closest(lower, _LANGUAGES)
    return _LANGUAGES[name] if name else ""


def word(text: str, known: Iterable[str]) -> str:
    """Return the nearest of some words, or nothing."""
    return closest(text.lower(), known) or ""
