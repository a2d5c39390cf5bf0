"""The columns of the search index, and what its marks begin with. By themselves: a search needs no more."""

COLUMNS = (
    *("body", "subject", "sender", "recipients", "copies", "blind", "lists", "labels"),
    *("attachments", "contents", "flags"),
)
"""The body first: FTS5 writes two octets less for every word of a document's first column."""

MARK = "\ue000"
"""Begins every mark in ``flags``. Folded text and a query's words do not hold it: they find no mark."""

ATTACHMENT = f"{MARK}attachment"
SIGNED = f"{MARK}signed"
ENCRYPTED = f"{MARK}encrypted"
TYPE = f"{MARK}type"
"""Begins the mark of an attachment's type: its ending in lower case follows."""
LANGUAGE = f"{MARK}lang"
"""Begins the mark of the text's language: its code of ISO 639-1 follows."""
