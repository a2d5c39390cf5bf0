"""mbox: any octets, cut anywhere."""

import io
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.formats.mbox import MboxWriter, read_mboxrd

PIECES = [
    b"\r",
    b"\n",
    b"\r\n",
    b">",
    b">>",
    b"From ",
    b"F",
    b"ro",
    b"m",
    b" ",
    b"From",
    b"\0",
    b"x",
]
messages = st.one_of(st.binary(max_size=40), st.lists(st.sampled_from(PIECES)).map(b"".join))


def written(message: bytes, cuts: list[int]) -> bytes:
    places = sorted({0, len(message), *(cut % (len(message) + 1) for cut in cuts)})
    chunks = [message[a:b] for a, b in pairwise(places)]
    stream = io.BytesIO()
    MboxWriter(stream).write(chunks, sender="a@b", date=0)
    return stream.getvalue()


def line_end_rule(message: bytes) -> bytes:
    message = message.replace(b"\r\n", b"\n")
    return message if not message or message.endswith(b"\n") else message + b"\n"


@settings(max_examples=300, deadline=None)
@given(messages, st.lists(st.integers(0, 1000), max_size=4))
def test_any_chunks_give_the_same_file(message: bytes, cuts: list[int]) -> None:
    """Whole, in any pieces, or octet by octet: the same octets come out."""
    whole = written(message, [])
    assert written(message, cuts) == whole
    assert written(message, list(range(len(message)))) == whole
    stream = io.BytesIO()
    MboxWriter(stream).write_whole(message, sender="a@b", date=0)
    assert stream.getvalue() == whole


@settings(max_examples=300, deadline=None)
@given(st.lists(messages, max_size=4))
def test_what_is_written_is_read(several: list[bytes]) -> None:
    """Any octets come back, but for the line ends as docs/formats.md says."""
    box = b"".join(written(message, []) for message in several)
    assert list(read_mboxrd(io.BytesIO(box))) == [line_end_rule(message) for message in several]
    separators = [line for line in box.split(b"\n") if line.startswith(b"From ")]
    assert len(separators) == len(several)
