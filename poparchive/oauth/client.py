"""Asks a provider, by its endpoints: with authlib, and for what authlib has not, plain requests.

RFC 6749 (grants), RFC 7636 (PKCE), RFC 8628 (device). An answer that says what is wrong is returned like
one that has tokens in it; only what is no answer raises. Redirects are not followed: what is sent to a token
endpoint is meant for nobody else.
"""

# authlib comes without types.

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from poparchive.oauth.errors import OAuthError, UnreachableError
from poparchive.oauth.providers import Provider
from poparchive.oauth.tokens import Answer, hushed

TIMEOUT_S: Final = 30
"""For a connection to come about, and for each silence."""

DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"

VERIFIER_OCTETS: Final = 48
"""64 characters of base64url, of the 43 to 128 that RFC 7636 wants."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A log-in by browser that has begun: the address to open, and what to do with the code."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    redeem: Callable[[str], Answer] = field(repr=False)


class Client(Protocol):
    """One provider, for one client_id. Each method asks once; ``UnreachableError`` where no answer comes."""

    def begin_device(self) -> Answer:
        """RFC 8628 section 3.2."""

    def poll_device(self, begun: Answer) -> Answer:
        """RFC 8628 section 3.5."""

    def begin_browser(self, redirect_uri: str, user: str) -> Attempt:
        """RFC 6749 section 4.1.1 with PKCE. Asks nobody yet, as a rule."""

    def refresh(self, refresh_token: str) -> Answer:
        """RFC 6749 section 6."""


class HttpClient:
    """Any provider. ``secret`` gives the client secret, where there is one."""

    def __init__(self, provider: Provider, secret: Callable[[], str] | None = None) -> None:
        self._provider = provider
        self._secret = secret

    def begin_device(self) -> Answer:
        # The client_id comes with ``client_auth``.
        data = {"scope": " ".join(self._provider.scopes)}
        url = str(self._provider.device_url)
        with self._session() as session:
            reply = session.post(
                url,
                data=data,
                headers={"Accept": "application/json"},
                auth=session.client_auth(session.token_endpoint_auth_method),
                allow_redirects=False,
            )
            answer: Answer = checked(self._provider.name, reply).json()
            return _refused(session, answer["error"], answer) if "error" in answer else answer

    def poll_device(self, begun: Answer) -> Answer:
        return self._grant(grant_type=DEVICE_GRANT, device_code=str(begun["device_code"]))

    def begin_browser(self, redirect_uri: str, user: str) -> Attempt:
        verifier = secrets.token_urlsafe(VERIFIER_OCTETS)
        with self._session() as session:
            url, state = session.create_authorization_url(
                self._provider.authorization_url,
                state=secrets.token_urlsafe(32),
                code_verifier=verifier,
                redirect_uri=redirect_uri,
                login_hint=user,
                **self._provider.parameters,
            )
        return Attempt(
            url,
            state,
            lambda code: self._grant(
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=verifier,
            ),
        )

    def refresh(self, refresh_token: str) -> Answer:
        with self._session() as session:
            return self._asked(
                session,
                lambda: session.refresh_token(
                    self._provider.token_url, refresh_token=refresh_token, allow_redirects=False
                ),
            )

    def _grant(self, **parameters: str) -> Answer:
        with self._session() as session:
            return self._asked(
                session,
                lambda: session.fetch_token(
                    self._provider.token_url, allow_redirects=False, **parameters
                ),
            )

    @staticmethod
    def _asked(session: Any, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except session.oauth_error_class as error:
            return _refused(session, error.error, {"error_description": error.description})

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        try:
            from authlib.integrations.requests_client import OAuth2Session
        except ImportError:
            raise OAuthError(missing("authlib")) from None
        session = OAuth2Session(
            self._provider.client_id,
            self._secret() if self._secret else None,
            # In the body: the header would need an encoding that providers disagree about.
            token_endpoint_auth_method="client_secret_post" if self._secret else "none",
            scope=" ".join(self._provider.scopes),
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )
        check = partial(checked, self._provider.name)
        session.register_compliance_hook("access_token_response", check)
        session.register_compliance_hook("refresh_token_response", check)
        with session, translated(self._provider.name, self._provider.token_url):
            yield session


def _refused(session: Any, error: object, answer: Answer) -> Answer:
    """An answer that says what is wrong, without the client's secret."""
    said = hushed(str(answer.get("error_description") or ""), session.client_secret)
    return {"error": error, "error_description": said}


def checked(name: str, reply: Any) -> Any:
    """The reply, if it is a JSON object, whatever that says.

    Raises ``UnreachableError`` where the provider is not well.
    """
    status = reply.status_code
    if status == 429 or status >= 500:
        raise UnreachableError(f"{name} is not well (HTTP status {status}); try again later")
    try:
        good = not 300 <= status < 400 and isinstance(reply.json(), dict)
    except ValueError:
        good = False
    if not good:
        raise OAuthError(
            f"{name} gave an answer that is not OAuth2's (HTTP status {status});"
            " are the addresses in the configuration right?"
        )
    return reply


def missing(package: str) -> str:
    return (
        f"the Python package {package} is not installed, which OAuth2 needs;"
        " pip install 'poparchive[oauth]'"
    )


@contextlib.contextmanager
def translated(name: str, url: str) -> Iterator[None]:
    """Say in a sentence what went wrong on the way; the library's own text may carry what was sent."""
    import requests

    host = urlsplit(url).hostname
    try:
        yield
    except requests.exceptions.SSLError:
        raise OAuthError(
            f"{name}: the certificate of {host} is not one that is trusted, or TLS failed"
        ) from None
    except requests.exceptions.Timeout:
        raise UnreachableError(f"{name}: {host} does not answer; try again later") from None
    except requests.exceptions.ConnectionError:
        raise UnreachableError(f"{name}: {host} cannot be reached; try again later") from None
    except requests.exceptions.RequestException as error:
        raise OAuthError(f"{name}: {host} cannot be asked ({type(error).__name__})") from None
