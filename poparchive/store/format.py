"""The version of the whole format, and a look at it that costs next to nothing."""

import re
from pathlib import Path

FORMAT = 1
_ID_DIGITS = 32


def check_format(root: Path) -> bytes | None:
    """Return the archive's id, where it stands as it is written. Raise ``FormatError`` for what is no
    archive, or one of a newer format.

    Without the cost of a TOML parser, for commands that people wait for and that read databases only.
    """
    try:
        text = (root / "archive.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        text = ""
    match = re.search(r"^format *= *(\d+)", text, re.MULTILINE)
    if match is None or int(match[1]) > FORMAT:
        from poparchive.store.layout import open_layout

        open_layout(root)
    # As ``layout.described`` writes it. To compile a pattern takes longer than all else here.
    digits = text.partition('\nid = "')[2].partition('"')[0].replace("-", "")
    try:
        return bytes.fromhex(digits) if len(digits) == _ID_DIGITS else None
    except ValueError:
        return None
