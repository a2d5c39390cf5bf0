"""The search language: text becomes a tree, or an error that says where, what was expected and what would do.

Pure: no database is touched, no clock is read. ``tree`` is the whole of what a query can mean, ``parser``
makes it of text, ``printing`` makes text of it, ``explain`` plain words. ``index.plan`` turns it into FTS5
and SQL. ``docs/search.md`` has the language by example.
"""

from poparchive.query.errors import QuerySyntaxError
from poparchive.query.parser import parse

__all__ = ["QuerySyntaxError", "parse"]
