"""Lines that a sender broke for the way."""

import pytest

from poparchive.mime.flowed import unbroken
from poparchive.mime.text import extract


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("inter \nnational  \nplan\nnext", "international plan\nnext"),
        ("> quoted \n> text \n>> deeper \n>> one \nown", "> quotedtext\n>> deeperone\nown"),
        ("a \nb \n-- \nleave: leave@x \nwith a word", "ab\n-- \nleave: leave@x \nwith a word"),
        ("> text \n> -- \n> name", "> text\n> -- \n> name"),
        (" stuffed \n \nline", " stuffed\nline"),
        ("last ", "last"),
        ("", ""),
    ],
)
def test_lines_are_put_together(text: str, made: str) -> None:
    """Behind a blank a line goes on in the next one if that is quoted as deeply; what stands behind a
    signature's line may be a list's."""
    assert unbroken(text) == made


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain; format=flowed; delsp=yes", "international"),
        ('text/plain; charset=utf-8; DelSp="Yes"; format=flowed', "international"),
        ("text/plain; format=flowed; delsp=no", "inter \nnational"),
        ("text/plain; format=flowed", "inter \nnational"),
        ("text/html; format=flowed; delsp=yes", "inter national"),
    ],
)
def test_only_where_a_sender_says_so(kind: str, body: str) -> None:
    """And of plain text alone."""
    assert extract(f"Content-Type: {kind}\r\n\r\ninter \r\nnational".encode()).body == body
