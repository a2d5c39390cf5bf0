"""Recipes and the splitter: any octets are cut and joined to the same octets."""

import base64
import contextlib
import hashlib
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.archive.spool import SpoolWriter
from poparchive.mime import split
from poparchive.mime.structure import Octets, parse
from poparchive.store import recipe
from poparchive.store.errors import DamageError, FormatError


def cook(message: Octets, *, small: int, segment: int) -> tuple[bytes, dict[bytes, bytes]]:
    """Make a recipe and its blobs the way the archive does."""
    builder = recipe.Builder()
    blobs = {}
    at = 0
    for piece in split.pieces(message, parse(message).leaves(), small=small, segment=segment):
        assert piece.start == at
        at = piece.end
        if isinstance(piece, split.Literal):
            builder.literal(message[piece.start : piece.end])
            continue
        identity = hashlib.sha256(piece.content).digest()
        blobs[identity] = piece.content
        builder.reference(
            recipe.Reference(identity, len(piece.content), piece.line, piece.lf, piece.closed)
        )
    assert at == len(message)
    return builder.finish(), blobs


def serve(made: bytes, blobs: dict[bytes, bytes]) -> bytes:
    joined = b"".join(recipe.join(made, lambda one: blobs[one.id]))
    assert recipe.assemble(b"?" + made + b"?", 1, 1 + len(made), blobs.__getitem__) == joined
    return joined


EOLS = st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\r\n"])


@st.composite
def base64_bodies(draw: st.DrawFn) -> bytes:
    """Base64 as it should be, and as it is found: odd lines, junk, missing padding."""
    content = draw(st.binary(max_size=400))
    line = draw(st.sampled_from([4, 8, 60, 64, 72, 76, 77, 100]))
    eol = draw(EOLS)
    text = base64.b64encode(content)
    body = eol.join(text[i : i + line] for i in range(0, len(text), line))
    body += draw(st.sampled_from([b"", eol, eol * 2, b" ", b"=", b"junk\r\n", b"--", b"\0"]))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=2)) + body[at:]
    return body


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Mail-like octets: nested multiparts with wrong, missing and prefixed boundaries."""
    eol = draw(EOLS)

    def part(depth: int) -> bytes:
        kind = draw(st.sampled_from(["text", "base64", "multi", "message", "raw"]))
        if kind == "raw" or depth > 3:
            return draw(st.binary(max_size=200))
        if kind == "text":
            return b"Content-Type: text/plain" + eol * 2 + draw(st.binary(max_size=300))
        if kind == "base64":
            head = b"Content-Type: image/png" + eol + b"Content-Transfer-Encoding: base64"
            return head + eol * 2 + draw(base64_bodies())
        if kind == "message":
            return b"content-type:\tMessage/RFC822;" + eol * 2 + part(depth + 1)
        boundary = draw(st.sampled_from([b"b", b"bb", b"b b", b"=_x", b'q"']))
        head = b"Content-Type: multipart/mixed;" + eol + b'\tboundary="' + boundary + b'"' + eol * 2
        ends = st.sampled_from([b"", b" ", b"x"])
        inner = b"".join(
            b"--" + boundary + draw(ends) + eol + part(depth + 1) + eol
            for _ in range(draw(st.integers(0, 3)))
        )
        return head + inner + draw(st.sampled_from([b"", b"--" + boundary + b"--" + eol]))

    return b"Subject: x" + eol + part(0)


@given(messages(), st.sampled_from([0, 1, 30]), st.sampled_from([7, 40, 1 << 20]))
def test_cut_and_joined_is_unchanged(message: bytes, small: int, segment: int) -> None:
    """Whatever the octets and wherever they are cut, joining gives the same octets."""
    assert serve(*cook(message, small=small, segment=segment)) == message


@given(st.binary(max_size=2000))
def test_any_octets_survive(message: bytes) -> None:
    """Octets that are no mail at all survive too."""
    assert serve(*cook(message, small=1, segment=64)) == message


@given(base64_bodies())
def test_references_know_what_they_make(body: bytes) -> None:
    """A reference tells how many octets it makes without its blob."""
    head = b"Content-Transfer-Encoding: base64\r\n\r\n"
    made, blobs = cook(head + body, small=1, segment=80)
    for operation in recipe.operations(made):
        if isinstance(operation, recipe.Reference):
            assert len(operation.make(blobs[operation.id])) == operation.made_bytes


def test_base64_is_stored_decoded() -> None:
    """Ordinary base64 becomes a blob of the content, whatever its line length and line ends."""
    content = bytes(range(256)) * 20
    for line in (60, 64, 72, 76):
        for eol in (b"\n", b"\r\n"):
            body = recipe.encode_base64(content, line, eol, closed=True)
            head = b"Content-Transfer-Encoding: BASE64" + eol * 2
            _, blobs = cook(head + body, small=1, segment=1 << 20)
            assert list(blobs.values()) == [content]


def test_large_attachments_are_cut_alike_in_every_mail() -> None:
    """The same attachment behind different headers gives the same blobs."""
    content = b"".join(hashlib.sha256(bytes([n])).digest() * 40 for n in range(60))
    body = recipe.encode_base64(content, 76, b"\r\n", closed=True)
    sets = []
    for subject in (b"one", b"quite another one"):
        head = b"Subject: " + subject + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        _, blobs = cook(head + body, small=1, segment=10_000)
        assert len(blobs) > 5
        sets.append(set(blobs))
    assert sets[0] == sets[1]


def test_parts_of_nested_mail_are_found() -> None:
    """Leaves come in order, with types; a message in a message is looked into."""
    inner = (
        b"Content-Type: multipart/alternative; boundary=in\r\n\r\n"
        b"--in\r\n\r\nplain\r\n"
        b"--in\r\nContent-Type: text/html\r\n\r\n<p>\r\n--in--\r\n"
    )
    message = (
        b'Content-Type: multipart/mixed; boundary="out"\r\n\r\npreamble\r\n--out\r\n\r\nhello\r\n'
        b"--out-not\r\nstill hello\r\n--out\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner
        + b"--out--\r\n"
    )
    found = list(parse(message).leaves())
    assert [leaf.type for leaf in found] == ["text/plain", "text/plain", "text/html"]
    assert message[found[0].start : found[0].end] == b"hello\r\n--out-not\r\nstill hello"
    assert message[found[2].start : found[2].end] == b"<p>"


def test_a_spooled_message_is_cut_like_one_in_memory(tmp_path: Path) -> None:
    """Reading through a file gives the same pieces."""
    message = b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"".join(
        b"--B\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + recipe.encode_base64(bytes([n]) * 300_000, 76, b"\r\n", closed=True)
        + b"\r\n"
        for n in range(4)
    )
    writer = SpoolWriter(tmp_path / "spool")
    for at in range(0, len(message), 1000):
        writer.write(message[at : at + 1000])
    spooled = writer.finish()
    assert spooled.digest == hashlib.sha256(message).digest()
    assert cook(spooled, small=1, segment=50_000) == cook(message, small=1, segment=50_000)
    assert spooled.find(b"--B", len(message) - 1_500_000, len(message)) == message.find(
        b"--B", len(message) - 1_500_000
    )
    spooled.discard()
    assert not spooled.path.exists()


@given(st.binary(max_size=120))
def test_damaged_recipes_raise_only_our_errors(octets: bytes) -> None:
    """Octets that are no recipe give our own error or operations, nothing else."""
    with contextlib.suppress(DamageError, FormatError):
        list(recipe.operations(octets))


def test_a_blob_of_another_length_is_refused() -> None:
    """A recipe does not accept a blob that has another length than it says."""
    builder = recipe.Builder()
    builder.reference(recipe.Reference(bytes(32), 5))
    with pytest.raises(DamageError):
        list(recipe.join(builder.finish(), lambda _: b"four"))


def here(made: bytes, blobs: dict[bytes, bytes]) -> tuple[bytes, int, int]:
    """A payload with the blobs in front, and the recipe with references to their places."""
    payload = bytearray(b"".join(blobs.values()))
    ats = dict(zip(blobs, accumulate(map(len, blobs.values()), initial=0), strict=False))
    operations = list(recipe.operations(made))
    wanted = [ats[one.id] for one in operations if isinstance(one, recipe.Reference)]
    changed = [
        one._replace(id=b"") if isinstance(one, recipe.Reference) else one for one in operations
    ]
    written, places = recipe.write(changed)
    start = len(payload)
    payload += written
    for place, at in zip(places, wanted, strict=True):
        recipe.put_at(payload, start + place, at)
    return bytes(payload), start, len(payload)


@given(messages(), st.sampled_from([1, 30]))
def test_blobs_in_the_same_payload(message: bytes, small: int) -> None:
    """A recipe whose blobs are in its own frame makes the message too."""
    assert recipe.assemble(*here(*cook(message, small=small, segment=60)), lambda _: b"") == message


def test_lines_of_no_length_are_damage() -> None:
    """They would be made by a division by zero."""
    for line in (0, 75):
        made = b"\x03" + bytes(32) + b"\x04" + bytes([line, 2])
        with pytest.raises(DamageError):
            recipe.assemble(made, 0, len(made), lambda _: b"blob")


@given(st.binary(max_size=80), st.data())
def test_no_recipe_is_assembled_to_an_error_of_another_kind(
    octets: bytes, data: st.DataObject
) -> None:
    """Whatever stands there is octets, or damage."""
    at = data.draw(st.integers(0, len(octets)))
    with contextlib.suppress(DamageError):
        recipe.assemble(octets, at, len(octets), lambda _: b"blob")
