"""The way through a SOCKS5 proxy, by python-socks.

The proxy is given the server's name, not an address: who watches our name look-ups does not learn
where the mail is, and names that only the proxy knows can be reached.
"""

import asyncio
import os
import socket

from poparchive.pop3.endpoint import Proxy
from poparchive.pop3.errors import ConnectError


async def open_socket(proxy: Proxy, host: str, port: int, timeout_s: float) -> socket.socket:
    """A socket that the proxy has connected to the server. Raises ``ConnectError``, and
    ``TimeoutError`` for each of the proxy's addresses that takes longer than ``timeout_s``."""
    from python_socks import ProxyConnectionError, ProxyError, ProxyType
    from python_socks.async_.asyncio import Proxy as Socks

    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            proxy.host, proxy.port, type=socket.SOCK_STREAM
        )
    except OSError as error:
        raise _error(f"no address for the proxy {proxy} ({error.strerror})") from error
    refusals = []
    for *_, address in found:
        socks = Socks(
            ProxyType.SOCKS5, str(address[0]), proxy.port, proxy.user or None, proxy.user or None
        )
        try:
            return await socks.connect(host, port, timeout=timeout_s)
        except ProxyConnectionError as error:
            refusals.append(error)
        except (ProxyError, OSError) as error:
            said = str(error) or "the connection was lost"
            raise _error(f"the proxy {proxy} did not connect: {said.lower()}") from error
        except ValueError as error:
            raise _error(f"the proxy {proxy} cannot be given this name ({error})") from error
    reason = os.strerror(refusals[0].errno or 0).lower()
    raise _error(f"cannot connect to the proxy {proxy}: {reason}") from refusals[0]


def _error(text: str) -> ConnectError:
    error = ConnectError(text)
    error.advice = "check the proxy, host and port, and that this machine is online"
    return error
