"""An identity provider, and an account that logs in there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from poparchive.cli import output
from tests.oauth.accounts import Home
from tests.support.idp import IdentityProvider, running


@pytest.fixture
def idp() -> Iterator[IdentityProvider]:
    with running(IdentityProvider()) as provider:
        yield provider


@pytest.fixture
def home(idp: IdentityProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A configuration with the account "office", and a state directory of its own."""
    made = Home(tmp_path, idp)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    output.set_verbosity(0)
    made.configure()
    return made
