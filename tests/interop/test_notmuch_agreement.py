"""poparchive and notmuch find the same in the same mail, but for reasons that a page names."""

import re
import shutil
from pathlib import Path

import pytest

from tests.interop.agreement.compare import Comparison, sample
from tests.interop.agreement.programs import Mail
from tests.interop.agreement.queries import Atom
from tests.interop.agreement.reading import Reading
from tests.interop.agreement.rules import RULES, Difference, explained
from tests.support.corpus import corpus_missing

PAGE = Path(__file__).parents[2] / "docs" / "search-notmuch.md"
MESSAGES = 1_500
SEED = 20
LEAST_IDENTICAL = 0.6
LEAST_AGREEING = 0.7
VAGUE = ("damaged", "charsets", "words", "copies", "S/MIME")
"""Rules that say more of a message than of a word in it: they may not explain much."""
MOST_VAGUE = 0.02


def test_the_page_has_the_rules() -> None:
    """Each rule has a line on the page, and each line a rule."""
    said = re.findall(
        r"^\| ([^|]+?) \| (?:both|notmuch|poparchive) \|", PAGE.read_text(), re.MULTILINE
    )
    assert sorted(said) == sorted(RULES)


PLAIN = (
    b"From: Anna <anna@example.com>\r\nTo: office@example.com\r\nSubject: Figures\r\n"
    b"Date: Mon, 12 Feb 2024 08:30:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n"
    b"The paper is in the drawer.\r\n"
)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    "atom",
    [
        Atom("word", "drawer"),
        Atom("stem", "paper"),
        Atom("phrase", "in the drawer"),
        Atom("prefix", "draw"),
        Atom("phrase", "absent"),
        Atom("phrase", "anna@example.com", "from"),
        Atom("phrase", "figures", "subject"),
        Atom("date", "2024-02-12"),
    ],
)
def test_nothing_explains_a_message_that_is_lost(atom: Atom, *, ours: bool) -> None:
    """The rules are no excuse: a plain message that one program alone finds, or does not, is a fault."""
    readings = (Reading(Mail("plain.eml", PLAIN)),)
    assert explained(Difference(atom, ours=ours, readings=readings, known=True)) is None


def test_every_difference_is_explained(tmp_path: Path) -> None:
    """500 queries find the same in both, or a rule that holds for the message says why not; most of
    what they find is the same."""
    if reason := corpus_missing():
        pytest.skip(reason)
    if not shutil.which("notmuch"):
        pytest.skip("notmuch is missing (Debian: notmuch)")
    report = Comparison(sample(MESSAGES, seed=5), tmp_path).ask(SEED)
    print(report)
    assert not report.unexplained, "\n".join(report.unexplained)
    assert sum(asked for _, asked in report.identical.values()) == 500
    assert report.identical_share >= LEAST_IDENTICAL
    assert report.agreeing_share >= LEAST_AGREEING
    vague = sum(report.rules[name] for name in VAGUE)
    assert vague <= MOST_VAGUE * (report.both + report.ours + report.theirs)
