"""Keeps octets: packs of frames, recipes, and the journal. Knows nothing of mail or SQL.

``docs/store-format.md`` specifies every octet that this package writes.
"""
