"""From a configured account with ``oauth`` to what gives its access tokens."""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from poparchive import credentials
from poparchive.cli import output
from poparchive.cli.paths import user_state
from poparchive.config import Account, OAuth
from poparchive.errors import PoparchiveError, UsageError

if TYPE_CHECKING:
    from poparchive.oauth.client import Client
    from poparchive.oauth.providers import Provider
    from poparchive.oauth.source import TokenSource
    from poparchive.oauth.store import Store

SOON_S = 3 * 86400
"""So long before a log-in is known to end, ``status`` says so."""


def oauth_of(account: Account) -> OAuth:
    """Raises ``UsageError`` for an account that logs in with a password."""
    if account.oauth is None:
        raise UsageError(
            f"account {account.name} logs in with a password; for OAuth2 write"
            ' oauth = { provider = "...", client_id = "..." } in its place'
        )
    return account.oauth


def client_of(account: Account, provider: "Provider") -> "Client":
    """What asks the provider."""
    reference = oauth_of(account).client_secret
    if provider.authority and reference is None:
        from poparchive.oauth.microsoft import MsalClient

        return MsalClient(provider)
    from poparchive.oauth.client import HttpClient

    if reference is None:
        return HttpClient(provider)
    return HttpClient(provider, lambda: credentials.fetch(reference, account=account.name).reveal())


def owner_of(account: Account, provider: "Provider") -> str:
    """Whose tokens these are. Those of another user, client or provider must not be used in their place."""
    return " ".join((provider.token_url, provider.client_id, account.user))


def store_of(account: Account, owner: str) -> "Store":
    """The keyring or the file that the configuration names, else a file in the user's state directory."""
    from poparchive.oauth.store import FileStore, KeyringStore

    oauth = oauth_of(account)
    if oauth.token_file is not None:
        return FileStore(oauth.token_file)
    # Two configurations may each have an account of this name.
    digest = hashlib.sha256(f"{account.name}\0{owner}".encode()).hexdigest()[:16]
    name = re.sub(r"[^A-Za-z0-9@+_-]", "_", account.name)
    path: Path = user_state() / "oauth" / f"{name}-{digest}.json"
    if oauth.token_keyring is None:
        return FileStore(path)
    entry = credentials.KeyringEntry(oauth.token_keyring, account.name)
    return KeyringStore(entry, f"keyring {oauth.token_keyring!a}", path.with_suffix(".lock"))


def source_of(account: Account) -> "TokenSource":
    """Gives the account's access tokens."""
    from poparchive.oauth.providers import provider_of
    from poparchive.oauth.source import TokenSource

    provider = provider_of(oauth_of(account))
    owner = owner_of(account, provider)
    return TokenSource(
        account.name,
        provider.name,
        owner,
        store_of(account, owner),
        client_of(account, provider),
        lifetime_s=provider.login_lifetime_s,
    )


def remark(account: Account, now: float) -> tuple[str, bool]:
    """What ``status`` has to say about an account's log-in, and whether a person is needed now."""
    if account.oauth is None:
        return "", False
    todo = f"run: poparchive account login {account.name}"
    try:
        standing = source_of(account).standing()
    except PoparchiveError as error:
        return f"{account.name}: {output.visible(str(error))}; {todo}", True
    ended = standing.ends_at is not None and standing.ends_at <= now
    if standing.needed or ended:
        reason = standing.needed or "it has ended"
        return f"{account.name}: needs a log-in: {output.visible(reason)}; {todo}", True
    if standing.ends_at is not None and standing.ends_at - now < SOON_S:
        return (
            f"{account.name}: its log-in ends {output.human_date(standing.ends_at)}"
            f" unless the provider renews it before; {todo}",
            False,
        )
    return "", False
