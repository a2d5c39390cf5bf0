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
}
"""Other names, as Gmail and notmuch have them. Gmail's ``size:`` means larger than that."""

ALL = (*TEXT, *VALUES)

STATES = {
    "duplicate": "that came more than once and is kept once",
    "quarantined": "that a server refuses to hand out again",
    "encrypted": "with an encrypted part",
    "signed": "with a signed part",
}

SAME_ENDINGS = {"htm": "html", "jpe": "jpg", "jpeg": "jpg", "jfif": "jpg", "tiff": "tif"}
"""Endings of one kind of file. The index has one for all; a test keeps this equal to what it writes."""

MEANT = {
    "attach": "attachment",
    "file": "filename",
    "folder": "label",
    "in": "label",
    "language": "lang",
    "mid": "msgid",
    "mimetype": "filetype",
    "ext": "filetype",
    "mailbox": "account",
    "recipient": "to",
    "sender": "from",
    "since": "after",
    "tag": "label",
    "title": "subject",
    "type": "filetype",
    "until": "before",
}
"""What people who come from other programs type, and what it is here. Not accepted: each of them means
something a little different somewhere."""
