"""A DNS server on loopback, over UDP, that knows a few SRV records."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset

TTL_S = 60


@contextmanager
def nameserver(
    records: Mapping[str, Sequence[str]], *, failing: bool = False
) -> Iterator[dns.resolver.Resolver]:
    """A resolver that asks a server with these records (name, without the last dot, to SRV data).

    An empty sequence is a name without SRV records; what is not there is no name. A server that is
    ``failing`` answers everything with SERVFAIL.
    """

    def serve() -> None:
        with suppress(OSError):
            while True:
                octets, client = server.recvfrom(4096)
                if not octets:
                    return
                answer = _answer(dns.message.from_wire(octets), records, failing)
                server.sendto(answer.to_wire(), client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=serve)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = server.getsockname()[1]
        try:
            yield resolver
        finally:
            server.sendto(b"", server.getsockname())
            thread.join()


def _answer(
    query: dns.message.Message, records: Mapping[str, Sequence[str]], failing: bool
) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    name = query.question[0].name.to_text(omit_final_dot=True).lower()
    if failing:
        answer.set_rcode(dns.rcode.SERVFAIL)
    elif name not in records:
        answer.set_rcode(dns.rcode.NXDOMAIN)
    elif records[name]:
        answer.answer.append(
            dns.rrset.from_text_list(query.question[0].name, TTL_S, "IN", "SRV", records[name])
        )
    return answer
