"""What a leaf part is, from the fields that the splitter kept of its header."""

from poparchive.mime import headers
from poparchive.mime.split import Leaf

_SHORT_BYTES = 80


def attachment_name(leaf: Leaf) -> str | None:
    """The name of an attachment, empty if it has none; None for a part that is no attachment."""
    header = leaf.header
    if len(header) < _SHORT_BYTES and leaf.type.startswith("text/"):
        # Nearly every text part has a short Content-Type with a charset, and nothing else.
        lower = header.lower()
        if b"name" not in lower and b"disposition" not in lower:
            return None
    name = headers.filename(header)
    return "" if name is None and headers.is_attachment(header) else name
