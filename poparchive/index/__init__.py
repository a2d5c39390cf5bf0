"""Finds mail: the catalog (SQLAlchemy) and the search index (FTS5). Both can be thrown away and rebuilt."""
