"""Logging in by a browser: authorization code with PKCE, and the code comes back on loopback or by hand.

RFC 8252 (loopback redirect), RFC 6749 section 4.1.2, RFC 7636. The ``state`` says that an answer is to our
question; whatever else asks the listener, such as a page that the browser has open, gets nothing and ends
nothing.
"""

import hmac
import queue
import secrets
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, urlsplit

from poparchive.oauth.client import Attempt
from poparchive.oauth.errors import LoginFailedError, OAuthError
from poparchive.oauth.tokens import Answer, advice_on, code_in, error_in

WAIT_S: Final = 600
"""How long a person may take in the browser."""

_DONE = "The answer has arrived. This window may be closed; go on where poparchive runs.\n"
_STRANGE = "This is not the answer that poparchive waits for.\n"


class Listener:
    """Takes the redirect of one log-in on a free port of 127.0.0.1, while it is entered."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._server = _Server(("127.0.0.1", 0), _Handler)

    @property
    def redirect_uri(self) -> str:
        return f"http://{self._host}:{self._server.server_port}/"

    def expect(self, attempt: Attempt) -> None:
        """Say which answer is the right one; before that none is."""
        self._server.state = attempt.state

    def wait(self, timeout_s: float = WAIT_S) -> Answer:
        """The parameters of the answer. Raises ``LoginFailedError`` where none comes in time."""
        try:
            return self._server.answers.get(timeout=timeout_s)
        except queue.Empty:
            raise LoginFailedError("nobody has agreed in the browser in time") from None

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """In threads, because browsers open connections ahead that they then leave idle."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.state = ""
        self.answers: queue.Queue[Mapping[str, str]] = queue.Queue()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        answer = _parameters(parts.query)
        right = parts.path == "/" and _same(answer.get("state", ""), self.server.state)
        text = (_DONE if right else _STRANGE).encode()
        self.send_response(200 if right else 400)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(text)
        if right:
            # After the page, for the program may end with the answer.
            self.server.answers.put(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """The line it would write has the code in it."""


def free_redirect_uri(host: str) -> str:
    """An address on loopback that, as likely as not, nobody listens to: it is copied from the browser."""
    return f"http://{host}:{49152 + secrets.randbelow(16384)}/"


def pasted(text: str, attempt: Attempt) -> Answer:
    """The parameters of what a person copied: the whole address, or only the code in it."""
    text = text.strip()
    if not text:
        raise LoginFailedError("nothing was pasted; the log-in was given up")
    if "=" not in text and "/" not in text[:8]:
        # Then there is no state to compare; that the code is ours, PKCE proves.
        return {"code": text, "state": attempt.state}
    return _parameters(urlsplit(text).query or text.partition("?")[2] or text)


def redeem(attempt: Attempt, answer: Answer, provider: str) -> Answer:
    """Exchange the code of an answer for tokens. Raises ``LoginFailedError`` for an answer without."""
    if not answer.keys() & {"code", "error", "state"}:
        raise LoginFailedError(
            "that address has no answer in it; copy all of it, when the log-in is done"
        )
    if not _same(str(answer.get("state", "")), attempt.state):
        raise LoginFailedError("that answer belongs to another log-in (its state differs)")
    if code_in(answer) == "access_denied":
        raise LoginFailedError(f"the log-in was refused at {provider}")
    if said := error_in(answer, attempt.state):
        advice = advice_on(code_in(answer))
        raise LoginFailedError(f"{provider} did not let us in ({said}){advice}")
    code = answer.get("code")
    if not code:
        raise LoginFailedError("that address has no code in it")
    tokens = attempt.redeem(str(code))
    if said := error_in(tokens, str(code)):
        advice = advice_on(code_in(tokens))
        raise OAuthError(f"{provider} gives no token for the code ({said}){advice}")
    return tokens


def _parameters(query: str) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


def _same(one: str, other: str) -> bool:
    return bool(other) and hmac.compare_digest(one.encode(), other.encode())
