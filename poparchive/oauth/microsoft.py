"""Asks Microsoft through msal, which knows its clouds and finds the endpoints of an authority.

msal's own cache of tokens is not used: what it would keep, ``store`` keeps.
"""

# msal comes without types.

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from poparchive.oauth.client import TIMEOUT_S, Attempt, checked, missing, translated
from poparchive.oauth.errors import OAuthError
from poparchive.oauth.providers import Provider
from poparchive.oauth.tokens import Answer

RESERVED = frozenset({"offline_access", "openid", "profile"})
"""msal asks for these by itself, and refuses to be told so."""


class MsalClient:
    """A public client of a Microsoft authority."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._scopes = [scope for scope in provider.scopes if scope not in RESERVED]
        self._made: Any = None

    def begin_device(self) -> Answer:
        with self._asking() as app:
            answer: Answer = app.initiate_device_flow(scopes=self._scopes)
            return answer

    def poll_device(self, begun: Answer) -> Answer:
        with self._asking() as app:
            # It would wait by itself; once is enough, for ``device`` waits.
            answer: Answer = app.acquire_token_by_device_flow(begun, exit_condition=lambda _: True)
            return answer

    def begin_browser(self, redirect_uri: str, user: str) -> Attempt:
        with self._asking() as app:
            flow = app.initiate_auth_code_flow(
                self._scopes, redirect_uri=redirect_uri, login_hint=user
            )

        def redeem(code: str) -> Answer:
            with self._asking() as app:
                answer: Answer = app.acquire_token_by_auth_code_flow(
                    flow, {"code": code, "state": flow["state"]}
                )
                return answer

        return Attempt(flow["auth_uri"], flow["state"], redeem)

    def refresh(self, refresh_token: str) -> Answer:
        with self._asking() as app:
            answer: Answer = app.acquire_token_by_refresh_token(refresh_token, self._scopes)
            return answer

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Any]:
        try:
            import msal
        except ImportError:
            raise OAuthError(missing("msal")) from None
        # It logs what it cannot read, which may be a token.
        logging.getLogger("msal").setLevel(logging.CRITICAL + 1)
        name, authority = self._provider.name, str(self._provider.authority)
        with warnings.catch_warnings(), translated(name, authority):
            # It warns of answers in an address, which RFC 8252 wants on loopback.
            warnings.simplefilter("ignore")
            try:
                yield self._application(msal, authority)
            except (ValueError, RuntimeError, KeyError, TypeError) as error:
                raise OAuthError(
                    f"{name}: {authority} cannot be asked for tokens ({type(error).__name__});"
                    " are tenant and authority in the configuration right?"
                ) from None

    def _application(self, msal: Any, authority: str) -> Any:
        """Made once for each log-in or refresh: making it asks the authority for its endpoints."""
        if self._made is None:
            import requests

            self._made = msal.PublicClientApplication(
                self._provider.client_id,
                authority=authority,
                http_client=_Http(self._provider.name, requests.Session()),
                instance_discovery=False if self._provider.foreign_authority else None,
            )
        return self._made


class _Http:
    """What msal needs of a session, with a time limit, without redirects, and for JSON alone."""

    def __init__(self, name: str, session: Any) -> None:
        self._name = name
        self._session = session
        session.max_redirects = 0

    def get(self, url: str, **more: Any) -> Any:
        return checked(self._name, self._session.get(url, timeout=TIMEOUT_S, **more))

    def post(self, url: str, **more: Any) -> Any:
        # Before msal sees it, for msal would give the same answer again for a minute.
        return checked(self._name, self._session.post(url, timeout=TIMEOUT_S, **more))
