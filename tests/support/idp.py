"""An identity provider on loopback that does what the RFCs say, and on request what providers do to people.

RFC 6749 (authorization code, refresh), RFC 7636 (S256 is wanted), RFC 8628 (device code). Refresh tokens are
replaced at each use; a second use of one ends the whole log-in, as RFC 9700 section 4.14 advises. Everything
secret that it makes has ``SECRET`` in it, so that tests can look for it where it must not be.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.support.certificate import Certificate

SECRET = "hush-hush"
CLIENT_ID = "our-client"
TENANT = "/common"

Json = dict[str, Any]


class RefusedError(Exception):
    """An error of RFC 6749 section 5.2 or RFC 8628 section 3.5."""


@dataclass
class Code:
    """An authorization code that was given out."""

    redirect_uri: str
    challenge: str
    used: bool = False


@dataclass
class IdentityProvider:
    """Its knobs, and what it has seen. All of it may be read and turned while it runs."""

    client_secret: str | None = None
    expires_in: int | str | None = 3600
    rotate: bool = True
    gives_refresh_token: bool = True
    refresh_token_expires_in: int | None = None
    interval: int | None = 5
    device_lasts_s: int = 900
    device_answers: list[str] = field(default_factory=list)
    """What polling gets, one after the other, before the person has agreed."""
    denies: bool = False
    """The person says no in the browser."""
    failures: list[int | bytes] = field(default_factory=list)
    """What the token endpoint answers next instead of its work: a status, or a body that is no JSON."""
    before_refresh: Callable[[], object] = lambda: None
    """Called within the token endpoint, before a refresh is carried out."""
    issued: Callable[[str], object] = lambda token: None
    """Told each access token, such as for a mail server that is to take it."""

    seen: list[tuple[str, Json]] = field(default_factory=list)
    """Paths and parameters of all requests."""
    refreshes: int = 0
    live: set[str] = field(default_factory=set)
    """Refresh tokens that are good."""
    access_tokens: list[str] = field(default_factory=list)
    scheme: str = "http"
    port: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._codes: dict[str, Code] = {}
        self._devices: set[str] = set()

    def url(self, path: str) -> str:
        return f"{self.scheme}://localhost:{self.port}{path}"

    def keys(self, **more: object) -> Json:
        """The ``oauth`` table of an account here."""
        urls = {
            f"{each}_url": self.url(f"/{each}") for each in ("authorization", "device", "token")
        }
        return {"provider": "ours", "client_id": CLIENT_ID, "scopes": ["mail"], **urls, **more}

    def asked(self, path: str) -> list[Json]:
        return [parameters for where, parameters in self.seen if where.endswith(path)]

    def revoke(self) -> None:
        """The person takes the log-in back."""
        self.live.clear()

    # ---- endpoints -------------------------------------------------------------------------------

    def authorization(self, asked: Json) -> str:
        """The address that the browser is sent on to; RFC 6749 section 4.1.2."""
        redirect = asked["redirect_uri"]
        assert urlsplit(redirect).hostname in ("127.0.0.1", "localhost")
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["code_challenge_method"] == "S256"
        if self.denies:
            answer = {"error": "access_denied"}
        else:
            answer = {"code": self._new("code")}
            self._codes[answer["code"]] = Code(redirect, asked["code_challenge"])
        return f"{redirect}?{urlencode({**answer, 'state': asked['state']})}"

    def device(self, asked: Json) -> Json:
        """RFC 8628 section 3.2."""
        self._authenticate(asked)
        code = self._new("device")
        self._devices.add(code)
        answer: Json = {"device_code": code, "user_code": "WDJB-MJHT"}
        answer["verification_uri"] = self.url("/go")
        answer["expires_in"] = self.device_lasts_s
        if self.interval is not None:
            answer["interval"] = self.interval
        return answer

    def token(self, asked: Json) -> Json:
        """The token endpoint, for all grants."""
        self._authenticate(asked)
        grant = asked["grant_type"].rpartition(":")[2]
        if grant == "authorization_code":
            self._redeem(asked)
        elif grant == "device_code":
            if self.device_answers:
                raise RefusedError(self.device_answers.pop(0))
            if asked["device_code"] not in self._devices:
                raise RefusedError("invalid_grant")
            self._devices.remove(asked["device_code"])
        elif grant == "refresh_token":
            self.before_refresh()
            with self._lock:
                return self._refresh(asked["refresh_token"])
        else:
            raise RefusedError("unsupported_grant_type")
        return self.tokens(refresh=self.gives_refresh_token)

    def _redeem(self, asked: Json) -> None:
        code = self._codes.get(asked["code"])
        digest = hashlib.sha256(asked["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            code is None
            or code.used
            or code.challenge != challenge
            or code.redirect_uri != asked["redirect_uri"]
        ):
            raise RefusedError("invalid_grant")
        code.used = True

    def _refresh(self, token: str) -> Json:
        if token not in self.live:
            self.live.clear()
            raise RefusedError("invalid_grant")
        self.refreshes += 1
        if self.rotate:
            self.live.discard(token)
        return self.tokens(refresh=self.rotate)

    def tokens(self, *, refresh: bool) -> Json:
        """A new log-in's answer, RFC 6749 section 5.1."""
        access = self._new("access")
        self.access_tokens.append(access)
        self.issued(access)
        answer: Json = {"access_token": access, "token_type": "Bearer"}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        if refresh:
            answer["refresh_token"] = self._new("refresh")
            self.live.add(answer["refresh_token"])
            if self.refresh_token_expires_in is not None:
                answer["refresh_token_expires_in"] = self.refresh_token_expires_in
        return answer

    def _authenticate(self, asked: Json) -> None:
        if asked.get("client_id") != CLIENT_ID or asked.get("client_secret") != self.client_secret:
            raise RefusedError("invalid_client")

    def _new(self, kind: str) -> str:
        return f"{SECRET}-{kind}-{next(self._numbers)}"

    def metadata(self) -> Json:
        """OpenID Connect Discovery, as msal asks for it."""
        base = self.url(f"{TENANT}/oauth2/v2.0")
        return {
            "issuer": self.url(f"{TENANT}/v2.0"),
            "authorization_endpoint": f"{base}/authorize",
            "device_authorization_endpoint": f"{base}/devicecode",
            "token_endpoint": f"{base}/token",
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    idp: IdentityProvider


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.endswith("/.well-known/openid-configuration"):
            self._json(200, self.server.idp.metadata())
        elif parts.path.rpartition("/")[2] in ("authorization", "authorize"):
            asked = self._note(parts.path, parts.query)
            self.send_response(302)
            self.send_header("Location", self.server.idp.authorization(asked))
            self.end_headers()
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        idp = self.server.idp
        path = urlsplit(self.path).path
        octets = self.rfile.read(int(self.headers["Content-Length"]))
        asked = self._note(path, octets.decode())
        if path.endswith("/token") and idp.failures:
            failure = idp.failures.pop(0)
            status, body = (failure, b"{}") if isinstance(failure, int) else (200, failure)
            self._send(status, body)
            return
        work = {"token": idp.token, "device": idp.device, "devicecode": idp.device}
        try:
            self._json(200, work[path.rpartition("/")[2]](asked))
        except RefusedError as refusal:
            said = {"error": str(refusal), "error_description": f"No. {asked}\r\nTrace: 1"}
            self._json(400, said)

    def _note(self, path: str, query: str) -> Json:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        self.server.idp.seen.append((path, asked))
        return asked

    def _json(self, status: int, value: Json) -> None:
        self._send(status, json.dumps(value).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.idp.url("/elsewhere"))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Tests have nothing to say on standard error."""


@contextlib.contextmanager
def running(
    idp: IdentityProvider, certificate: Certificate | None = None
) -> Iterator[IdentityProvider]:
    """Serve on a free port of 127.0.0.1, under TLS with a certificate."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.idp, idp.port = idp, server.server_port
    if certificate is not None:
        server.socket = certificate.server_context().wrap_socket(server.socket, server_side=True)
        idp.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield idp
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
