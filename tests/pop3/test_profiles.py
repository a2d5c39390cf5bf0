"""Profiles of servers: recognised by what they say, harmless where they are wrong."""

import re

import pytest

from poparchive.pop3.profiles import PROFILES, UNKNOWN, profile_of


@pytest.mark.parametrize(
    ("host", "greeting", "name"),
    [
        ("pop.gmail.com", b"Gpop ready for requests from 192.0.2.1 x9", "Gmail"),
        ("POP.GMAIL.COM.", b"ready", "Gmail"),
        ("notpop.gmail.com.example", b"ready", "unknown"),
        (
            "outlook.office365.com",
            b"The Microsoft Exchange POP3 service is ready. [x]",
            "Microsoft",
        ),
        ("pop3.web.de", b"ready", "web.de"),
        ("h", b"Maillennium POP3/PROXY server #1", "Maillennium"),
        ("h", b"Dovecot (Debian) ready. <6e6d.2.6b03e6d6.Sj==@h>", "Dovecot"),
        ("h", b"Hello there.", "Courier"),
        ("h", b"localhost Cyrus POP3 3.6.1-Debian server ready <14708.1@localhost>", "Cyrus"),
        ("h", b"POP3 Ready <17562.1795419300@h>", "GNU Mailutils"),
        ("h", b"Solid POP3 server ready <9761.1795419444@h>", "solid-pop3d"),
        ("h", b"", "popa3d"),
        ("h", b"POP3 perditon ready on 127.0.0.1 0002d779", "perdition"),
        ("h", b"\xff\x00 something else", "unknown"),
    ],
)
def test_greetings_and_hosts(host: str, greeting: bytes, name: str) -> None:
    """Each server that was tried is known by its greeting, big providers by their names too."""
    assert profile_of(host, greeting, {}).name == name


def test_what_a_server_calls_itself_counts() -> None:
    """IMPLEMENTATION names a server whose greeting somebody has changed."""
    found = profile_of("h", b"go away", {"IMPLEMENTATION": ("Courier", "Mail", "Server")})
    assert found.name == "Courier"
    assert profile_of("h", b"go away", {"IMPLEMENTATION": ()}) is UNKNOWN


def test_profiles_are_whole() -> None:
    """Names are unique, patterns compile, every profile can be recognised, notes are sentences."""
    names = [profile.name for profile in PROFILES]
    assert len(set(names)) == len(names)
    for profile in PROFILES:
        re.compile(profile.greeting)
        re.compile(profile.implementation)
        assert profile.greeting or profile.implementation or profile.hosts
        assert all(note.endswith(".") for note in profile.notes)
