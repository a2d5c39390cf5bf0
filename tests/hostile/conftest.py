"""An archive to be attacked."""

import shutil
from pathlib import Path

import pytest

from tests.support.victim import Victim


@pytest.fixture(scope="session")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Victim:
    """Made once, for copies: making it takes longer than most attacks."""
    return Victim.made(tmp_path_factory.mktemp("unharmed") / "archive")


@pytest.fixture
def victim(unharmed: Victim, tmp_path: Path) -> Victim:
    return Victim(shutil.copytree(unharmed.root, tmp_path / "archive"))
