"""Which server an address belongs to, as its domain says in DNS (RFC 6186).

Whoever can answer our look-ups can name a server of theirs here, and have a good certificate for
it. So this is asked once, when an account is added, and what was taken is said for a person to
read; pulls do what stands in the configuration.
"""

from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from poparchive.config import Tls
from poparchive.errors import UsageError

LOOKUP_S = 10
"""For all questions about one name together."""

SERVICES = {Tls.IMPLICIT: "_pop3s._tcp", Tls.STARTTLS: "_pop3._tcp"}
"""In the order in which they are preferred: TLS from the start (RFC 8314 section 3)."""


@dataclass(frozen=True, slots=True)
class Server:
    """What a domain names as its server for POP3."""

    host: str
    port: int
    tls: Tls
    record: str
    """The DNS name that says so."""
    foreign: bool
    """It is not within the address's domain; with hosted mail this is as it should be."""

    def __str__(self) -> str:
        how = "TLS from the start" if self.tls is Tls.IMPLICIT else "STLS"
        text = f"{self.record} names {self.host}, port {self.port}, with {how}"
        return f"{text}; is that your provider?" if self.foreign else text


def find_server(
    address: str, tls: Tls | None = None, resolver: dns.resolver.Resolver | None = None
) -> Server:
    """The POP3 server of a mail address, for one way into TLS or for the better one that there is.

    Raises ``UsageError`` where none is named, or nobody answers.
    """
    _, at, domain = address.rpartition("@")
    if not at or not domain:
        raise UsageError(f"{address!r} is no mail address whose server could be looked up: {HINT}")
    if tls is Tls.NONE:
        raise UsageError(f"servers without TLS are not looked up: {HINT}")
    refused = []
    for way in [tls] if tls else SERVICES:
        record = f"{SERVICES[way]}.{domain}"
        try:
            entries = _ask(record, resolver or dns.resolver.get_default_resolver())
        except dns.exception.DNSException as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise UsageError(f"{record} could not be looked up ({reason}): {HINT}") from error
        if entries:
            best = min(entries, key=lambda entry: (entry.priority, -entry.weight))
            if best.target != dns.name.root:
                foreign = not best.target.is_subdomain(dns.name.from_text(domain))
                host = best.target.to_text(omit_final_dot=True)
                return Server(host, best.port, way, record, foreign)
        refused.append(record)
    raise UsageError(f"{domain} names no server in DNS ({', '.join(refused)}): {HINT}")


HINT = "give the server with --host"


def _ask(record: str, resolver: dns.resolver.Resolver) -> list[SRV]:
    """The entries of a SRV record; none where there is no such name."""
    try:
        answer = resolver.resolve(record, dns.rdatatype.SRV, search=False, lifetime=LOOKUP_S)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return [entry for entry in answer if isinstance(entry, SRV)]
