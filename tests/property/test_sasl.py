"""The rule of RFC 5034 section 4 about the length of AUTH, for anything to be said."""

import base64

from hypothesis import example, given
from hypothesis import strategies as st

from poparchive.pop3.sasl.lines import COMMAND_LINE_MAX_BYTES, opening, read_challenge, response

NAMES = st.sampled_from(["PLAIN", "XOAUTH2", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "EXTERNAL"])


@given(NAMES, st.none() | st.binary(max_size=250))
@example("PLAIN", b"")
@example("PLAIN", b"x" * 180)
@example("PLAIN", b"x" * 181)
def test_the_first_line(name: str, initial: bytes | None) -> None:
    """AUTH has its initial response exactly where the line with it is of 255 octets at most; what
    it says is what was to be said, and an empty one is not taken for none."""
    asked, carried = opening(name, initial)
    assert len(asked.line) <= COMMAND_LINE_MAX_BYTES
    words = asked.line.removesuffix(b"\r\n").split(b" ")
    assert words[:2] == [b"AUTH", name.encode()]
    assert str(asked) == f"AUTH {name}"
    if carried:
        (said,) = words[2:]
        assert (b"" if said == b"=" else base64.b64decode(said, validate=True)) == initial
    else:
        assert len(words) == 2
        whole = len(asked.line) + 1 + (len(initial or b"") + 2) // 3 * 4
        assert initial is None or whole > COMMAND_LINE_MAX_BYTES


@given(st.binary(max_size=2000))
def test_responses(said: bytes) -> None:
    """A response is one line of base64 that reads back as what was said."""
    line = response("PLAIN", said).line
    assert line.endswith(b"\r\n")
    assert line.count(b"\n") == 1
    assert read_challenge(line) == said
