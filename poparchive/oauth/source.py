"""Access tokens for pulls: from the store while they last, else refreshed under its lock.

RFC 6749 section 6. The order of a refresh: prove that the store can be written, ask the provider, save what
it gave, use it. A crash between asking and saving may cost the log-in where the provider takes a refresh
token only once; nothing else does.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from poparchive.oauth.client import Client
from poparchive.oauth.errors import LoginNeededError, OAuthError, StoreError, UnreachableError
from poparchive.oauth.store import Store
from poparchive.oauth.tokens import Tokens, code_in, error_in, tokens_of

EARLY_S: Final = 300
"""An access token is replaced so long before its end: a pull may take a while until it logs in."""

STILL_GOOD_S: Final = 60
"""While the provider is out of reach, one that lasts so long is used all the same."""

ENDED = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})
"""Errors after which only a person can go on. All but the first are OpenID Connect's."""

UNWELL = frozenset({"temporarily_unavailable", "server_error"})


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account's log-in stands."""

    needed: str = ""
    """Why a person has to log in; empty if nobody has to."""
    ends_at: int | None = None
    """When the log-in is known to end, unless it is used before or renewed."""


class TokenSource:
    """Gives access tokens for one account; blocks while it asks the provider. Made for one thread."""

    def __init__(
        self,
        account: str,
        provider: str,
        owner: str,
        store: Store,
        client: Client,
        *,
        lifetime_s: int | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._account = account
        self._provider = provider
        self._owner = owner
        self._store = store
        self._client = client
        self._lifetime_s = lifetime_s
        self._now = now
        self._given: str | None = None

    def __call__(self, fresh: bool = False) -> str:
        """Return an access token; with ``fresh`` another one than the last, which a server refused.

        Raises ``LoginNeededError`` where a person has to log in, ``UnreachableError`` where the provider may
        answer later, another ``OAuthError`` where something is to be mended. All name the account.
        """
        try:
            self._given = self._token(fresh)
        except OAuthError as error:
            raise type(error)(f"account {self._account}: {error}") from None
        return self._given

    def standing(self) -> Standing:
        """What is known without asking anybody. Raises ``StoreError``."""
        tokens = self._store.load()
        if tokens is None or tokens.owner != self._owner:
            return Standing("nobody has logged in yet")
        if tokens.refused:
            return Standing(tokens.refused, tokens.login_ends_at)
        if tokens.refresh_token is None:
            ended = tokens.expires_at <= self._now()
            return Standing("its log-in has ended" if ended else "", tokens.expires_at)
        return Standing("", tokens.login_ends_at)

    def keep(self, tokens: Tokens) -> None:
        """Save what a person's log-in gave."""
        with self._store.lock():
            self._store.save(tokens)

    def _token(self, fresh: bool) -> str:
        tokens = self._load()
        if self._usable(tokens, fresh):
            return tokens.access_token
        with self._store.lock():
            # Another process may have refreshed them while we waited.
            tokens = self._load()
            if self._usable(tokens, fresh):
                return tokens.access_token
            try:
                return self._refresh(tokens).access_token
            except UnreachableError:
                if not fresh and self._now() < tokens.expires_at - STILL_GOOD_S:
                    return tokens.access_token
                raise

    def _usable(self, tokens: Tokens, fresh: bool) -> bool:
        refused = fresh and self._given in (None, tokens.access_token)
        return not refused and self._now() < tokens.expires_at - EARLY_S

    def _load(self) -> Tokens:
        tokens = self._store.load()
        if tokens is None:
            raise LoginNeededError(f"nobody has logged in to {self._provider} yet; {self._advice}")
        if tokens.owner != self._owner:
            raise LoginNeededError(
                f"the tokens in {self._store.place} are of another user, client_id or provider than"
                f" the configuration names; {self._advice}"
            )
        return tokens

    def _refresh(self, tokens: Tokens) -> Tokens:
        if tokens.refresh_token is None:
            raise LoginNeededError(
                f"the log-in has ended, and {self._provider} gave no refresh token to renew it"
                f" (it may want a scope such as offline_access for that); {self._advice}"
            )
        # What cannot be written now could not be written afterwards, when the old refresh token is void.
        self._store.save(tokens)
        answer = self._client.refresh(tokens.refresh_token)
        said = error_in(answer, tokens.refresh_token, tokens.access_token)
        error = code_in(answer)
        if error in ENDED:
            self._store.save(replace(tokens, refused=said))
            raise LoginNeededError(
                f"{self._provider} does not take its log-in any more ({said}); {self._advice}"
            )
        if error in UNWELL:
            raise UnreachableError(f"{self._provider} is not well ({said}); try again later")
        if said:
            raise OAuthError(
                f"{self._provider} refuses to renew the log-in ({said});"
                f" see to oauth in the configuration, then {self._advice}"
            )
        renewed = tokens_of(
            answer,
            now=int(self._now()),
            owner=self._owner,
            lifetime_s=self._lifetime_s,
            before=tokens,
        )
        try:
            self._store.save(renewed)
        except StoreError as failed:
            raise StoreError(
                f"{failed}. The renewed log-in was not used; if the next pull is refused, {self._advice}"
            ) from None
        return renewed

    @property
    def _advice(self) -> str:
        return f"run: poparchive account login {self._account}"
