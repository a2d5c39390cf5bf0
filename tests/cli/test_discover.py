"""Servers looked up in DNS: which of those that a domain names is taken, and what is said of it."""

from pathlib import Path

import dns.resolver
import pytest

from poparchive.cli import output
from poparchive.cli.discover import find_server
from poparchive.cli.main import main
from poparchive.config import Tls, load
from poparchive.errors import UsageError
from tests.support.nameserver import nameserver

S, P = "_pop3s._tcp.example.com", "_pop3._tcp.example.com"


def test_tls_from_the_start_is_preferred() -> None:
    """A domain that names both ways is taken at the better one, or at the one that is asked for."""
    with nameserver({S: ["0 1 995 pops.example.com."], P: ["0 1 110 pop.example.com."]}) as dns_:
        found = find_server("me@example.com", resolver=dns_)
        assert (found.host, found.port, found.tls) == ("pops.example.com", 995, Tls.IMPLICIT)
        assert str(found) == f"{S} names pops.example.com, port 995, with TLS from the start"
        found = find_server("me@example.com", Tls.STARTTLS, dns_)
        assert (found.host, found.port, found.tls) == ("pop.example.com", 110, Tls.STARTTLS)


@pytest.mark.parametrize("first", [[], ["0 0 0 ."], None])
def test_only_stls(first: list[str] | None) -> None:
    """Where the first service has no record, no name, or is said not to be there, the other is."""
    records = {P: ["0 1 1110 pop.provider.net."]} | ({} if first is None else {S: first})
    with nameserver(records) as resolver:
        found = find_server("me@example.com", resolver=resolver)
    assert (found.host, found.port, found.tls) == ("pop.provider.net", 1110, Tls.STARTTLS)
    assert str(found).endswith("with STLS; is that your provider?")


def test_priority_and_weight() -> None:
    """The lowest priority counts, and within it the largest weight."""
    entries = ["20 9 995 c.example.com.", "10 1 995 b.example.com.", "10 5 996 a.example.com."]
    with nameserver({S: entries}) as resolver:
        assert find_server("me@example.com", resolver=resolver).host == "a.example.com"


def test_a_domain_in_other_letters() -> None:
    """A domain that is not ASCII is asked for in its ASCII form."""
    with nameserver({"_pop3s._tcp.xn--mnchen-3ya.example": ["0 1 995 a.example."]}) as resolver:
        assert find_server("me@münchen.example", resolver=resolver).host == "a.example"


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("me", "'me' is no mail address"),
        ("me@", "is no mail address"),
        ("me@example.com", f"example.com names no server in DNS ({S}, {P})"),
        ("me@a..b", "_pop3s._tcp.a..b could not be looked up"),
        ("me@" + "a" * 70, "could not be looked up"),
    ],
)
def test_nothing_found(address: str, text: str) -> None:
    """What is wrong is said, and what to do."""
    with nameserver({}) as resolver, pytest.raises(UsageError) as caught:
        find_server(address, resolver=resolver)
    assert text in str(caught.value)
    assert "--host" in str(caught.value)


def test_a_nameserver_that_fails() -> None:
    """That nobody knows is not taken for that there is none."""
    with nameserver({}, failing=True) as resolver, pytest.raises(UsageError) as caught:
        find_server("me@example.com", resolver=resolver)
    assert f"{S} could not be looked up" in str(caught.value)
    with pytest.raises(UsageError, match="without TLS"):
        find_server("me@example.com", Tls.NONE)


# ---- account add ---------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text("[defaults]\n")
    monkeypatch.setenv("POPARCHIVE_CONFIG", str(path))
    output.set_verbosity(0)
    return path


def add(*options: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(
            [
                "account",
                "add",
                "office",
                "--user",
                "me@example.com",
                "--password-env",
                "A",
                *options,
            ]
        )
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_add_without_a_host(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Server, port and way into TLS come from DNS, and are said; options go before them."""
    with nameserver({P: ["0 1 1110 pop.provider.net."]}) as resolver:
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        assert add() == 0
        assert f"office: {P} names pop.provider.net, port 1110" in capsys.readouterr().err
        account = load(config).account("office")
        assert (account.host, account.port, account.tls) == ("pop.provider.net", 1110, Tls.STARTTLS)
        config.write_text("")
        assert add("--port", "7") == 0
        assert load(config).account("office").port == 7
        config.write_text("")
        assert add("--tls", "implicit") == 2
        assert config.read_text() == ""
        assert "--host" in capsys.readouterr().err


def test_add_with_a_host_of_the_defaults(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then nothing is looked up."""
    monkeypatch.setattr(dns.resolver, "default_resolver", dns.resolver.Resolver(configure=False))
    config.write_text('[defaults]\nhost = "pop.example.org"\n')
    assert add() == 0
    assert load(config).account("office").host == "pop.example.org"
