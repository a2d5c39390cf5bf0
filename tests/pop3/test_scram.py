"""SCRAM against the examples of RFC 5802 and RFC 7677, against itself, and against bad servers."""

import base64
import hashlib
import ssl
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scramp import ScramMechanism

from poparchive.pop3 import CommandError, ProtocolError
from poparchive.pop3.sasl.mechanism import Identity
from poparchive.pop3.sasl.scram import BINDING, ROUNDS_MAX, Scram, end_point

PENCIL = Identity("user", "pencil")

EXAMPLES = {
    "SCRAM-SHA-1": (
        "fyko+d2lbbFgONRv9qkxdawL",
        "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    "SCRAM-SHA-256": (
        "rOprNGfwEbeRWgbNEkqO",
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
}
"""RFC 5802 section 5 and RFC 7677 section 3: nonce, client, server, client, server."""


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_rfcs(name: str) -> None:
    """Word for word; nothing is proved before the server's signature."""
    nonce, first, server_first, final, server_final = EXAMPLES[name]
    scram = Scram(name, PENCIL, nonce)
    assert scram.initial() == first.encode()
    assert not scram.proving
    assert scram.respond(server_first.encode()) == final.encode()
    assert scram.proving
    with pytest.raises(ProtocolError, match="does not know the password"):
        scram.finish()
    assert scram.respond(server_final.encode()) == b""
    scram.finish()
    with pytest.raises(ProtocolError, match="asks again"):
        scram.respond(b"")


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize(
    "wrong",
    [
        "r=other,s=QSXCR+Q6sek8bf92,i=4096",
        "r={nonce},s=QSXCR+Q6sek8bf92,i=4096",
        "r={nonce}x,s=QSXCR+Q6sek8bf92,i=1",
        "r={nonce}x,s=,i=4096",
        f"r={{nonce}}x,s=QSXCR+Q6sek8bf92,i={ROUNDS_MAX + 1}",
        "r={nonce}x,s=QSXCR+Q6sek8bf92,i=" + "9" * 5000,
        "m=ext,r={nonce}x,s=QSXCR+Q6sek8bf92,i=4096",
        "",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ],
)
def test_a_server_that_begins_wrongly(name: str, wrong: str) -> None:
    """A nonce that is not ours continued, too little or too much work, what is no message at all:
    nothing of the password is given for it."""
    nonce = EXAMPLES[name][0]
    scram = Scram(name, PENCIL, nonce)
    with pytest.raises(ProtocolError) as caught:
        scram.respond(wrong.format(nonce=nonce).encode())
    assert "pencil" not in str(caught.value)
    assert not scram.proving


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_server_that_ends_wrongly(name: str) -> None:
    """A signature that does not verify is not believed."""
    nonce, _, server_first, _, _ = EXAMPLES[name]
    for wrong in (b"v=" + base64.b64encode(b"x" * 32), b"v=", b"\xff", b"", b"x=1"):
        scram = Scram(name, PENCIL, nonce)
        scram.respond(server_first.encode())
        with pytest.raises(ProtocolError, match=f"{name} is wrong"):
            scram.respond(wrong)
        with pytest.raises(ProtocolError):
            scram.finish()


def test_an_error_in_place_of_the_signature() -> None:
    """It is acknowledged, kept for the error message, and lets nobody in."""
    nonce, _, server_first, _, _ = EXAMPLES["SCRAM-SHA-1"]
    for before in ([], [server_first]):
        scram = Scram("SCRAM-SHA-1", PENCIL, nonce)
        for challenge in before:
            scram.respond(challenge.encode())
        assert scram.respond(b"e=invalid-proof\x1b") == b""
        assert scram.remark == r"invalid-proof\x1b"
        with pytest.raises(ProtocolError):
            scram.finish()


@given(st.lists(st.binary(max_size=80) | st.text(max_size=80).map(str.encode), max_size=4))
def test_any_challenges(challenges: list[bytes]) -> None:
    """Whatever a server says: only ProtocolError comes of it, and no belief."""
    scram = Scram("SCRAM-SHA-256", PENCIL, "nonce")

    def talk() -> None:
        for challenge in challenges:
            scram.respond(challenge)
        scram.finish()

    with pytest.raises(ProtocolError):
        talk()


@pytest.mark.parametrize(("binding", "flag"), [(None, b"n,,"), (b"data", b"y,,")])
def test_the_flag_of_gs2(binding: bytes | None, flag: bytes) -> None:
    """With data but without -PLUS it says that the server did not offer it (RFC 5802 section 6)."""
    who = Identity("user", "pencil", binding=binding)
    assert Scram("SCRAM-SHA-256", who).initial().startswith(flag)


@pytest.mark.parametrize("data", [b"same", b"other"])
@pytest.mark.parametrize("name", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
def test_binding(name: str, data: bytes) -> None:
    """With -PLUS both sides must see the same certificate."""
    mechanism = ScramMechanism(name)
    server = mechanism.make_server(lambda _: mechanism.make_auth_info("pencil"), (BINDING, b"same"))
    scram = Scram(name, Identity("us=er,", "pencil", binding=data))
    assert scram.initial().startswith(b"p=tls-server-end-point,,n=us=3Der=2C,r=")
    server.set_client_first(scram.initial().decode())
    final = scram.respond(server.get_server_first().encode()).decode()
    if data == b"same":
        server.set_client_final(final)
        scram.respond(server.get_server_final().encode())
        scram.finish()
    else:
        with pytest.raises(Exception, match="channel bindings don't match"):
            server.set_client_final(final)


def test_names_and_passwords_that_cannot_be() -> None:
    """What SASLprep forbids is an error of ours, without the word in it."""
    for user, secret in [
        ("ann", "se\x07cret"),
        ("a\x07", "secret"),
        ("", "secret"),
        ("a", "\udcff"),
    ]:
        with pytest.raises(CommandError, match="cannot carry this") as caught:
            Scram("SCRAM-SHA-1", Identity(user, secret))
        assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "digest"),
    [
        (["-newkey", "rsa:2048", "-sha1"], "sha256"),
        (["-newkey", "rsa:2048", "-sha512"], "sha512"),
        (["-newkey", "rsa:2048", "-sha384", "-sigopt", "rsa_padding_mode:pss"], "sha384"),
        (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-sha384"], "sha384"),
        (["-newkey", "ed25519"], None),
    ],
)
def test_end_point(tmp_path: Path, options: list[str], digest: str | None) -> None:
    """The hash of the certificate's own signature, SHA-256 for weak ones (RFC 5929 section 4.1),
    and no binding where there is no such hash."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-subj",
        "/CN=x",
        "-keyout",
        str(tmp_path / "key"),
    ]
    made = subprocess.run([*command, *options], check=True, capture_output=True, text=True)
    der = ssl.PEM_cert_to_DER_cert(made.stdout[made.stdout.index("-----BEGIN CERT") :])
    assert end_point(der) == (hashlib.new(digest, der).digest() if digest else None)
    assert end_point(b"no certificate") is None
