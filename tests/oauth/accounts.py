"""A user's home with one account that has ``oauth``, and what tests do there."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from poparchive.cli.main import main
from poparchive.cli.tokens import owner_of, source_of, store_of
from poparchive.config import Account, load
from poparchive.oauth.providers import provider_of
from poparchive.oauth.source import TokenSource
from poparchive.oauth.store import Store
from poparchive.oauth.tokens import Tokens, tokens_of
from tests.support.idp import IdentityProvider

NOW = 1_700_000_000


def toml(value: object) -> str:
    """Inline TOML; JSON is that, but for tables."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


@dataclass(frozen=True, slots=True)
class Home:
    directory: Path
    idp: IdentityProvider

    @property
    def environment(self) -> dict[str, str]:
        config = str(self.directory / "config.toml")
        return {"XDG_STATE_HOME": str(self.directory / "state"), "POPARCHIVE_CONFIG": config}

    def configure(self, user: str = "me@example.org", **oauth: object) -> None:
        """Write the configuration; ``oauth`` goes over or, as None, out of what the provider says."""
        keys = {**self.idp.keys(), **oauth}
        table = toml({key: value for key, value in keys.items() if value is not None})
        (self.directory / "config.toml").write_text(
            f'archive = "archive"\n[accounts.office]\nhost = "pop.example.org"\nuser = "{user}"\n'
            f"oauth = {table}\n"
        )

    @property
    def account(self) -> Account:
        return load(self.directory / "config.toml").account("office")

    @property
    def owner(self) -> str:
        account = self.account
        assert account.oauth
        return owner_of(account, provider_of(account.oauth))

    @property
    def store(self) -> Store:
        return store_of(self.account, self.owner)

    @property
    def source(self) -> TokenSource:
        return source_of(self.account)

    def kept(self) -> Tokens:
        found = self.store.load()
        assert found
        return found

    def log_in(self, now: int, **more: object) -> Tokens:
        """As if somebody had logged in at ``now``."""
        answer = {**self.idp.tokens(refresh=self.idp.gives_refresh_token), **more}
        tokens = tokens_of(answer, now=now, owner=self.owner, lifetime_s=None)
        self.store.save(tokens)
        return tokens

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """``poparchive account ...`` in a process of its own, all three streams piped."""
        return subprocess.Popen(
            [sys.executable, "-m", "poparchive", "account", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment, **environment},
        )


def call(*arguments: str) -> int:
    """The command in this process; its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert isinstance(caught.value.code, int)
    return caught.value.code


def address_in(stream: IO[str] | None) -> str:
    """The next line that is an address."""
    assert stream
    return next(line for line in stream if line.startswith("http")).strip()


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def redirected(url: str) -> str:
    """Where a browser would be sent on to."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(_Stay).open(url, timeout=20)
    caught.value.close()
    return str(caught.value.headers["Location"])
