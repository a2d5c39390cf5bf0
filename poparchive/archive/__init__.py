"""Where store, mime and index meet; holds the commit order.

``writer.Writer`` takes messages in, ``read.Reader`` gives them back, ``replay.rebuild`` and
``verify.verify`` prove the rest. This module itself imports next to nothing, because commands that
people wait for import only what they use.
"""

from pathlib import Path


def create(path: Path) -> None:
    """Make an empty archive; raises ``FormatError`` where there is one, or anything else, already."""
    from poparchive.store import layout

    layout.create(path)
