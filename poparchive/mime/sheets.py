"""Which classes and ids the style sheets of a page conceal, as newsletters do with their previews.

Promise: never raises, takes time linear in the sheets, and says nothing of what a reader might see: only
``display: none`` outside of ``@media`` counts, for a selector of one class or one id (CSS 2.1 section 5),
and not if any rule for any screen shows what has that name.
"""

import re
from typing import Final

from .late import late

_COMMENT: Final = late(r"/\*[^*]*+(?:\*(?!/)[^*]*+)*+(?:\*/|\Z)|<!--|-->")
_BRACE: Final = late(r"([{}])")
_SIMPLE: Final = late(r"[.#][A-Za-z_][\w-]*")
_NAMED: Final = late(r"[\w-]+")
_DISPLAY: Final = late(r"(?:^|[;\s])display\s*:\s*([\w-]+)", re.I)
_MEDIA: Final = late(r"<style[^<>]*\smedia\s*=\s*[\"']?\s*(?!all\b|screen\s*[\"'>])", re.I)


def concealed(sheets: list[str]) -> frozenset[str]:
    """The names, as ``.class`` and ``#id``, that the ``<style>`` elements conceal."""
    hidden: set[str] = set()
    shown: set[str] = set()
    for sheet in sheets:
        always = not _MEDIA.match(sheet)
        outer: list[str] = []
        pieces = _BRACE.split(_COMMENT.sub("", sheet.partition(">")[2]))
        for text, brace in zip(pieces[::2], pieces[1::2], strict=False):
            if brace == "{":
                outer.append(text.rpartition(";")[2].strip())
                continue
            selector = outer.pop() if outer else ""
            values = [value.lower() for value in _DISPLAY.findall(text)]
            if not values or selector.startswith("@"):
                continue
            if all(value == "none" for value in values):
                if always and not outer:
                    hidden.update(filter(_SIMPLE.fullmatch, map(str.strip, selector.split(","))))
            elif any(_by_place(one.split()) for one in selector.split(",")):
                return frozenset()
            else:
                shown.update(_NAMED.findall(selector))
    return frozenset(name for name in hidden if name[1:] not in shown)


def _by_place(selector: list[str]) -> bool:
    """Whether it is for whatever stands within something: that may be what another rule conceals."""
    return len(selector) > 1 and not any(sign in selector[-1] for sign in ".#[")
