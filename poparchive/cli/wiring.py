"""From an account of the configuration to what the POP3 client takes."""

from poparchive import credentials
from poparchive.config import Account
from poparchive.pop3.client import Endpoint, Login, Timeouts, TlsMode


def endpoint(account: Account) -> Endpoint:
    """Where to connect, and how private that has to be."""
    return Endpoint(
        host=account.host,
        port=account.port,
        tls=TlsMode(account.tls),
        allow_insecure=account.allow_insecure,
        ca_file=account.ca_file,
        fingerprint=account.tls_fingerprint,
    )


def login(account: Account) -> Login:
    """Who to be there. The password is fetched when the client asks for it, at each login."""

    def secret() -> str:
        return credentials.fetch(account.password, account=account.name).reveal()

    return Login(user=account.user, secret=secret, auth=account.auth)


def timeouts(account: Account) -> Timeouts:
    """How long to wait for what."""
    return Timeouts(
        connect_s=account.connect_timeout_s,
        reply_s=account.reply_timeout_s,
        stall_s=account.stall_timeout_s,
    )
