"""Where an account is treated otherwise than poparchive's rules for servers say."""

from poparchive.config.values import Account, Tls


def exceptions_of(account: Account) -> list[str]:
    """A sentence for each exception that the configuration makes; none for most accounts."""
    found = []
    if account.tls is Tls.NONE:
        found.append("there is no TLS, so that everyone on the way can read the mail")
    elif account.allow_insecure:
        found.append("allow_insecure is set, although TLS is in use")
    if account.tls_minimum < "1.2":
        found.append(
            f"TLS {account.tls_minimum} is allowed, and with it OpenSSL's lowest security level"
        )
    if account.tls_legacy:
        found.append("old ciphers, short keys and unsafe renegotiation are allowed")
    if account.tls_fingerprint:
        found.append("the certificate is pinned, so that its name, dates and issuer do not count")
    return found
