"""What a provider gave, as a value, and how it is read from an answer and kept as text.

RFC 6749 sections 5.1 and 5.2. ``refresh_token_expires_in`` is in no RFC; Google and others send it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from poparchive.oauth.errors import OAuthError, StoreError

Answer = Mapping[str, Any]
"""A JSON object from a provider: tokens, or ``error`` and perhaps ``error_description``."""

FORMAT: Final = 1

ASSUMED_LIFE_S: Final = 3600
"""Of an access token whose answer does not say; what most providers give."""

LONGEST_SAYING: Final = 250

_KEYS: Final = {
    "invalid_client": "client_id and client_secret",
    "unauthorized_client": "client_id",
    "invalid_scope": "scopes",
}


@dataclass(frozen=True, slots=True)
class Tokens:
    """All that is kept of a log-in. Times are seconds since the epoch."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at: int
    """Of the access token."""
    owner: str
    """Whose they are: user, client and provider. Those of another configuration are not used."""
    login_ends_at: int | None = None
    """When the refresh token is known to end."""
    refused: str = ""
    """What the provider said when it refused the refresh token; empty while it is good."""


def tokens_of(
    answer: Answer, *, now: int, owner: str, lifetime_s: int | None, before: Tokens | None = None
) -> Tokens:
    """The tokens of an answer without error. A refresh may leave out what stays as it was ``before``."""
    access = answer.get("access_token")
    if not isinstance(access, str) or not access or not access.isprintable():
        raise OAuthError("the provider's answer has no access token in it")
    if str(answer.get("token_type", "bearer")).lower() != "bearer":
        raise OAuthError("the provider's token is no bearer token, which is what mail servers take")
    refresh = answer.get("refresh_token")
    if not isinstance(refresh, str) or not refresh:
        refresh = before.refresh_token if before else None
    ends = before.login_ends_at if before else None
    told = _seconds(answer.get("refresh_token_expires_in"))
    if told:  # 0 is how some say "never"
        ends = now + told
    elif before is None or refresh != before.refresh_token:
        ends = now + lifetime_s if lifetime_s and refresh else None
    life_s = _seconds(answer.get("expires_in"))
    return Tokens(access, refresh, now + (life_s or ASSUMED_LIFE_S), owner, ends)


def _seconds(value: object) -> int | None:
    """Some send numbers as text."""
    try:
        return max(0, int(value)) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def code_in(answer: Answer) -> str:
    """The error's code, such as ``invalid_grant``; empty if there is none."""
    error = answer.get("error")
    return error if isinstance(error, str) else "" if error is None else "error"


def error_in(answer: Answer, *secrets: str | None) -> str:
    """What the provider says is wrong, on one line and without ``secrets``; empty if nothing is."""
    if "error" not in answer:
        return ""
    # Behind the first line Microsoft has numbers for its own support.
    described = str(answer.get("error_description") or "").strip().partition("\n")[0]
    text = ": ".join(filter(None, (code_in(answer) or "error", hushed(described, *secrets))))
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST_SAYING]).strip() or "error"


def advice_on(error: str) -> str:
    """Which keys of the configuration to look at for a code of RFC 6749 section 5.2; may be empty."""
    keys = _KEYS.get(error)
    return f"; look at {keys} in the configuration, and at the registration there" if keys else ""


def hushed(text: str, *secrets: str | None) -> str:
    """The text without secrets, which some providers repeat when they do not like them."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "...")
    return text


def encode(tokens: Tokens) -> str:
    return json.dumps({"format": FORMAT, **asdict(tokens)})


def decode(text: str) -> Tokens:
    """Raises ``StoreError`` where the text is not what ``encode`` makes; never with the text in it."""
    try:
        kept = json.loads(text)
        if kept.pop("format") != FORMAT:
            raise StoreError("they are of another version of poparchive")
        tokens = Tokens(**kept)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StoreError("they are damaged") from None
    kinds = (
        (tokens.access_token, str),
        (tokens.refresh_token, str | None),
        (tokens.expires_at, int),
        (tokens.owner, str),
        (tokens.login_ends_at, int | None),
        (tokens.refused, str),
    )
    if not all(isinstance(value, kind) for value, kind in kinds):
        raise StoreError("they are damaged")
    return tokens
