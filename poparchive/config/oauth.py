"""The key ``oauth`` of an account: who gives its access tokens, and as whom to ask."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from poparchive.config.errors import TableError
from poparchive.config.units import duration_s
from poparchive.config.values import (
    PasswordRef,
    parse_password,
    parse_path,
    parse_text,
    shown,
)

PRESETS = ("microsoft", "google")
"""Providers whose endpoints and scopes are known; all others are spelled out."""

_DAY_S = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """How an account gets access tokens. The fields are the keys of the table.

    What is None or empty, the provider's preset gives.
    """

    provider: str
    client_id: str
    client_secret: PasswordRef | None = None
    scopes: tuple[str, ...] = ()
    tenant: str | None = None
    authority: str | None = None
    authorization_url: str | None = None
    device_url: str | None = None
    token_url: str | None = None
    token_file: Path | None = None
    token_keyring: str | None = None
    login_lifetime_s: int | None = None


def parse_oauth(value: object, base: Path) -> OAuth:
    """Raises ``TableError`` with all that is wrong with the table."""
    if not isinstance(value, dict):
        raise ValueError(
            'must be a table such as { provider = "microsoft", client_id = "..." },'
            f" not {shown(value)}"
        )
    good: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for key, each in value.items():
        if key not in OAUTH_KEYS:
            near = get_close_matches(key.lower().replace("-", "_"), OAUTH_KEYS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append((key, f"is not a key here{hint}"))
            continue
        try:
            good[key] = OAUTH_KEYS[key](each, base)
        except ValueError as error:
            problems.append((key, str(error)))
    problems += _missing(value.keys(), good)
    problems += _contradictions(good)
    if problems:
        raise TableError(problems)
    return OAuth(**good)


def _missing(given: Any, good: Mapping[str, Any]) -> list[tuple[str, str]]:
    problems = [(key, "is missing") for key in ("provider", "client_id") if key not in given]
    if "provider" in good and good["provider"] not in PRESETS:
        why = f"is missing; it is known only of {' and '.join(PRESETS)}"
        problems += [(key, why) for key in ("token_url", "scopes") if key not in given]
        if not given & {"authorization_url", "device_url"}:
            problems.append(("authorization_url", why.replace("it is", "it, or device_url, is")))
    return problems


def _contradictions(good: Mapping[str, Any]) -> list[tuple[str, str]]:
    problems = []
    if "provider" in good and good["provider"] != "microsoft":
        problems += [
            (key, 'is for provider = "microsoft" alone')
            for key in ("tenant", "authority")
            if key in good
        ]
    if "token_file" in good and "token_keyring" in good:
        problems.append(("token_keyring", "has no use where token_file is; take one of them out"))
    return problems


def _url(value: object) -> str:
    """An address of the provider. Plain HTTP stays on this machine: RFC 6749 section 3.2 wants TLS."""
    url = parse_text(value)
    try:
        parts = urlsplit(url)
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        good = parts.hostname and parts.port != 0 and not parts.fragment and "@" not in parts.netloc
    except ValueError:
        good, local = False, False
    if not good or not url.isprintable() or " " in url:
        raise ValueError(f'must be an address such as "https://...", not {shown(value)}')
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ValueError(f"must begin with https://, not {shown(value)}")
    return url


def _authority(value: object) -> str:
    return _url(value).rstrip("/")


def _tenant(value: object) -> str:
    tenant = parse_text(value)
    if not re.fullmatch(r"[\w.-]+", tenant, re.ASCII):
        raise ValueError(f'must be "common", a domain or an id, not {shown(value)}')
    return tenant


def _scopes(value: object) -> tuple[str, ...]:
    """RFC 6749 section 3.3."""
    if isinstance(value, list) and value:
        words = [word for word in value if isinstance(word, str)]
        if len(words) == len(value) and all(
            re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", word) for word in words
        ):
            return tuple(words)
    raise ValueError('must be a list of texts without blanks, such as ["mail", "offline_access"]')


def _lifetime(value: object) -> int:
    seconds = duration_s(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 1:
        raise ValueError(f'must be seconds or a time such as "7d", not {shown(value)}')
    return min(seconds, 100 * 366 * _DAY_S)


OAUTH_KEYS: Mapping[str, Callable[[object, Path], object]] = {
    "provider": lambda value, _: parse_text(value),
    "client_id": lambda value, _: parse_text(value),
    "client_secret": parse_password,
    "scopes": lambda value, _: _scopes(value),
    "tenant": lambda value, _: _tenant(value),
    "authority": lambda value, _: _authority(value),
    "authorization_url": lambda value, _: _url(value),
    "device_url": lambda value, _: _url(value),
    "token_url": lambda value, _: _url(value),
    "token_file": parse_path,
    "token_keyring": lambda value, _: parse_text(value),
    "login_lifetime_s": lambda value, _: _lifetime(value),
}
