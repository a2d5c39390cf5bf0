"""The catalog's tables, in the terms that any SQL database has.

The catalog is a fold of journal and packs: every row can be made again from them, equal to the
last octet, and ``rebuild`` does so. Nothing is written here that the journal does not say or that
does not follow from the stored octets alone.

Times are whole seconds since the epoch, UTC. Identities are raw SHA-256 octets.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's rowid alias needs exactly INTEGER; other databases need 64 bits for the same column.
Key = BigInteger().with_variant(Integer, "sqlite")

accounts = Table(
    "accounts",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False, unique=True),
    Column("host", String, nullable=False),
    Column("user", String, nullable=False),
)
"""Where mail comes from. Numbered by the journal; a name is never given to another number."""

messages = Table(
    "messages",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary(32), nullable=False, unique=True),
    Column("date", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("message_id_hash", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("pack", Integer, nullable=False),
    Column("frame", BigInteger, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
    Column("entry", BigInteger, nullable=False),
    Column("parsed", SmallInteger, nullable=False),
)
"""One row for every distinct message.

``id`` is the date: the first free number from ``rowid_of(date)`` on. Ascending ids are ascending
dates, but for messages whose own id was taken. It is the rowid of the search index too, whose size it
decides: FTS5 writes the distance between rowids for every word of every message.
``pack``, ``frame`` (octet offset of the frame in the pack), ``offset`` and ``length`` (within the
frame's raw payload) locate the recipe. ``entry`` is the journal entry that first named the message.
``message_id_hash`` is ``hash_of`` the Message-ID. What else a header says is read from the message.
"""

Index("ix_messages_message_id_hash", messages.c.message_id_hash)
Index("ix_messages_size_bytes", messages.c.size_bytes)

blobs = Table(
    "blobs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary(32), nullable=False, unique=True),
    Column("pack", Integer, nullable=False),
    Column("frame", BigInteger, nullable=False),
    Column("offset", Integer, nullable=False),
    Column("length", Integer, nullable=False),
)
"""Bodies of parts that messages refer to; numbered in the order of first reference."""

parts = Table(
    "parts",
    metadata,
    Column("message", Key, ForeignKey(messages.c.id), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("segment", Integer, primary_key=True, autoincrement=False),
    Column("blob", Key, ForeignKey(blobs.c.id), nullable=True),
    Column("type", String, nullable=True),
    Column("name", Text, nullable=True),
    Column("size_bytes", BigInteger, nullable=True),
    sqlite_with_rowid=False,
)
"""Leaf parts of messages that are kept as blobs, and every attachment.

``number`` counts leaf parts from 1 in the order of the message. A body larger than one blob may be
has one row for each segment; ``type``, ``name`` and ``size_bytes`` (decoded where the store decodes
it) stand in segment 0 only. ``name`` is null unless the part is an attachment; an attachment
without a name has an empty one.
"""

uidls = Table(
    "uidls",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("account", Integer, ForeignKey(accounts.c.id), nullable=False),
    Column("uidl", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("fate", SmallInteger, nullable=False),
    Column("message", Key, ForeignKey(messages.c.id), nullable=True),
    Column("listed", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=True),
    Column("reason", Text, nullable=True),
)
"""The ledger: every UIDL that a server ever listed, each with exactly one fate (``model.Fate``).

``uidl`` holds the server's octets one to one as Latin-1. ``size_bytes`` is what LIST said. The same
UIDL may stand here several times: servers repeat them in one listing and give them out again.
``listed`` and ``settled`` are when it was first seen and when its present fate was decided.
"""

Index("ix_uidls_account", uidls.c.account)
Index("ix_uidls_message", uidls.c.message)
Index(
    "ix_uidls_account_message",
    uidls.c.account,
    uidls.c.message,
    sqlite_where=uidls.c.message.is_not(None),
)

packs = Table(
    "packs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("length", BigInteger, nullable=False),
    Column("sealed", SmallInteger, nullable=False),
)
"""The packs and how many octets of each are committed."""

runs = Table(
    "runs",
    metadata,
    Column("id", Key, primary_key=True, autoincrement=False),
    Column("account", Integer, ForeignKey(accounts.c.id), nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("outcome", SmallInteger, nullable=False),
    Column("listed", Integer, nullable=False),
    Column("archived", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    Column("octets", BigInteger, nullable=False),
    Column("error", Text, nullable=True),
)
"""Every pull of every account that came to an end of its own, and how it ended."""

Index("ix_runs_account", runs.c.account)

state = Table(
    "state",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)
"""How far the catalog has come, and whose it is: ``position`` is the place in the journal behind the last
entry applied, ``archive`` the archive's id in hexadecimal."""
