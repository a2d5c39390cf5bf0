"""From the configuration's accounts to pulls: what TLS and proxies are asked for, arrives."""

import ssl
from pathlib import Path

import pytest

from poparchive.cli import jobs
from poparchive.config import parse
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.pop3 import Contexts, Proxy
from poparchive.store import fsio, layout
from poparchive.store.fsio import Lock
from poparchive.sync.pull import Options
from poparchive.sync.result import DONE
from tests.support.certificate import certificate_missing, make_certificate


def test_keys_of_an_account_reach_the_endpoint() -> None:
    """Every key about TLS and the way to the server has its place there."""
    keys = """[accounts.a]
host = "h"
user = "u"
password = { env = "P" }
tls_minimum = "1.1"
tls_legacy = true
client_certificate = "c.pem"
client_key = "k.pem"
proxy = "socks5://me@p:1080"
"""
    (account,) = parse(keys, Path("/etc/config.toml")).accounts
    endpoint = jobs.job_of(account).endpoint
    assert (endpoint.tls_minimum, endpoint.tls_legacy) == ("1.1", True)
    assert endpoint.client_certificate == Path("/etc/c.pem")
    assert endpoint.client_key == Path("/etc/k.pem")
    assert endpoint.proxy == Proxy("p", 1080, "me")


def test_a_stop_does_not_wait_for_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops while another command holds the archive for a moment does not outwait it."""
    monkeypatch.setattr(fsio, "BRIEFLY_S", 0)
    where = layout.create(tmp_path / "archive")
    stop = jobs.Stop()
    stop.set()
    with Lock(where.lock, briefly=True), pytest.raises(KeyboardInterrupt):
        jobs.pull(where.root, [], Options(1, 1), stop=stop)
    with Lock(where.lock):
        pass


@pytest.mark.skipif(certificate_missing() is not None, reason=str(certificate_missing()))
def test_pulls_of_one_process_resume_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever hands the same contexts to each pull, as the daemon does, has TLS sessions resumed."""
    certificate = make_certificate(tmp_path)
    ends: list[ssl.SSLObject] = []
    tls = certificate.server_context()
    tls.sni_callback = lambda end, _name, _context: ends.append(end)
    monkeypatch.setenv("P", "secret")
    layout.create(tmp_path / "archive")
    mailbox = Mailbox([b"Subject: a\r\n\r\nx\r\n"], password="secret")
    with running(Pop3Server({"u": mailbox}, tls=tls, implicit_tls=True)) as server:
        keys = f'host = "127.0.0.1"\nport = {server.port}\nca_file = "{certificate.cert}"\n'
        text = f'[accounts.a]\n{keys}user = "u"\npassword = {{ env = "P" }}\n'
        accounts = parse(text, tmp_path / "config.toml").accounts
        contexts = Contexts()
        for _ in range(2):
            (result,) = jobs.pull(tmp_path / "archive", accounts, Options(), contexts=contexts)
            assert result.outcome == DONE
        server.wait_idle(10)
    assert [bool(end.session_reused) for end in ends] == [False, True]
