"""Providers as data: where each is asked, for what, and what is particular about it.

Sources. Microsoft Learn: "Authenticate an IMAP, POP or SMTP connection using OAuth" (the scope), "Microsoft
identity platform and the OAuth 2.0 device authorization grant flow" and "... authorization code flow"
(endpoints and tenants), "Refresh tokens in the Microsoft identity platform" (how long they last), "Redirect
URI (reply URL) outline and restrictions". Google for Developers: "OAuth 2.0 XOAUTH2 mechanism" of Gmail (the
scope), "OAuth 2.0 for Desktop Apps" (endpoints, loopback, PKCE, client secret), "OAuth 2.0 for TV and
Limited-Input Device Applications" (what device codes are good for), "Using OAuth 2.0 to Access Google APIs"
(how long refresh tokens last).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

DAY_S: Final = 86400

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Preset:
    """What is known of a provider. Endpoints may have ``{authority}`` and ``{tenant}`` in them."""

    scopes: tuple[str, ...]
    token_url: str
    authorization_url: str
    device_url: str | None = None
    authority: str = ""
    tenant: str = ""
    redirect_host: str = "127.0.0.1"
    parameters: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """What the authorization request needs besides the standard's, so that a refresh token comes of it."""
    login_lifetime_s: int | None = None
    """How long a refresh token lasts from when it was given, where the provider's answers do not say."""


PRESETS: Mapping[str, Preset] = {
    "microsoft": Preset(
        scopes=("https://outlook.office.com/POP.AccessAsUser.All", "offline_access"),
        token_url="{authority}/{tenant}/oauth2/v2.0/token",  # noqa: S106 - an address
        authorization_url="{authority}/{tenant}/oauth2/v2.0/authorize",
        device_url="{authority}/{tenant}/oauth2/v2.0/devicecode",
        authority="https://login.microsoftonline.com",
        tenant="common",
        # What the registration's form takes; it refuses http://127.0.0.1. The port is not compared.
        redirect_host="localhost",
        # Each refresh gives a new one, with its own 90 days.
        login_lifetime_s=90 * DAY_S,
    ),
    # No device_url: Google gives no access to mail by device code, whose scopes it lists. No
    # login_lifetime_s: a refresh token is not replaced, and ends after six months without use, at
    # the next change of the password, and after 7 days while the registration is in "testing".
    "google": Preset(
        scopes=("https://mail.google.com/",),
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address
        authorization_url="https://accounts.google.com/o/oauth2/v2/auth",
        parameters=MappingProxyType({"access_type": "offline", "prompt": "consent"}),
    ),
}


class Settings(Protocol):
    """What the configuration says; ``config.OAuth`` is one."""

    @property
    def provider(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def scopes(self) -> tuple[str, ...]: ...
    @property
    def authority(self) -> str | None: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def authorization_url(self) -> str | None: ...
    @property
    def device_url(self) -> str | None: ...
    @property
    def token_url(self) -> str | None: ...
    @property
    def login_lifetime_s(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider as one account uses it."""

    name: str
    client_id: str
    scopes: tuple[str, ...]
    token_url: str
    authorization_url: str | None = None
    device_url: str | None = None
    authority: str | None = None
    """What msal is to be told; None where its endpoints are given one by one."""
    foreign_authority: bool = False
    """The authority is not the preset's, so msal must not ask the preset's about it."""
    redirect_host: str = "127.0.0.1"
    parameters: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    login_lifetime_s: int | None = None


def provider_of(settings: Settings) -> Provider:
    """The preset of that name with what the configuration puts in its place, or the configuration alone."""
    preset = PRESETS.get(settings.provider) or Preset((), "", "")
    authority = settings.authority or preset.authority
    tenant = settings.tenant or preset.tenant
    own = (settings.authorization_url, settings.device_url, settings.token_url)

    def endpoint(given: str | None, known: str | None) -> str | None:
        filled = (known or "").replace("{authority}", authority).replace("{tenant}", tenant)
        return given or filled or None

    return Provider(
        settings.provider,
        settings.client_id,
        settings.scopes or preset.scopes,
        endpoint(settings.token_url, preset.token_url) or "",
        endpoint(settings.authorization_url, preset.authorization_url),
        endpoint(settings.device_url, preset.device_url),
        f"{authority}/{tenant}" if authority and not any(own) else None,
        authority != preset.authority,
        preset.redirect_host,
        preset.parameters,
        settings.login_lifetime_s or preset.login_lifetime_s,
    )
