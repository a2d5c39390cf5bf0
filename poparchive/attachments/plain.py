"""Readers of what is written in letters: text, tables, HTML, XML, calendars and cards."""

import re
from typing import Final

from poparchive.attachments.outcome import TEXT_CHARS
from poparchive.attachments.parts import Within
from poparchive.mime.charset import decode
from poparchive.mime.html import text_of

_BYTES: Final = 4 * TEXT_CHARS
"""What is beyond cannot be kept in any charset."""

_CHARSET: Final = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_BOMS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_XML_UNSEEN: Final = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_XML_DTD: Final = re.compile(r"<!DOCTYPE[^<>\[]*+(?:\[.*?\]\s*>|>)", re.DOTALL | re.IGNORECASE)
_XML_TAG: Final = re.compile(r"<!\[CDATA\[|\]\]>|<[^<>]*+>")
_XML_VALUE: Final = re.compile(r"\s(?:title|alt|label|summary|name)\s*=\s*\"([^\"<>]{1,500})\"")
_FOLDED: Final = re.compile(r"\r?\n[ \t]")
_PROPERTY: Final = re.compile(
    r"^(?:[\w-]+\.)?(SUMMARY|DESCRIPTION|LOCATION|COMMENT|CONTACT|CATEGORIES|ORGANIZER|ATTENDEE|NAME|FN|N|ORG"
    r"|TITLE|ROLE|EMAIL|TEL|ADR|NOTE|NICKNAME|URL|X-WR-CALNAME|X-WR-CALDESC)"
    r"((?:;[^:\"\n]*+(?:\"[^\"\n]*+\"[^:\"\n]*+)*+)?):"
    r"([^\n]*)",
    re.MULTILINE | re.IGNORECASE,
)
_COMMON_NAME: Final = re.compile(r"CN=(?:\"([^\"\n]+)\"|([^;:\n]+))", re.IGNORECASE)
_QUOTED_PRINTABLE: Final = re.compile(r"=([0-9A-F]{2})|=\n", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


def letters(content: bytes) -> str:
    """Decode a content; it may say itself in which charset it is."""
    content = content[:_BYTES]
    for bom, charset in _BOMS:
        if content.startswith(bom):
            return decode(content, charset).lstrip("\ufeff")
    said = _CHARSET.search(content[:1024])
    return decode(content, said[1].decode("ascii") if said else "").lstrip("\ufeff")


def text(content: bytes, within: Within) -> None:
    """Plain text, and whatever else is made of lines: tables, patches, logs, programs."""
    within.found.add(decode_plain(content))


def decode_plain(content: bytes) -> str:
    content = content[:_BYTES]
    for bom, charset in _BOMS:
        if content.startswith(bom):
            return decode(content, charset).lstrip("\ufeff")
    return decode(content).lstrip("\ufeff")


def html(content: bytes, within: Within) -> None:
    """What a reader of a page sees."""
    within.found.add(text_of(letters(content)))


def xml(content: bytes, within: Within) -> None:
    """What stands between tags, and titles. Entities are not looked up, so that none can be a bomb."""
    source = _XML_DTD.sub(" ", _XML_UNSEEN.sub(" ", letters(content)), count=1)
    titles = " ".join(_XML_VALUE.findall(source))
    within.found.add(text_of(_XML_TAG.sub(" ", source)))
    within.found.add(text_of(titles))


def calendar(content: bytes, within: Within) -> None:
    """What people wrote in a calendar (RFC 5545) or a card (RFC 6350); all of it, if nothing is found so."""
    source = _FOLDED.sub("", letters(content))
    lines = []
    for name, parameters, value in _PROPERTY.findall(source):
        if "QUOTED-PRINTABLE" in parameters.upper():
            octets = _QUOTED_PRINTABLE.sub(
                lambda found: chr(int(found[1], 16)) if found[1] else "", value
            )
            value = decode(octets.encode("latin-1", "replace"))
        person = _COMMON_NAME.search(parameters)
        if person:
            lines.append(person[1] or person[2])
        if value.lower().startswith("mailto:"):
            value = value[7:]
        value = _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)
        lines.append(value.replace(";", " ") if name.upper() in ("N", "ADR", "ORG") else value)
    within.found.add("\n".join(lines) if lines else source)
