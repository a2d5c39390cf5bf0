"""Access tokens for pulls: refreshed in time and once, saved before use, and clear words where not."""

import dataclasses
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from poparchive.cli.jobs import job_of
from poparchive.cli.tokens import client_of
from poparchive.errors import TryLaterError
from poparchive.oauth.errors import LoginNeededError, OAuthError, StoreError, UnreachableError
from poparchive.oauth.providers import provider_of
from poparchive.oauth.source import EARLY_S, STILL_GOOD_S, TokenSource
from poparchive.oauth.store import FileStore, Store
from poparchive.oauth.tokens import Tokens
from tests.oauth.accounts import NOW, Home
from tests.support.idp import SECRET, IdentityProvider


@dataclasses.dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def source_at(home: Home, clock: Clock, store: Store | None = None) -> TokenSource:
    """The account's source by the test's clock."""
    account = home.account
    assert account.oauth
    provider = provider_of(account.oauth)
    client = client_of(account, provider)
    return TokenSource(
        account.name, provider.name, home.owner, store or home.store, client, now=clock
    )


def failure(source: TokenSource, kind: type[OAuthError], *, fresh: bool = False) -> str:
    """The error's text, which names the account and has nothing secret in it, nor in its traceback."""
    with pytest.raises(kind) as caught:
        source(fresh)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("account office: ")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_refreshed_before_its_end_and_not_earlier(home: Home, clock: Clock) -> None:
    """A token is used until five minutes before its end; then another one is had."""
    first = home.log_in(NOW).access_token
    source = source_at(home, clock)
    clock.now = NOW + 3600 - EARLY_S - 1
    assert source(False) == first
    assert home.idp.refreshes == 0
    clock.now += 1
    second = source(False)
    assert second == home.idp.access_tokens[-1] != first
    assert source(False) == second
    assert home.idp.refreshes == 1
    assert home.kept().refresh_token in home.idp.live


def test_fresh_is_another_token(home: Home, clock: Clock) -> None:
    """What a server refused is not handed out again, whatever its time."""
    home.log_in(NOW)
    source = source_at(home, clock)
    first = source(False)
    second = source(True)
    assert first != second == home.idp.access_tokens[-1]
    assert source(False) == second
    # Somebody else has refreshed meanwhile: that one is fresh for us.
    third = source_at(home, clock)(True)
    assert source(True) == third
    assert home.idp.refreshes == 2


def test_refresh_tokens_that_stay(home: Home, clock: Clock) -> None:
    """A provider that does not replace its refresh token is asked with the same one again."""
    home.idp.rotate = False
    kept = home.log_in(NOW, refresh_token_expires_in=1000)
    source = source_at(home, clock)
    source(True)
    source(True)
    assert home.idp.refreshes == 2
    assert home.kept().refresh_token == kept.refresh_token
    assert home.kept().login_ends_at == NOW + 1000


def test_nobody_has_logged_in(home: Home, clock: Clock) -> None:
    """Without tokens, or with those of another configuration, the command to run is named."""
    wanted = "poparchive account login office"
    assert wanted in failure(source_at(home, clock), LoginNeededError)
    home.configure(token_file="tokens.json")
    home.log_in(NOW)
    assert source_at(home, clock)(False)
    home.configure(user="another@example.org", token_file="tokens.json")
    assert wanted in failure(source_at(home, clock), LoginNeededError)
    assert home.idp.seen == []


def test_login_taken_back(home: Home, clock: Clock) -> None:
    """``invalid_grant`` means that a person is needed, and is remembered until it goes well again."""
    home.log_in(NOW)
    before = set(home.idp.live)
    home.idp.revoke()
    source = source_at(home, clock)
    text = failure(source, LoginNeededError, fresh=True)
    assert "invalid_grant" in text
    assert "poparchive account login office" in text
    assert "Trace" not in text
    assert "invalid_grant" in source.standing().needed
    # Some providers say so in passing; what was kept is tried again.
    home.idp.live |= before
    assert source(True)
    assert source.standing().needed == ""


def test_no_refresh_token(home: Home, clock: Clock) -> None:
    """Without a refresh token the access token is used to its end, and then a person is needed."""
    home.idp.gives_refresh_token = False
    home.log_in(NOW)
    source = source_at(home, clock)
    assert source(False)
    clock.now += 3600
    assert "offline_access" in failure(source, LoginNeededError)
    assert source.standing().needed


@pytest.mark.parametrize("answer", [500, 503, 429])
def test_provider_unwell(home: Home, clock: Clock, answer: int) -> None:
    """That is for later; while the old token lasts it is used, unless a server refused it."""
    kept = home.log_in(NOW)
    source = source_at(home, clock)
    home.idp.failures = [answer] * 3
    clock.now = NOW + 3600 - STILL_GOOD_S - 1
    assert source(False) == kept.access_token
    assert str(answer) in failure(source, UnreachableError, fresh=True)
    clock.now += 1
    failure(source, UnreachableError)
    assert issubclass(UnreachableError, TryLaterError)
    assert home.kept() == kept
    assert source(False) == home.idp.access_tokens[-1] != kept.access_token


@pytest.mark.parametrize(
    "answer", [302, 307, b"<html>", b'["access_token"]', b'{"token_type": "bearer"}']
)
def test_answers_that_are_none(home: Home, clock: Clock, answer: int | bytes) -> None:
    """What is not OAuth2's is an error to mend, redirects are not followed, and nothing is lost."""
    kept = home.log_in(NOW)
    home.idp.failures = [answer]
    failure(source_at(home, clock), OAuthError, fresh=True)
    assert home.kept() == kept
    assert home.idp.asked("/elsewhere") == []


def test_wrong_client(home: Home, clock: Clock) -> None:
    """An error that a log-in would not mend points at the configuration; the secret is not in it."""
    kept = home.log_in(NOW)
    home.idp.client_secret = "another"
    text = failure(source_at(home, clock), OAuthError, fresh=True)
    assert "invalid_client" in text
    assert "configuration" in text
    assert home.kept() == kept


@dataclasses.dataclass(frozen=True)
class Full(FileStore):
    """A file on a disk that takes only so many saves more."""

    left: list[None]

    def save(self, tokens: Tokens) -> None:
        if not self.left:
            raise StoreError("the disk is full")
        self.left.pop()
        super().save(tokens)


def test_what_cannot_be_saved_is_not_asked_for(home: Home, clock: Clock) -> None:
    """A refresh token is not spent where its successor could not be kept, nor used where it was not."""
    kept = home.log_in(NOW)
    for saves in (0, 1):
        source = source_at(home, clock, Full(Path(home.store.place), [None] * saves))
        assert "full" in failure(source, StoreError, fresh=True)
        assert home.idp.refreshes == saves
    assert home.kept() == kept


def test_saved_before_it_is_used(home: Home, clock: Clock) -> None:
    """When an access token is handed out, the refresh token that came with it is on disk."""
    home.log_in(NOW)
    source = source_at(home, clock)
    for _ in range(3):
        token = source(True)
        assert home.kept().access_token == token
        assert home.idp.live == {home.kept().refresh_token}


SCRIPT = """
import pathlib, sys
from poparchive.cli.tokens import source_of
from poparchive.config import load
source = source_of(load(pathlib.Path(sys.argv[1])).account("office"))
print("ready", flush=True)
print(source(False))
"""


def test_two_processes_refresh_once(home: Home) -> None:
    """Two that find the token ended at the same time end up with the same new one; one has asked."""
    asked, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        assert go_on.wait(60)

    home.idp.before_refresh = hold
    home.log_in(NOW)
    config = home.directory / "config.toml"
    command = [sys.executable, "-c", SCRIPT, str(config)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other,
    ):
        assert one.stdout
        assert other.stdout
        for process in (one, other):
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        assert asked.wait(60)
        go_on.set()
        tokens = {one.stdout.read(), other.stdout.read()}
    assert (one.returncode, other.returncode) == (0, 0)
    assert tokens == {f"{home.kept().access_token}\n"}
    assert home.idp.refreshes == 1


def test_many_threads_refresh_once(home: Home, clock: Clock) -> None:
    """The lock holds between threads of one process, too."""
    home.log_in(NOW - 3600)
    sources = [source_at(home, clock) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda source: source(False), sources))
    assert tokens == {home.idp.access_tokens[-1]}
    assert home.idp.refreshes == 1


def test_jobs_say_what_is_for_later(home: Home) -> None:
    """A pull's job has the token; its errors are the account's, and for later where they are."""
    job = job_of(home.account)
    assert job.login.token
    with pytest.raises(Exception, match="account login office") as needed:
        job.login.token(False)
    assert not isinstance(needed.value, TryLaterError)
    home.log_in(NOW)
    home.idp.failures = [503]
    with pytest.raises(TryLaterError, match="503"):
        job.login.token(False)
    assert job.login.secret is None


def test_nothing_shows_a_token(idp: IdentityProvider, tmp_path: Path) -> None:
    """Reprs of what holds tokens hide them."""
    tokens = Tokens(f"{SECRET}-a", f"{SECRET}-r", NOW, "me")
    store = FileStore(tmp_path / "tokens")
    store.save(tokens)
    assert store.load() == tokens
    assert SECRET not in repr((tokens, store, [tokens]))
