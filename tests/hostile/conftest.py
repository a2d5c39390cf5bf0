"""An archive to be attacked."""

from pathlib import Path

import pytest

from tests.support.victim import Victim


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    return Victim.made(tmp_path / "archive")
