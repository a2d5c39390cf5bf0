"""Readers of what is written in letters: text, tables, HTML, XML, RTF, calendars and cards."""

import re
from typing import Final

from poparchive.attachments.kinds import wide
from poparchive.attachments.outcome import TEXT_CHARS
from poparchive.attachments.parts import Within
from poparchive.mime.calendar import text_of as text_of_calendar
from poparchive.mime.charset import decode
from poparchive.mime.html import text_of
from poparchive.mime.rtf import text_of as text_of_rtf

_BYTES: Final = 4 * TEXT_CHARS
"""What is beyond cannot be kept in any charset."""

_CHARSET: Final = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_XML_UNSEEN: Final = re.compile(r"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_XML_DTD: Final = re.compile(r"<!DOCTYPE[^<>\[]*+(?:\[.*?\]\s*>|>)", re.DOTALL | re.IGNORECASE)
_XML_TAG: Final = re.compile(r"<!\[CDATA\[|\]\]>|<[^<>]*+>")
_XML_VALUE: Final = re.compile(r"\s(?:title|alt|label|summary|name)\s*=\s*\"([^\"<>]{1,500})\"")


def charset_of(content: bytes) -> str:
    """Return the charset that a content says itself to be in, empty where it says none."""
    if charset := wide(content):
        return charset
    said = _CHARSET.search(content[:1024])
    return said[1].decode("ascii") if said else ""


def letters(content: bytes) -> str:
    """Decode a content; it may say itself in which charset it is."""
    return decode(content[:_BYTES], charset_of(content)).lstrip("\ufeff")


def text(content: bytes, within: Within) -> None:
    """Plain text, and whatever else is made of lines: tables, patches, logs, programs."""
    within.found.add(decode_plain(content))


def decode_plain(content: bytes) -> str:
    return decode(content[:_BYTES], wide(content)).lstrip("\ufeff")


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
    """What people wrote in a calendar; all of a card."""
    source = letters(content)
    within.found.add(text_of_calendar(source) or source)


def rich(content: bytes, within: Within) -> None:
    """RTF; what was made of HTML holds it."""
    found, is_html = text_of_rtf(content)
    within.found.add(text_of(found) if is_html else found)
