"""Logging in by device code: the code is typed into a browser that may be on any other machine.

RFC 8628 section 3.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from poparchive.oauth.client import Client
from poparchive.oauth.errors import LoginFailedError, OAuthError, UnreachableError
from poparchive.oauth.tokens import Answer, advice_on, code_in, error_in

INTERVAL_S: Final = 5
"""Between two questions, where the provider does not say (section 3.2)."""

SLOWER_S: Final = 5
"""Added for each ``slow_down`` (section 3.5)."""

DENIED = frozenset({"access_denied", "authorization_declined"})
LATE = frozenset({"expired_token", "code_expired"})


@dataclass(frozen=True, slots=True)
class Code:
    """What a person needs."""

    user_code: str
    address: str
    complete_address: str
    """With the code in it; empty where the provider has none."""
    expires_in_s: int
    interval_s: int
    answer: Answer = field(repr=False)


def begin(client: Client, provider: str) -> Code:
    """Ask for a code."""
    answer = client.begin_device()
    if said := error_in(answer):
        raise OAuthError(f"{provider} gives no device code ({said}){advice_on(code_in(answer))}")
    try:
        code = Code(
            _text(answer["user_code"]),
            # Some, Google among them, spell it so.
            _address(answer.get("verification_uri") or answer.get("verification_url")),
            _address(answer.get("verification_uri_complete") or ""),
            int(answer["expires_in"]),
            max(1, int(answer.get("interval", INTERVAL_S))),
            answer,
        )
        _text(answer["device_code"])
    except (KeyError, ValueError, TypeError):
        raise OAuthError(f"{provider} gave no device code that can be understood") from None
    return code


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value


def _address(value: Any) -> str:
    text = str(value or "")
    if text and urlsplit(text).scheme not in ("https", "http"):
        raise ValueError
    return text


def wait(
    client: Client,
    provider: str,
    code: Code,
    *,
    pause: Callable[[float], object] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Answer:
    """Ask until the person has agreed, and return the tokens.

    Raises ``LoginFailedError`` where the person refuses or the code ends.
    """
    ends = now() + code.expires_in_s
    interval = code.interval_s
    while True:
        pause(interval)
        if now() >= ends:
            raise LoginFailedError(f"the code for {provider} has ended before anybody agreed")
        try:
            answer = client.poll_device(code.answer)
        except UnreachableError:
            # "Unilaterally reduce their polling frequency": section 3.5.
            interval *= 2
            continue
        error = code_in(answer)
        if error == "slow_down":
            interval += SLOWER_S
        elif error in DENIED:
            raise LoginFailedError(f"the log-in was refused at {provider}")
        elif error in LATE:
            raise LoginFailedError(f"the code for {provider} has ended before anybody agreed")
        elif error != "authorization_pending":
            if said := error_in(answer, str(code.answer["device_code"])):
                raise OAuthError(f"{provider} gives no token ({said}){advice_on(error)}")
            return answer
