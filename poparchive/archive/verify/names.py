"""Names for what is damaged: sentences about it, and messages by the journal where the catalog fails."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext

from poparchive.archive.scan import Scan
from poparchive.archive.scrub import MAX_DAMAGES
from poparchive.archive.verify.findings import Bad, Damage, Kind
from poparchive.index.shadow import Origin, Shadow
from poparchive.store.errors import StoreError
from poparchive.store.layout import Layout
from poparchive.store.pack import PACK_HEADER_BYTES


def day(moment: int) -> str:
    """A date for a sentence, UTC; what no calendar has is shown as it is."""
    try:
        return time.strftime("%Y-%m-%d", time.gmtime(moment))
    except (OverflowError, OSError, ValueError):
        return f"@{moment}"


def sentence(damage: Damage) -> str:
    """Say it in one line. The text of mail in it is as it came."""
    message = damage.message
    if message is None:
        return damage.what
    return (
        f"{', '.join(damage.accounts) or 'no account'}, {day(message.date)}, from {message.sender}:"
        f" {message.subject} ({message.id.hex()[:12]}): {damage.what}"
    )


class Found:
    """What a run found: kinds, and the first sentences."""

    def __init__(self) -> None:
        self.kinds: set[Kind] = set()
        self.sentences: list[str] = []

    def append(self, damage: Damage) -> None:
        """A message that cannot be read comes twice: when it is met, and when it is told."""
        self.kinds.add(damage.kind)
        if len(self.sentences) < MAX_DAMAGES and (told := sentence(damage)) not in self.sentences:
            self.sentences.append(told)


def without_catalog(layout: Layout, shadow: Shadow, bad: Sequence[Bad]) -> Iterator[Damage]:
    """Find out from journal and packs alone which messages cannot be made, and name them by account and
    UIDL. Only where octets of packs are bad: else a rebuild is all that is needed."""
    if not bad:
        return
    with _scanned(layout, shadow, bad) as scan:
        shadow.lack(message for message in shadow.messages() if scan.find(message) is None)
    for message, origins in shadow.lacking():
        yield _unmade(message, origins, bad)


def lacking(layout: Layout, shadow: Shadow, bad: Sequence[Bad]) -> Iterator[Damage]:
    """Name the messages that the journal has and the catalog lacks, by account and UIDL. Where octets of
    packs are bad, what cannot be made from the packs is told from what a rebuild brings back."""
    if next(shadow.lacking_ids(), None) is None:
        return
    with _scanned(layout, shadow, bad) if bad else nullcontext() as scan:
        for message, origins in shadow.lacking():
            if scan is not None and scan.find(message) is None:
                yield _unmade(message, origins, bad)
                continue
            yield _named(
                f"message {message.hex()} is in the journal and not in the catalog ({_where(origins)});"
                " `poparchive rebuild` finds it if a pack has it",
                message,
                origins,
                Kind.CATALOG,
            )


def _unmade(message: bytes, origins: Sequence[Origin], bad: Sequence[Bad]) -> Damage:
    what = f"message {message.hex()} cannot be made from what the packs hold ({_where(origins)})"
    kind = Kind.NEWER if all(one.newer for one in bad) else Kind.MESSAGE
    return _named(what, message, origins, kind)


def _named(what: str, message: bytes, origins: Sequence[Origin], kind: Kind) -> Damage:
    accounts = sorted({one.account for one in origins} - {""})
    return Damage(what, None, tuple(accounts), kind, message)


def _where(origins: Sequence[Origin]) -> str:
    return "; ".join(
        f"UIDL {one.uidl!a} of account {one.account}, kept {day(one.time)}"
        if one.account
        else "of no account"
        for one in origins
    )


@contextmanager
def _scanned(layout: Layout, shadow: Shadow, bad: Sequence[Bad]) -> Iterator[Scan]:
    """Give what finds messages in all that can be read of the packs."""
    with closing(Scan(layout)) as scan:
        for number, (length, _) in sorted(shadow.packs().items()):
            _read(scan, number, length, [one for one in bad if one.pack == number])
        yield scan


def _read(scan: Scan, number: int, length: int, bad: Sequence[Bad]) -> None:
    """Note what the frames of a pack hold between the octets that are bad."""
    at = PACK_HEADER_BYTES
    gaps = {one.start: one.end for one in bad}
    while at < length:
        if at in gaps:
            at = max(gaps[at], at + 1)
            continue
        try:
            frame = scan.reader.frame(number, at)
        except StoreError:
            return
        scan.add(frame)
        at = frame.end
