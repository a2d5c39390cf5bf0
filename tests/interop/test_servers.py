"""The life of an account at each real server, over each connection and login; see ``matrix``."""

from pathlib import Path

import pytest

from tests.interop import matrix
from tests.interop.report import MAKER, PAGE
from tests.interop.rules import RULES
from tests.support import tables
from tests.support.servers import KINDS, kind_missing

pytestmark = pytest.mark.interop


def need(name: str) -> None:
    missing = kind_missing(name)
    if missing:
        pytest.skip(missing)


def failures(outcomes: list[matrix.Outcome]) -> list[str]:
    return [f"{one.way.account}, {one.case}: {one.said}" for one in outcomes if one.said]


@pytest.mark.parametrize("name", KINDS)
def test_every_way_keeps_every_octet(name: str, tmp_path: Path) -> None:
    """Empty, full, again, in use, deleted: each way does it, and what is kept is what was sent."""
    need(name)
    outcomes = matrix.live(name, tmp_path, every=False)
    assert failures(outcomes) == []
    assert {one.case for one in outcomes} == set(matrix.CASES)


@pytest.mark.parametrize("name", [name for name in KINDS if not KINDS[name].twin])
def test_a_refused_login_is_told(name: str, tmp_path: Path) -> None:
    """The error has account and command, the exit code is 1, and no secret is shown."""
    need(name)
    assert failures(matrix.refusals(name, tmp_path)) == []


def test_every_server_has_its_rules() -> None:
    """What can be started can be judged."""
    assert set(RULES) == set(KINDS)


def test_the_page_has_every_server_and_connection() -> None:
    """The table in docs/servers.md is of this matrix, and complete."""
    found = {(row[0].split(" ")[0], row[1]) for row in tables.rows(PAGE, MAKER)}
    wanted = {(name.split(" ")[0], tls) for name, kind in KINDS.items() for tls in kind.tls}
    assert wanted <= found
