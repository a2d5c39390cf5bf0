"""Which messages a message names as those before it."""

import pytest

from poparchive.mime.text import extract

PEOPLE = (
    "From: c@example.org\r\nTo: list@example.org\r\nCc: Bob <bob@example.org>, ann@example.org\r\n"
)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ("In-Reply-To: <id@x>", ["id@x"]),
        ("In-Reply-To: <first@x> <second@x>", ["first@x"]),
        ('In-Reply-To: <id@x> from "Joe" <joe@other.example>', ["id@x"]),
        ('In-Reply-To: Message from Bob <bob@example.org> of "Fri, 1 Mar" <id@x>', ["id@x"]),
        ('In-Reply-To: Message from Joe <joe@other.example>\r\n of "Fri" <id@x>', ["id@x"]),
        ('In-Reply-To: Message of "Fri" <id@x> from <BOB@example.org>', ["id@x"]),
        ("In-Reply-To: Your message from <bob@example.org>", []),
        ("In-Reply-To: <c@example.org> <id@x>", ["id@x"]),
        ("References: <a@x> <b@x>\r\nIn-Reply-To: from <joe@other.example> <a@x>", ["a@x", "b@x"]),
        ("In-Reply-To: your message", []),
    ],
)
def test_what_is_answered(fields: str, named: list[str]) -> None:
    """In-Reply-To may be a sentence, whose addresses are no messages."""
    raw = f"{PEOPLE}Subject: Re: s\r\n{fields}\r\n\r\nbody".encode()
    assert list(extract(raw).references) == named
