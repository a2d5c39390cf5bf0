"""A look from outside: every way to connect, on servers that have it and on those that do not."""

import asyncio
import socket
import ssl
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from poparchive.demo.behaviour import Behaviour
from poparchive.demo.mailbox import Mailbox
from poparchive.demo.server import Pop3Server, running
from poparchive.diagnose import Report, Transcript, Verdict, check, endpoints, explain, suggest
from poparchive.diagnose.look import NO_TLS, OCCUPIED
from poparchive.diagnose.values import Remedy
from poparchive.pop3 import Endpoint, Proxy, Timeouts, TlsMode
from tests.support.certificate import (
    SHORT_RSA,
    Certificate,
    certificate_missing,
    make_certificate,
)

PATIENT = Timeouts(20, 20, 20)
"""Only a test that fails waits so long."""

HASTY = Timeouts(20, 0.2, 0.2)
"""For servers that never answer."""

HOST = "127.0.0.1"


def trust(ca_file: Path | None = None, fingerprint: str | None = None) -> Endpoint:
    return Endpoint(HOST, 0, TlsMode.IMPLICIT, ca_file=ca_file, fingerprint=fingerprint)


def looked(
    port: int, by: Endpoint | None = None, timeouts: Timeouts = PATIENT, only: TlsMode | None = None
) -> Report:
    ways = [e for e in endpoints(HOST, port, by) if only in (None, e.tls)]
    return asyncio.run(check(ways, Transcript(), timeouts=timeouts))


def test_usual_ports() -> None:
    """Without a port: TLS on 995, STLS and plain on 110; with one, all on that."""
    assert [(e.tls, e.port) for e in endpoints(HOST, None)] == [
        ("implicit", 995), ("starttls", 110), ("none", 110),
    ]  # fmt: skip
    assert {e.port for e in endpoints(HOST, 7)} == {7}


def test_implicit_tls(certificate: Certificate) -> None:
    """TLS, certificate, greeting and CAPA are found; the other ways are not waited for."""
    server = Pop3Server({}, tls=certificate.server_context(), implicit_tls=True)
    with running(server):
        report = looked(server.port, trust(certificate.cert))
    implicit, stls, clear = report.looks
    assert implicit.works
    assert implicit.tls_version == "TLSv1.3"
    assert implicit.capa_tls is not None
    assert "UIDL" in implicit.capa_tls
    assert implicit.capa_clear is None
    assert {"PLAIN", "SCRAM-SHA-256", "XOAUTH2", "USER", "APOP"} <= set(implicit.mechanisms)
    assert implicit.greeting
    found = implicit.certificate
    assert found
    assert found.trusted
    assert (found.subject, found.issuer) == ("CN=localhost", "CN=localhost")
    assert found.names == ("localhost", "127.0.0.1")
    assert found.not_before
    assert found.not_after
    assert [stls.problem, clear.problem] == [OCCUPIED, OCCUPIED]
    assert report.works


def test_starttls_and_plain(certificate: Certificate) -> None:
    """CAPA before and after STLS are kept apart; TLS from the first octet is said to be missing."""
    server = Pop3Server({}, tls=certificate.server_context())
    with running(server):
        report = looked(server.port, trust(certificate.cert))
        server.wait_idle(20)
    implicit, stls, clear = report.looks
    assert not implicit.works
    assert implicit.problem == NO_TLS
    assert implicit.mechanisms == ()
    assert stls.works
    assert stls.capa_clear
    assert "STLS" in stls.capa_clear
    assert stls.capa_tls
    assert "STLS" not in stls.capa_tls
    assert clear.works
    assert clear.tls_version is None
    suggestion = suggest(HOST, report.looks)
    assert suggestion
    assert (suggestion.tls, suggestion.port) == (TlsMode.STARTTLS, server.port)
    assert not suggestion.allow_insecure


@pytest.mark.parametrize("implicit", [True, False])
def test_untrusted_certificate(certificate: Certificate, implicit: bool) -> None:
    """It is shown in full with the reason, the way does not work, and a pin is suggested."""
    server = Pop3Server({}, tls=certificate.server_context(), implicit_tls=implicit)
    mode = TlsMode.IMPLICIT if implicit else TlsMode.STARTTLS
    with running(server):
        report = looked(server.port, only=mode)
        found = report.looks[0].certificate
        assert found
        pinned = looked(server.port, trust(fingerprint=found.fingerprint), only=mode)
        server.wait_idle(20)
    assert not report.works
    assert not found.trusted
    assert "self-signed" in found.distrust
    assert found.subject == "CN=localhost"
    assert found.names == ("localhost", "127.0.0.1")
    assert report.looks[0].greeting
    suggestion = suggest(HOST, report.looks)
    assert suggestion
    assert suggestion.tls_fingerprint == found.fingerprint
    assert any("pin the certificate" in f.text for f in explain(report))
    assert pinned.works
    assert pinned.looks[0].certificate == replace(found, trusted=True, distrust="")
    assert not {entry.command for entry in server.log} - {"CAPA", "STLS", "QUIT"}


def test_wrong_pin(certificate: Certificate) -> None:
    """A certificate that is not the pinned one is shown, and is not used."""
    server = Pop3Server({}, tls=certificate.server_context(), implicit_tls=True)
    with running(server):
        report = looked(server.port, trust(fingerprint="sha256:" + "0" * 64))
    found = report.looks[0].certificate
    assert found
    assert not found.trusted
    assert "not the pinned one" in report.looks[0].problem
    assert not report.works


def old_context(made: Certificate, newest: ssl.TLSVersion) -> ssl.SSLContext:
    """A server's, that speaks nothing newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(made.cert, made.key)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    return context


OLD_VERSIONS = [
    pytest.param(
        version,
        name,
        marks=pytest.mark.skipif(not has, reason=f"this OpenSSL has no TLS {name}"),
    )
    for version, name, has in (
        (ssl.TLSVersion.TLSv1, "1.0", ssl.HAS_TLSv1),
        (ssl.TLSVersion.TLSv1_1, "1.1", ssl.HAS_TLSv1_1),
    )
]


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize(("version", "name"), OLD_VERSIONS)
def test_tls_of_old(
    certificate: Certificate, version: ssl.TLSVersion, name: str, implicit: bool
) -> None:
    """It is told with the exception that would help, which is suggested before no TLS at all."""
    context = old_context(certificate, version)
    with running(Pop3Server({}, tls=context, implicit_tls=implicit)) as server:
        by = trust(certificate.cert)
        report = looked(server.port, by)
        permitted = looked(server.port, replace(by, tls_minimum=name))
        server.wait_idle(20)
    look = report.looks[0 if implicit else 1]
    assert not look.works
    assert look.problem == f"the server speaks no TLS newer than {name}"
    assert look.remedy == Remedy(tls_minimum=name)
    assert look.certificate
    assert look.certificate.trusted
    suggestion = suggest(HOST, report.looks, by)
    assert suggestion
    assert (suggestion.tls, suggestion.tls_minimum) == (look.mode, name)
    assert suggestion.tls_fingerprint is None
    assert not suggestion.tls_legacy
    assert not suggestion.allow_insecure
    said = "\n".join(finding.text for finding in explain(report))
    assert f'tls_minimum = "{name}"' in said
    assert "There is no TLS" not in said
    assert permitted.looks[0 if implicit else 1].works
    assert permitted.works
    again = suggest(HOST, permitted.looks, replace(by, tls_minimum=name))
    assert again == suggestion
    assert any("RFC 8996" in finding.text for finding in explain(permitted))
    assert not {entry.command for entry in server.log} & {"USER", "PASS", "APOP", "AUTH"}


@pytest.mark.skipif(not ssl.HAS_TLSv1_1, reason="this OpenSSL has no TLS 1.1")
def test_old_and_untrusted(certificate: Certificate) -> None:
    """Both exceptions are named, and neither is thought to make up for the other."""
    context = old_context(certificate, ssl.TLSVersion.TLSv1_1)
    with running(Pop3Server({}, tls=context, implicit_tls=True)) as server:
        (look,) = looked(server.port, only=TlsMode.IMPLICIT).looks
        assert look.certificate
        pinned = trust(fingerprint=look.certificate.fingerprint)
        (still,) = looked(server.port, pinned, only=TlsMode.IMPLICIT).looks
        (works,) = looked(
            server.port, replace(pinned, tls_minimum="1.1"), only=TlsMode.IMPLICIT
        ).looks
    assert look.remedy == Remedy(pin=True, tls_minimum="1.1")
    assert "self-signed" in look.certificate.distrust
    assert still.remedy == Remedy(tls_minimum="1.1")
    assert works.works


def test_short_key(tmp_path: Path) -> None:
    """A key that OpenSSL finds too short is a matter of tls_legacy, not of trust."""
    if reason := certificate_missing():
        pytest.skip(reason)
    made = make_certificate(tmp_path, key=SHORT_RSA)
    context = old_context(made, ssl.TLSVersion.TLSv1_2)
    with running(Pop3Server({}, tls=context, implicit_tls=True)) as server:
        report = looked(server.port, trust(made.cert), only=TlsMode.IMPLICIT)
        by = replace(trust(made.cert), tls_legacy=True)
        again = looked(server.port, by, only=TlsMode.IMPLICIT)
    (look,) = report.looks
    assert look.remedy == Remedy(tls_legacy=True)
    suggestion = suggest(HOST, report.looks)
    assert suggestion
    assert suggestion.tls_legacy
    assert suggestion.tls_fingerprint is None
    assert any("tls_legacy = true" in finding.text for finding in explain(report))
    (permitted,) = explain(again, trust=by)[:1]
    assert permitted.verdict is Verdict.NOTE
    assert suggest(HOST, again.looks, by) == suggestion


def test_account_that_asks_for_more(certificate: Certificate) -> None:
    """tls_minimum = "1.3" at a server that ends at 1.2: that is told, and what it has."""
    context = old_context(certificate, ssl.TLSVersion.TLSv1_2)
    by = replace(trust(certificate.cert), tls_minimum="1.3")
    with running(Pop3Server({}, tls=context, implicit_tls=True)) as server:
        report = looked(server.port, by, only=TlsMode.IMPLICIT)
    assert report.looks[0].remedy == Remedy(tls_minimum="1.2")
    said = "\n".join(finding.text for finding in explain(report, trust=by))
    assert "TLS 1.2" in said
    assert "RFC 8996" not in said


def test_exception_that_is_not_needed(certificate: Certificate) -> None:
    """tls_minimum = "1.0" at a server that speaks TLS 1.3 is told, and not suggested again."""
    by = replace(trust(certificate.cert), tls_minimum="1.0")
    server = Pop3Server({}, tls=certificate.server_context(), implicit_tls=True)
    with running(server):
        report = looked(server.port, by, only=TlsMode.IMPLICIT)
    assert any("can be taken out" in finding.text for finding in explain(report, trust=by))
    suggestion = suggest(HOST, report.looks, by)
    assert suggestion
    assert suggestion.tls_minimum is None


def test_settings_of_the_account_are_kept() -> None:
    """All that an account says of the way there is in each endpoint to try."""
    by = Endpoint(
        "x", 1, TlsMode.STARTTLS, tls_minimum="1.1", tls_legacy=True, proxy=Proxy("127.0.0.1", 9050),
        client_certificate=Path("c.pem"), client_key=Path("k.pem"),
    )  # fmt: skip
    for way in endpoints(HOST, 7, by):
        like = replace(way, host="x", port=1, tls=TlsMode.STARTTLS, allow_insecure=False)
        assert like == by


def test_no_capa() -> None:
    """A server of 1996: it works, by USER and PASS, and what is missing is said."""
    server = Pop3Server({}, behaviour=Behaviour(unknown=frozenset({"CAPA", "APOP", "STLS"})))
    with running(server):
        report = looked(server.port)
    clear = report.looks[2]
    assert clear.works
    assert clear.capa_refused
    assert clear.capa_clear is None
    assert clear.mechanisms == ("USER",)
    assert not report.looks[1].works
    texts = [f.text for f in explain(report)]
    assert any("no CAPA" in text for text in texts)
    assert any("There is no TLS" in text for text in texts)
    suggestion = suggest(HOST, report.looks)
    assert suggestion
    assert suggestion.allow_insecure


def test_refusing_and_silent_servers() -> None:
    """-ERR for a greeting, no greeting, a closed port: none works, and nothing is raised."""
    busy = Behaviour(replies={"CONNECT": b"-ERR too many connections\r\n"})
    with running(Pop3Server({}, behaviour=busy)) as server:
        report = looked(server.port, only=TlsMode.NONE)
    assert "too many connections" in report.looks[0].problem
    with running(Pop3Server({}, behaviour=Behaviour(replies={"CONNECT": b"+OK wai"}))) as server:
        report = looked(server.port, timeouts=HASTY, only=TlsMode.NONE)
    assert "did not send its greeting" in report.looks[0].problem
    with socket.create_server((HOST, 0)) as unused:
        port = unused.getsockname()[1]
    report = looked(port)
    assert not report.works
    assert ["refused" in look.problem for look in report.looks] == [True] * 3
    assert suggest(HOST, report.looks) is None
    first, last = explain(report)
    assert first.text == f"No way to {HOST} works: cannot connect: connection refused."
    assert "no account to suggest" in last.text


@pytest.mark.parametrize("greeting", [b"220 mx ESMTP\r\n", b"* OK IMAP4rev1\r\n", b"SSH-2.0-x\r\n"])
def test_other_servers(greeting: bytes) -> None:
    """What another protocol says is shown as that, and no account comes of it."""
    with running(Pop3Server({}, behaviour=Behaviour(replies={"CONNECT": greeting}))) as server:
        report = looked(server.port)
    implicit, stls, clear = report.looks
    assert implicit.problem == NO_TLS
    assert stls.problem == clear.problem
    assert greeting.decode().strip() in clear.problem
    assert suggest(HOST, report.looks) is None
    assert "no account to suggest" in explain(report)[-1].text


def test_capa_that_never_ends() -> None:
    """What was found until then is shown."""
    behaviour = Behaviour(replies={"CAPA": b"+OK\r\nTOP\r\n"})
    with running(Pop3Server({"anna": Mailbox()}, behaviour=behaviour)) as server:
        report = looked(server.port, timeouts=HASTY, only=TlsMode.NONE)
    assert report.looks[0].greeting
    assert "CAPA" in report.looks[0].problem
    assert not report.works


def test_notes_of_a_server_that_is_known() -> None:
    """What is known of such servers is told, once, whatever the ways to connect."""
    greeting = {"CONNECT": b"+OK Gpop ready for requests\r\n"}
    with running(Pop3Server({}, behaviour=Behaviour(replies=greeting))) as server:
        report = looked(server.port)
    said = [finding.text for finding in explain(report) if finding.topic == "server"]
    assert len(said) == 3
    assert "250 oldest" in said[0]
