"""Lines that a sender broke for the way, put together again (RFC 3676, format=flowed with DelSp=yes).

Promise: never raises, and takes time linear in the text. Without DelSp the lines stay: the blank before a
line's end is part of the text then, and words are the same.
"""

_SIGNATURE = "-- "
_FOOTER = f"\n{_SIGNATURE}\n"


def unbroken(text: str) -> str:
    """``text`` without the line ends that stand behind a blank, and without that blank; what quotes the next
    line goes with them."""
    # A mailing list's footer, which no sender broke so, stands behind a signature's line.
    text, signature, footer = text.partition(_FOOTER)
    made: list[str] = []
    depth_before = -1
    for line in text.split("\n"):
        unquoted = line.lstrip(">")
        depth = len(line) - len(unquoted)
        said = unquoted.removeprefix(" ")
        goes_on = said.endswith(" ") and said != _SIGNATURE
        if depth == depth_before and said != _SIGNATURE:
            made.append(said[:-1] if goes_on else said)
        else:
            made.append("\n")
            made.append(line[:-1] if goes_on else line)
        depth_before = depth if goes_on else -1
    return "".join([*made[1:], signature, footer])
