"""How a connection comes about: several addresses, IPv6, and SOCKS5 proxies."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace

import pytest

from poparchive.pop3 import (
    ConnectError,
    Endpoint,
    Login,
    Proxy,
    TimedOutError,
    Timeouts,
    TlsMode,
    connect,
)
from tests.support.certificate import Certificate
from tests.support.conversation import Script, Step, scripted
from tests.support.socks import socks5

OK = b"+OK\r\n"
LOGIN: Script = (OK, "CAPA", b"-ERR\r\n", "USER ann", OK, "PASS secret", OK)
PATIENT = Timeouts(5, 5, 5)


async def log_in(endpoint: Endpoint, timeouts: Timeouts = PATIENT) -> None:
    login = Login("ann", lambda: "secret", "user")
    async with connect(endpoint, login, account="office", timeouts=timeouts):
        pass


async def refusal(endpoint: Endpoint) -> str:
    with pytest.raises(ConnectError) as caught:
        await log_in(endpoint)
    assert caught.value.temporary
    return str(caught.value)


def clear(host: str, port: int, proxy: Proxy | None = None) -> Endpoint:
    return Endpoint(host, port, TlsMode.NONE, True, proxy=proxy)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody else can meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


# ---- addresses -----------------------------------------------------------------------------------


@contextmanager
def dead(host: str, port: int) -> Iterator[None]:
    """An address that answers nothing: the queue of its listener is full, so Linux drops what
    comes, as a host does that is off."""
    with socket.socket() as listener, socket.socket() as first:
        try:
            listener.bind((host, port))
        except OSError as error:
            pytest.skip(f"{host} is no address here: {error.strerror}")
        listener.listen(0)
        first.connect((host, port))
        yield


def resolve_to(hosts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Names under .test have these addresses, in this order; asyncio sees to all the rest."""
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **more: int) -> list[tuple[object, ...]]:
        names = hosts if str(host).endswith(".test") else [host]
        return [entry for name in names for entry in await resolve(name, port, **more)]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


def test_a_dead_address_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first address does not answer, the second is tried (RFC 8305)."""

    async def main() -> None:
        async with scripted(*LOGIN) as server:
            resolve_to(["127.0.0.2", "127.0.0.1"], monkeypatch)
            with dead("127.0.0.2", server.port):
                await log_in(clear("two.test", server.port))

    asyncio.run(main())


def test_all_addresses_are_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the time runs out; where they are closed, or fail differently, the reasons are said."""

    async def main() -> None:
        with closed_port() as port:
            resolve_to(["127.0.0.2", "127.0.0.1"], monkeypatch)
            with dead("127.0.0.2", port), pytest.raises(TimedOutError, match=r"within 0\.5 s"):
                await log_in(clear("two.test", port), Timeouts(0.5, 5, 5))
            assert "cannot connect: connection refused;" in await refusal(clear("two.test", port))
            resolve_to(["::1", "127.0.0.1"], monkeypatch)
            assert "connection refused" in await refusal(clear("two.test", port))

    asyncio.run(main())


def test_ipv6() -> None:
    """An IPv6 address is a host like any other, and stands in brackets in messages."""

    async def main() -> None:
        try:
            async with AsyncExitStack() as stack:
                server = await stack.enter_async_context(scripted(*LOGIN, host="::1"))
                await log_in(clear("::1", server.port))
        except OSError as error:
            pytest.skip(f"no IPv6 here: {error.strerror}")
        with closed_port() as port:
            assert f"server [::1]:{port}: cannot connect" in await refusal(clear("::1", port))

    asyncio.run(main())


# ---- proxies -------------------------------------------------------------------------------------


def test_through_a_proxy() -> None:
    """The proxy is given the name and looks it up; all that follows goes through it."""

    async def main() -> None:
        async with scripted(*LOGIN) as server, socks5({"mail.invalid": "127.0.0.1"}) as socks:
            await log_in(clear("mail.invalid", server.port, socks.proxy))
            assert socks.asked == [("mail.invalid", server.port)]

    asyncio.run(main())


@pytest.mark.parametrize("mode", [TlsMode.IMPLICIT, TlsMode.STARTTLS])
def test_tls_through_a_proxy(certificate: Certificate, mode: TlsMode) -> None:
    """TLS is with the server behind the proxy, whose name its certificate must have."""
    implicit = mode is TlsMode.IMPLICIT
    user: Script = ("CAPA", b"-ERR\r\n", "USER ann", OK, "PASS secret", OK)
    stls: Script = ("CAPA", b"+OK\r\nSTLS\r\n.\r\n", "STLS", OK, Step.TLS)
    script: Script = (OK, *(() if implicit else stls), *user)

    async def main() -> None:
        context = certificate.server_context()
        async with (
            scripted(*script, tls=context, implicit=implicit) as server,
            socks5({"localhost": "127.0.0.1"}) as socks,
        ):
            endpoint = Endpoint(
                "localhost", server.port, mode, ca_file=certificate.cert, proxy=socks.proxy
            )
            await log_in(endpoint)
            assert socks.asked == [("localhost", server.port)]

    asyncio.run(main())


def test_an_address_through_a_proxy() -> None:
    """A host that is an address goes out as one."""

    async def main() -> None:
        async with scripted(*LOGIN) as server, socks5({"127.0.0.1": "127.0.0.1"}) as socks:
            await log_in(clear("127.0.0.1", server.port, socks.proxy))
            assert socks.asked == [("127.0.0.1", server.port)]

    asyncio.run(main())


def test_a_proxy_that_wants_a_name() -> None:
    """It is given the name of the configuration; without one the error says what is wanted."""

    async def main() -> None:
        known = {"mail.invalid": "127.0.0.1"}
        async with (
            scripted(*LOGIN) as server,
            socks5(known, wants_user=True, user="office") as socks,
        ):
            endpoint = clear("mail.invalid", server.port, socks.proxy)
            await log_in(endpoint)
            assert socks.users == [("office", "office")]
            nameless = replace(endpoint, proxy=replace(socks.proxy, user=""))
            assert "no acceptable authentication methods" in await refusal(nameless)

    asyncio.run(main())


def test_what_goes_wrong_with_a_proxy() -> None:
    """The error names the account, the server and the proxy, and which of them is to blame."""

    async def main() -> None:
        async with socks5({}) as socks:
            text = await refusal(clear("mail.invalid", 995, socks.proxy))
            assert text.startswith(
                f"account office, server mail.invalid:995: the proxy {socks.proxy} did not connect:"
                " connection refused by destination host"
            )
            long = "a" * 70 + ".invalid"
            assert "cannot be given this name" in await refusal(clear(long, 995, socks.proxy))
        with closed_port() as port:
            nobody = Proxy("127.0.0.1", port)
            text = await refusal(clear("mail.invalid", 995, nobody))
        assert f"cannot connect to the proxy {nobody}: connection refused" in text
        text = await refusal(clear("mail.invalid", 995, Proxy("proxy.invalid", 1080)))
        assert "no address for the proxy socks5://proxy.invalid:1080" in text

    asyncio.run(main())


def test_a_proxy_that_is_none() -> None:
    """A server that is no proxy, or hangs up, or says nothing, is an error like any other."""

    async def main() -> None:
        async with scripted(OK, Step.SILENCE) as server:
            proxy = Proxy(server.host, server.port)
            text = await refusal(clear("mail.invalid", 995, proxy))
            assert "did not connect: unexpected socks version" in text
        async with scripted(Step.HANG_UP) as server:
            proxy = Proxy(server.host, server.port)
            assert "did not connect" in await refusal(clear("mail.invalid", 995, proxy))
        async with scripted(Step.SILENCE) as server:
            proxy = Proxy(server.host, server.port)
            with pytest.raises(TimedOutError, match=f"within 0.05 s through the proxy {proxy}"):
                await log_in(clear("mail.invalid", 995, proxy), Timeouts(0.05, 5, 5))

    asyncio.run(main())


def test_one_of_the_proxys_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the proxy's name has several addresses, each is tried: localhost often has two."""

    async def main() -> None:
        async with scripted(*LOGIN) as server, socks5({"mail.invalid": "127.0.0.1"}) as socks:
            resolve_to(["127.0.0.2", "127.0.0.1"], monkeypatch)
            proxy = replace(socks.proxy, host="proxy.test")
            await log_in(clear("mail.invalid", server.port, proxy))

    asyncio.run(main())
