"""``poparchive account login``: a person logs in once, so that pulls have access tokens from then on.

What to open and to type is a result, on standard output; all else goes to standard error.
"""

import enum
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from poparchive.cli import output
from poparchive.cli.paths import Settings
from poparchive.errors import UsageError

if TYPE_CHECKING:
    from poparchive.oauth.client import Client
    from poparchive.oauth.providers import Provider
    from poparchive.oauth.tokens import Answer

pause = time.sleep
"""How a log-in by device code waits between two questions."""


class Flow(enum.StrEnum):
    """The way in which a person agrees."""

    DEVICE = "device"
    """By a code that is typed into a browser on any machine (RFC 8628)."""
    BROWSER = "browser"
    """By a browser on this machine, or with ``--no-browser`` on any other (RFC 8252)."""


def login(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The account.")],
    no_browser: Annotated[
        bool,
        typer.Option("--no-browser", help="Print the address, and take the answer by hand."),
    ] = False,
    flow: Annotated[
        Flow | None,
        typer.Option(metavar="device|browser", help="By default what the provider is best at."),
    ] = None,
) -> None:
    """Log an OAuth2 account in at its provider; pulls then need nobody."""
    from poparchive.cli import tokens
    from poparchive.oauth.providers import provider_of
    from poparchive.oauth.tokens import tokens_of

    settings = Settings.of(context)
    account = settings.config().account(name)
    oauth = tokens.oauth_of(account)
    settings.start_logging(told=True)
    provider = provider_of(oauth)
    chosen = _flow(provider, flow, no_browser=no_browser)
    client = tokens.client_of(account, provider)
    owner = tokens.owner_of(account, provider)
    store = tokens.store_of(account, owner)
    store.prepare()
    if chosen is Flow.DEVICE:
        answer = _device(client, provider)
    elif no_browser:
        answer = _by_hand(client, provider, account.user)
    else:
        answer = _browser(client, provider, account.user)
    made = tokens_of(
        answer, now=int(time.time()), owner=owner, lifetime_s=provider.login_lifetime_s
    )
    with store.lock():
        store.save(made)
    output.note(f"{name} is logged in; its tokens are in {store.place}")
    if made.refresh_token is None:
        output.problem(
            f"{name}: {provider.name} gave no refresh token, so this lasts only until"
            f" {output.human_date(made.expires_at)}; it may want a scope such as offline_access"
        )
    output.note(f"next: poparchive account test {name}")


def _flow(provider: "Provider", wanted: Flow | None, *, no_browser: bool) -> Flow:
    """The way to take. Raises ``UsageError`` for one that the provider does not have."""
    if no_browser:
        if wanted is Flow.DEVICE:
            raise UsageError("--no-browser is for --flow browser; --flow device needs none here")
        wanted = Flow.BROWSER
    chosen = wanted or (Flow.DEVICE if provider.device_url else Flow.BROWSER)
    url = provider.device_url if chosen is Flow.DEVICE else provider.authorization_url
    if not url:
        key, other = (
            ("device_url", "--flow browser, perhaps with --no-browser")
            if chosen is Flow.DEVICE
            else ("authorization_url", "--flow device")
        )
        raise UsageError(
            f"{provider.name} has no {key}, so there is no log-in by {chosen}; use {other}"
        )
    return chosen


def _device(client: "Client", provider: "Provider") -> "Answer":
    from poparchive.oauth import device

    code = device.begin(client, provider.name)
    output.note("Open this address in a browser on any machine, and type the code there:")
    output.result(f"address  {output.visible(code.address)}")
    output.result(f"code     {output.visible(code.user_code)}")
    if code.complete_address:
        output.result(f"or       {output.visible(code.complete_address)}")
    sys.stdout.flush()
    output.note(
        f"Waiting for that, for up to {output.human_duration(code.expires_in_s)}. Agree only if"
        " you began this yourself."
    )
    return device.wait(client, provider.name, code, pause=pause)


def _browser(client: "Client", provider: "Provider", user: str) -> "Answer":
    from poparchive.oauth import browser

    with browser.Listener(provider.redirect_host) as listener:
        attempt = client.begin_browser(listener.redirect_uri, user)
        listener.expect(attempt)
        output.note("Open this address in a browser on this machine, and log in there:")
        output.result(output.visible(attempt.url))
        sys.stdout.flush()
        output.note("Waiting for the answer. With a browser elsewhere, use --no-browser.")
        _open(attempt.url)
        answer = listener.wait()
    return browser.redeem(attempt, answer, provider.name)


def _by_hand(client: "Client", provider: "Provider", user: str) -> "Answer":
    from poparchive.oauth import browser

    attempt = client.begin_browser(browser.free_redirect_uri(provider.redirect_host), user)
    output.note("Open this address in any browser, and log in there:")
    output.result(output.visible(attempt.url))
    sys.stdout.flush()
    output.note(
        "In the end the browser shows a page that cannot be reached, which is meant. Copy the whole"
        " address from its address line, paste it here and press Enter:"
    )
    answer = browser.pasted(sys.stdin.readline(), attempt)
    return browser.redeem(attempt, answer, provider.name)


def _open(url: str) -> None:
    """Opens the address where there is a desktop; a browser for terminals would take this one over."""
    if sys.platform == "darwin" or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    ):
        import webbrowser

        webbrowser.open(url)
