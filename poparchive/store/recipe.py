"""Recipes: how a message is made from literal octets and blobs.

A recipe is pure data; reading blobs is the caller's. ``join`` of what ``Builder`` wrote gives the
octets that went in, which the archive proves for each message before it relies on it.
"""

import binascii
import functools
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from poparchive.store import varint
from poparchive.store.errors import DamageError, FormatError

_LITERAL, _BLOB, _BASE64, _BLOB_HERE, _BASE64_HERE = 1, 2, 3, 4, 5
_END_LF, _END_CLOSED = 1, 2
_ID_BYTES = 32
_AT_BYTES = 4
_BLOCK_LINES = 32
_ONE_OCTET = 0x7F


class Literal(NamedTuple):
    """Octets that stand in the recipe itself."""

    octets: bytes


class Reference(NamedTuple):
    """A blob, as it is (``line`` 0) or in base64 with lines of ``line`` characters.

    Without an ``id`` it is known by where it begins in the payload of the recipe's own frame: ``at``.
    """

    id: bytes
    length: int
    line: int = 0
    lf: bool = False
    closed: bool = False
    at: int = 0

    @property
    def made_bytes(self) -> int:
        """How many octets of the message this makes."""
        if not self.line:
            return self.length
        characters = (self.length + 2) // 3 * 4
        lines = -(-characters // self.line)
        ends = lines if self.closed else max(lines - 1, 0)
        return characters + ends * (1 if self.lf else 2)

    def make(self, blob: bytes) -> bytes:
        """Return the message's octets from the blob's."""
        if not self.line:
            return blob
        return encode_base64(blob, self.line, b"\n" if self.lf else b"\r\n", closed=self.closed)


Operation = Literal | Reference


class Placed(NamedTuple):
    """Where in the message a blob's octets begin; ``length`` is the blob's."""

    start: int
    id: bytes
    length: int


def encode_base64(blob: bytes, line: int, end: bytes, *, closed: bool) -> bytes:
    """Encode as MIME does: lines of ``line`` characters joined by ``end``, and a last one if closed."""
    text = binascii.b2a_base64(blob, newline=False)
    if len(text) > line:
        # Slices made many at a time: four times as fast as one by one.
        block = _lines(line)
        many = len(text) - len(text) % block.size
        lines = [end.join(some) for some in block.iter_unpack(memoryview(text)[:many])]
        lines += [text[at : at + line] for at in range(many, len(text), line)]
        text = end.join(lines)
    return text + end if closed and text else text


@functools.lru_cache(maxsize=4)
def _lines(line: int) -> struct.Struct:
    """A block of lines of ``line`` characters."""
    return struct.Struct(f"{line}s" * _BLOCK_LINES)


class Builder:
    """Writes one recipe, operation by operation. Neighbouring literals become one.

    ``placed`` tells the references so far.
    """

    def __init__(self) -> None:
        self._out = bytearray()
        self._literal = bytearray()
        self._made = 0
        self.placed: list[Placed] = []

    def literal(self, octets: bytes) -> None:
        self._literal += octets
        self._made += len(octets)

    def reference(self, reference: Reference) -> None:
        self._flush()
        self.placed.append(Placed(self._made, reference.id, reference.length))
        self._made += reference.made_bytes
        _put(self._out, reference)

    def finish(self) -> bytes:
        self._flush()
        return bytes(self._out)

    def _flush(self) -> None:
        if self._literal:
            self._out.append(_LITERAL)
            varint.put_bytes(self._out, self._literal)
            self._literal.clear()


def _put(out: bytearray, reference: Reference) -> None:
    if reference.id:
        out.append(_BASE64 if reference.line else _BLOB)
        out += reference.id
    else:
        out.append(_BASE64_HERE if reference.line else _BLOB_HERE)
        out += reference.at.to_bytes(_AT_BYTES, "little")
    varint.put(out, reference.length)
    if reference.line:
        varint.put(out, reference.line)
        out.append(_END_LF * reference.lf | _END_CLOSED * reference.closed)


def write(operations: Iterable[Operation]) -> tuple[bytes, list[int]]:
    """Return the recipe of these operations, and where in it each ``at`` is to be put by ``put_at``."""
    out = bytearray()
    ats = []
    for operation in operations:
        if isinstance(operation, Literal):
            out.append(_LITERAL)
            varint.put_bytes(out, operation.octets)
            continue
        if not operation.id:
            ats.append(len(out) + 1)
        _put(out, operation)
    return bytes(out), ats


def put_at(payload: bytearray, position: int, at: int) -> None:
    """Put a blob's place into a recipe that is part of ``payload``."""
    payload[position : position + _AT_BYTES] = at.to_bytes(_AT_BYTES, "little")


def of_literal(octets: bytes) -> bytes:
    """Return the recipe that holds a message as it is."""
    builder = Builder()
    builder.literal(octets)
    return builder.finish()


def operations(recipe: bytes) -> Iterator[Operation]:
    """Yield the operations; anything that is no recipe raises ``DamageError``."""
    at = 0
    while at < len(recipe):
        code = recipe[at]
        at += 1
        if code == _LITERAL:
            octets, at = varint.get_bytes(recipe, at)
            yield Literal(octets)
            continue
        if not _BLOB <= code <= _BASE64_HERE:
            raise FormatError(
                f"a recipe has the operation {code}; this poparchive knows operations up to"
                f" {_BASE64_HERE}. Install a newer version."
            )
        identity, place = b"", 0
        if code in (_BLOB, _BASE64):
            identity = _take(recipe, at, _ID_BYTES)
            at += _ID_BYTES
        else:
            place = int.from_bytes(_take(recipe, at, _AT_BYTES), "little")
            at += _AT_BYTES
        length, at = varint.get(recipe, at)
        if code in (_BLOB, _BLOB_HERE):
            yield Reference(identity, length, at=place)
            continue
        line, at = varint.get(recipe, at)
        if at >= len(recipe) or not line or line % 4:
            raise DamageError("a recipe has a base64 operation that makes no lines")
        end = recipe[at]
        at += 1
        closed = bool(end & _END_CLOSED)
        yield Reference(identity, length, line, bool(end & _END_LF), closed, place)


def assemble(payload: bytes, at: int, end: int, blob: Callable[[bytes], bytes]) -> bytes:
    """Return what the recipe at ``payload[at:end]`` makes; ``payload`` is its frame's.

    ``blob`` fetches by id. The same as ``join``, in half the time: all in one place, for whoever makes a
    million messages. The caller proves what comes out; anything that is no recipe raises ``DamageError``.
    """
    pieces: list[bytes] = []
    try:
        while at < end:
            code = payload[at]
            if code == _LITERAL:
                length = payload[at + 1]
                at += 2
                if length > _ONE_OCTET:
                    length, at = varint.get(payload, at - 1)
                pieces.append(payload[at : at + length])
                at += length
                continue
            if code in (_BLOB, _BASE64):
                octets = blob(payload[at + 1 : at + 1 + _ID_BYTES])
                length, at = varint.get(payload, at + 1 + _ID_BYTES)
            else:
                start = int.from_bytes(payload[at + 1 : at + 1 + _AT_BYTES], "little")
                length, at = varint.get(payload, at + 1 + _AT_BYTES)
                octets = payload[start : start + length]
            if code in (_BASE64, _BASE64_HERE):
                line, at = varint.get(payload, at)
                if not line or line % 4:
                    raise DamageError("a recipe has a base64 operation that makes no lines")
                ending = payload[at]
                at += 1
                eol = b"\n" if ending & _END_LF else b"\r\n"
                octets = encode_base64(octets, line, eol, closed=bool(ending & _END_CLOSED))
            elif code not in (_BLOB, _BLOB_HERE):
                raise DamageError("a recipe has an operation that is not known here")
            pieces.append(octets)
    except (IndexError, ValueError, struct.error, OverflowError) as error:
        raise DamageError(f"a recipe makes nothing: {error}") from error
    return b"".join(pieces)


def _take(recipe: bytes, at: int, length: int) -> bytes:
    octets = recipe[at : at + length]
    if len(octets) < length:
        raise DamageError("a recipe ends inside an operation")
    return octets


def join(recipe: bytes, blob: Callable[[Reference], bytes]) -> Iterator[bytes]:
    """Yield the message's octets in pieces no larger than a blob; ``blob`` fetches what is referred to."""
    for operation in operations(recipe):
        if isinstance(operation, Literal):
            yield operation.octets
        else:
            octets = blob(operation)
            if len(octets) != operation.length:
                raise DamageError(f"blob {operation.id.hex()} has a length that its recipe denies")
            yield operation.make(octets)
