"""What is known of the contents of a message's attachments: the text that goes into its document.

A live pull, catching up, a rebuild and a verification ask here, so that equal knowledge gives equal
documents.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from poparchive.index.carried import Carried
from poparchive.index.contents import ContentsError, ContentStore
from poparchive.index.failures import DatabaseBusyError
from poparchive.mime import transfer
from poparchive.mime.structure import Octets, Part, parse
from poparchive.store import codec
from poparchive.store.digest import sha256

if TYPE_CHECKING:
    from poparchive.index.terms import IndexProof

MESSAGE_CHARS = 8 << 20
"""Characters of attachments' text that go into one document."""


class Attached(NamedTuple):
    """An attachment: the number of its part, and what its decoded content hashes to."""

    place: int
    sha256: bytes


def attached(message: Octets, root: Part | None = None) -> list[Attached]:
    """Return the attachments of a message, in its order."""
    return [
        Attached(leaf.number, content_of(message, leaf)[0])
        for leaf in (root or parse(message)).leaves()
        if leaf.attachment_name is not None
    ]


def content_of(message: Octets, leaf: Part, most_bytes: int = 0) -> tuple[bytes, int, bytes]:
    """Return hash, length and octets of a part's content; no octets if it has more than ``most_bytes``."""
    if leaf.end - leaf.start <= transfer.PIECE_BYTES:
        content = transfer.decoded(message, leaf)
        return sha256(content), len(content), content if len(content) <= most_bytes else b""
    running = hashlib.sha256()
    length = 0
    kept: list[bytes] = []
    for piece in transfer.pieces(message, leaf):
        running.update(piece)
        length += len(piece)
        if length <= most_bytes:
            kept.append(piece)
        else:
            kept.clear()
    return running.digest(), length, b"".join(kept)


def joined(texts: Iterable[str]) -> str:
    """Return the text that goes into a document, of the texts of its attachments in order."""
    kept = []
    room = MESSAGE_CHARS
    for text in texts:
        if text and room > 0:
            kept.append(text[:room])
            room -= len(text) + 1
    return "\n".join(kept)


def unpacked(text: bytes | None, length: int) -> str:
    """Return a text as it was taken out of a content."""
    return codec.decompress(text, length).decode("utf-8") if text else ""


def packed(text: str) -> tuple[bytes | None, int]:
    """Return a text compressed, and its length in UTF-8."""
    octets = text.encode("utf-8", "replace")
    return (codec.compress_tightly(octets) if octets else None), len(octets)


class Knowledge:
    """Asks the file beside a search index, if there is one yet. One thread.

    Nothing is known as far as the file is not the one whose numbers the index speaks of.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: ContentStore | None = None
        self._identity = b""

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def identity(self) -> bytes | None:
        """The file's, None where there is none, or none that can be read."""
        if self._store is None and self._path.exists():
            with contextlib.suppress(ContentsError):
                self._store = ContentStore.read(self._path)
                self._identity = self._store.identity() if self._store else b""
        return self._identity or None

    def of(self, key: int, parts: Sequence[Attached]) -> tuple[str, list[Carried]]:
        """Return what is known of a message's attachments: their text, and what it is made of."""
        if not parts or self._store is None:
            return "", []
        try:
            latest = self._store.latest([part.sha256 for part in parts])
            rows = [
                Carried(key, part.place, latest[part.sha256].id)
                for part in parts
                if part.sha256 in latest
            ]
            return text_of(self._store, rows), rows
        except (ContentsError, DatabaseBusyError):
            # Mail is kept and found without it; whoever reads attachments says what is wrong.
            return "", []


class Inside:
    """Texts inside attachments, for showing why a message was found. One thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: ContentStore | None = None

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def texts(self, message: Octets) -> Iterator[tuple[str, str]]:
        """Yield name and text of each attachment that was read; of none where the texts cannot be had."""
        with contextlib.suppress(ContentsError):
            self._store = self._store or ContentStore.read(self._path)
            if self._store is None:
                return
            for leaf in parse(message).leaves():
                name = leaf.attachment_name
                if name is None:
                    continue
                identity, _, _ = content_of(message, leaf)
                for known in self._store.latest([identity]).values():
                    for _, text, length in self._store.texts([known.id]).values():
                        yield name, unpacked(text, length)


def text_of(
    store: ContentStore, rows: Sequence[Carried], parts: Sequence[Attached] | None = None
) -> str:
    """Return the text that a document is made of. Raises ``ContentsError`` where it is not there, or is
    another content's than that of the part in ``parts``."""
    found = store.texts([row.content for row in rows])
    places = {part.place: part.sha256 for part in parts} if parts is not None else None
    texts = []
    for row in rows:
        if row.content not in found:
            raise ContentsError(f"{store.path}: text {row.content} is in the index and not here")
        sha256, text, length = found[row.content]
        if places is not None and places.get(row.place) != sha256:
            raise ContentsError(f"{store.path}: text {row.content} is of another content")
        texts.append(unpacked(text, length))
    return joined(texts)


class MadeOf:
    """What the documents of an index that is held still are made of, for whoever proves it."""

    def __init__(self, proof: "IndexProof", path: Path) -> None:
        """``path`` is where the texts are. Raises ``ContentsError``."""
        self._proof = proof
        self._store = ContentStore.read(path)
        if self._store is not None:
            self._store.hold()
        named = proof.contents_file
        if named is not None and (self._store is None or named != self._store.identity()):
            self.close()
            raise ContentsError(f"{path}: is not the file whose texts the search index is made of")

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def text(self, key: int, message: Octets) -> str:
        """Return the attachments' text in a message's document. Raises ``ContentsError`` if it is not
        theirs."""
        rows = self._proof.carried_by(key)
        if not rows or self._store is None:
            return ""
        return text_of(self._store, rows, attached(message))
