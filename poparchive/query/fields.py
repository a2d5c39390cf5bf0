"""The names of the language: fields, other spellings of them, and the few values that are words."""

TEXT = {
    "from": "From",
    "to": "To, Cc and Bcc",
    "cc": "Cc",
    "bcc": "Bcc",
    "addr": "From, To, Cc and Bcc",
    "subject": "Subject",
    "body": "the text",
    "list": "the mailing list's address or name",
    "label": "the labels",
    "filename": "the names of attachments",
    "attachment": "the text inside attachments",
}
"""Fields that hold words, and what they are called in plain words."""

VALUES = (
    *("has", "is", "filetype", "lang", "before", "after", "on", "during"),
    *("older_than", "newer_than", "larger", "smaller", "account", "id", "msgid", "thread"),
)
"""Fields that hold one value of a kind of their own."""

SAME = {
    "older": "before",
    "newer": "after",
    "date": "during",
    "size": "larger",
    "hash": "id",
    "rfc822msgid": "msgid",
    "message_id": "msgid",
}
"""Other names, as Gmail and notmuch have them. Gmail's ``size:`` means larger than that."""

ALL = (*TEXT, *VALUES)


def canonical(name: str) -> str:
    """Return a field's name as the tree has it, of one that there is not the name in small letters. ``-`` is
    the same as ``_`` in it."""
    lower = name.lower().replace("-", "_")
    return SAME.get(lower, lower)


STATES = {
    "duplicate": "that came more than once and is kept once",
    "quarantined": "that a server refuses to hand out again",
    "encrypted": "with an encrypted part",
    "signed": "with a signed part",
}

SAME_ENDINGS = {"htm": "html", "jpe": "jpg", "jpeg": "jpg", "jfif": "jpg", "tiff": "tif"}
"""Endings of one kind of file. The index has one for all; a test keeps this equal to what it writes."""

SAME_LANGUAGES = {"nb": "no", "nn": "no"}
"""Codes of languages that the index has one mark for."""

LANGUAGES = frozenset((
    "af", "am", "ar", "az", "be", "bg", "bn", "bo", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et",
    "eu", "fa", "fi", "fr", "ga", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka",
    "kk", "km", "kn", "ko", "lo", "lt", "lv", "mk", "ml", "mr", "ms", "mt", "my", "ne", "nl", "no", "or",
    "pa", "pl", "pt", "ro", "ru", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr",
    "uk", "ur", "vi", "zh",
))  # fmt: skip
"""Those that can be told, by ISO 639-1. A test keeps this equal to what the index's marks can say."""

EXAMPLES = {
    "from": "anna", "to": "office", "cc": "anna", "bcc": "office", "addr": "anna@example.com",
    "subject": "invoice", "body": "invoice", "list": "announce", "label": "work", "filename": "pdf",
    "attachment": "figures", "has": "attachment", "is": "signed", "filetype": "pdf", "lang": "pl",
    "before": "2024-03", "after": "2024-03", "on": "2024-03-09", "during": "2024-03",
    "older_than": "2y", "newer_than": "3d", "larger": "5M", "smaller": "300k", "account": "anna",
    "id": "8db05fcb86cb", "msgid": "one@example.com", "thread": "8db05fcb86cb",
}  # fmt: skip
"""A value of each field, for whoever left it out."""
