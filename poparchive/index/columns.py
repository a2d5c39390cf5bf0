"""The columns of the search index. By themselves, for a search needs no more than their names."""

COLUMNS = (
    *("body", "subject", "sender", "recipients", "copies", "blind", "lists", "labels"),
    *("attachments", "contents", "flags"),
)
"""The body first: FTS5 writes two octets less for every word of a document's first column."""
