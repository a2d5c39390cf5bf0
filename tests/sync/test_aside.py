"""Which message is set aside when one ends sessions, whatever number it has by then."""

from poparchive.model import Fate, Listed, Listing, column
from poparchive.pop3 import ClosedError
from poparchive.sync.aside import Aside
from poparchive.sync.plan import Numbered, Policy


def parts(aside: Aside, *entries: Listed) -> list[list[Listed]]:
    """What is asked for together, then what is asked for alone."""
    wanted = Numbered(Listing.of(entries), column(0 for _ in entries))
    arranged, alone = aside.arrange(wanted)
    found = list(arranged.entries)
    many = len(found) - alone
    return [found[:many], *([one] for one in found[many:])]


def set_aside(aside: Aside, entry: Listed) -> None:
    """The sessions of one pull that ``entry`` ends: an accident, and the proof that it was none."""
    assert aside.judge(entry, ClosedError("gone")) is None
    verdict = aside.judge(entry, ClosedError("gone"))
    assert verdict
    assert verdict[0] is Fate.QUARANTINED


def test_numbers_shift_when_mail_is_deleted() -> None:
    """The one that was set aside stays so under its new number; who has its old number is asked for."""
    aside = Aside(Policy())
    set_aside(aside, Listed(3, b"bad", 70))
    bad, next_one = Listed(1, b"bad", 70), Listed(3, b"good", 70)
    assert parts(aside, bad, next_one) == [[next_one]]


def test_a_suspect_is_known_under_another_number() -> None:
    """One accident, then the numbers shift: it still comes last and alone, and a second one decides."""
    aside = Aside(Policy())
    assert aside.judge(Listed(3, b"bad", 70), ClosedError("gone")) is None
    bad, other = Listed(1, b"bad", 70), Listed(3, b"good", 70)
    assert parts(aside, bad, other) == [[other], [bad]]
    assert aside.judge(bad, ClosedError("gone"))


def test_a_uidl_with_another_size_is_another_message() -> None:
    """popa3d gives mails with equal headers one UIDL."""
    aside = Aside(Policy())
    set_aside(aside, Listed(1, b"same", 70))
    other = Listed(2, b"same", 71)
    assert parts(aside, Listed(1, b"same", 70), other) == [[other]]


def test_of_equal_ones_as_many_are_set_aside_as_ended_sessions() -> None:
    """Where UIDL and size are those of two, the one that failed was the first to be asked for."""
    aside = Aside(Policy())
    first, second = Listed(1, b"same", 70), Listed(2, b"same", 70)
    set_aside(aside, first)
    assert parts(aside, first, second) == [[], [second]]
    assert aside.judge(second, ClosedError("gone"))
    assert parts(aside, first, second) == [[]]


def test_without_uidl_the_number_tells() -> None:
    """Nothing is deleted from such a mailbox, and other messages of that size are no reason to wait."""
    aside = Aside(Policy())
    first, second = Listed(1, b"", 70), Listed(2, b"", 70)
    set_aside(aside, second)
    assert parts(aside, first, second) == [[first]]
