"""What the operating system, OpenSSL and asyncio raise, as our errors: here and nowhere else."""

import os
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from poparchive.pop3 import tls
from poparchive.pop3.endpoint import Endpoint, Timeouts
from poparchive.pop3.errors import ClosedError, ConnectError, Pop3Error, TimedOutError, Where


@contextmanager
def translated(endpoint: Endpoint, where: Where, timeouts: Timeouts) -> Iterator[None]:
    """What the system, OpenSSL and asyncio raise while connecting, as our errors."""
    try:
        with tls.connecting_to(endpoint):
            yield
    except Pop3Error as error:
        error.at(where)
        raise
    except TimeoutError as error:
        through = f" through the proxy {endpoint.proxy}" if endpoint.proxy else ""
        text = f"no connection within {timeouts.connect_s:g} s{through}"
        raise TimedOutError(text).at(where) from error
    except ssl.SSLError as error:
        raise tls.handshake_error(error, endpoint).at(where) from error
    except ConnectionError as error:
        if error.errno:
            raise ConnectError(f"cannot connect: {reason(error)}").at(where) from error
        # asyncio's own, without a word.
        text = "the server closed the connection in the middle of the TLS handshake"
        raise ClosedError(text).at(where) from error
    except (OSError, UnicodeError) as error:
        raise ConnectError(f"cannot connect: {reason(error)}").at(where) from error


def reason(error: BaseException) -> str:
    """What went wrong, in a few words, without numbers and names of Python's."""
    if isinstance(error, ssl.SSLError):
        return tls.reason_of(error)
    if isinstance(error, socket.gaierror):
        return f"no address for this name ({error.strerror})"
    if isinstance(error, OSError) and error.errno:
        # asyncio puts words of its own into strerror.
        return os.strerror(error.errno).lower()
    # Where several addresses failed differently, asyncio has a text of all their errors.
    numbers = dict.fromkeys(re.findall(r"\[Errno (\d+)\]", str(error)))
    return ", ".join(os.strerror(int(n)).lower() for n in numbers) or str(error)
