"""The doctor at a real Dovecot: by every way to connect, and into a mailbox."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.diagnose import Transcript, Verdict, Visitor, check, endpoints, explain
from poparchive.diagnose.values import TopResult
from poparchive.pop3 import Endpoint, Login, Timeouts, TlsMode
from tests.support.dovecot import Dovecot, dovecot, dovecot_missing
from tests.support.edge_mails import EDGE_MAILS

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(dovecot_missing() is not None, reason=str(dovecot_missing())),
]

PATIENT = Timeouts(20, 20, 20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    with dovecot(tmp_path_factory.mktemp("dovecot")) as one:
        one.add_user("anna", "hunter2secret")
        one.deliver("anna", [octets for _, octets in EDGE_MAILS])
        yield one


@pytest.mark.parametrize("mode", list(TlsMode))
def test_every_way_into_a_mailbox(server: Dovecot, mode: TlsMode) -> None:
    """Each way works and shows the same mailbox, which is as it was before."""
    before = sorted(path.name for path in server.maildir("anna").glob("*/*.test*"))
    port = server.tls_port if mode is TlsMode.IMPLICIT else server.port
    trust = Endpoint(server.host, port, mode, ca_file=server.ca_file)
    ways = [e for e in endpoints(server.host, port, trust) if e.tls is mode]
    visitor = Visitor(Login("anna", lambda: "hunter2secret"), allow_insecure=True)
    transcript = Transcript()
    report = asyncio.run(check(ways, transcript, visitor=visitor, timeouts=PATIENT))
    found = report.mailbox
    assert report.works
    assert found
    assert not found.problem
    assert not found.second_problem
    assert found.messages == len(EDGE_MAILS)
    assert found.uidl
    assert (found.uidl.count, found.uidl.longest_bytes) == (len(EDGE_MAILS), 16)
    assert found.again
    assert (found.again.kept, found.again.gone) == (len(EDGE_MAILS), 0)
    assert found.pipelining
    assert found.pipelining.works
    # Dovecot does not count the line end that it adds where a message has none.
    assert {size.came_bytes - size.listed_bytes for size in found.sizes} <= {0, 2}
    assert {top.result for top in found.tops} == {TopResult.EXACT}
    assert not [f for f in explain(report) if f.verdict is Verdict.BAD and f.topic != "tls"]
    assert "hunter2secret" not in transcript.text()
    assert sorted(p.name.split(":")[0] for p in server.maildir("anna").glob("*/*.test*")) == sorted(
        name.split(":")[0] for name in before
    )


def test_dovecot_from_outside(server: Dovecot, tmp_path: Path) -> None:
    """The certificate of a server that nobody vouches for is shown; what is said is the same."""
    ways = endpoints(server.host, server.port)
    report = asyncio.run(check(ways, Transcript(), timeouts=PATIENT))
    implicit, stls, clear = report.looks
    assert not implicit.works
    assert not stls.works
    assert stls.certificate
    assert not stls.certificate.trusted
    assert stls.certificate.names == ("localhost", "127.0.0.1")
    assert stls.capa_tls
    assert clear.works
    assert clear.capa_clear
    assert "APOP" in clear.mechanisms
