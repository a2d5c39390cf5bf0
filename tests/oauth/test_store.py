"""Where tokens are kept: whole, private, and never shown when they cannot be read."""

import contextlib
import json
import stat
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poparchive.credentials import CredentialError, KeyringEntry
from poparchive.oauth.errors import OAuthError, StoreError
from poparchive.oauth.store import FileStore, KeyringStore
from poparchive.oauth.tokens import Tokens, decode, encode, error_in, tokens_of
from tests.oauth.accounts import NOW
from tests.support.idp import SECRET

TOKENS = Tokens(f"{SECRET}-a", f"{SECRET}-r", NOW, "me")

texts = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def test_file(tmp_path: Path) -> None:
    """A file of mode 0600 in a directory of its own; nothing else is left beside it but its lock."""
    store = FileStore(tmp_path / "new" / "tokens.json")
    assert store.load() is None
    store.prepare()
    assert store.load() is None
    with store.lock():
        store.save(TOKENS)
        store.save(TOKENS)
    assert store.load() == TOKENS
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert sorted(path.name for path in store.path.parent.iterdir()) == [
        "tokens.json",
        "tokens.json.lock",
    ]


def test_link_stays_one(tmp_path: Path) -> None:
    """What a link leads to is replaced, not the link."""
    (tmp_path / "link").symlink_to("tokens")
    store = FileStore(tmp_path / "link")
    store.save(TOKENS)
    assert store.path.is_symlink()
    assert FileStore(tmp_path / "tokens").load() == TOKENS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_file_for_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Tokens that others can read are refused, with what to do."""
    store = FileStore(tmp_path / "tokens")
    store.save(TOKENS)
    store.path.chmod(mode)
    with pytest.raises(StoreError, match=f"chmod 600 {store.path}"):
        store.load()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", f'"{SECRET}"', "{}", f'{{"format": 1, "x": "{SECRET}"}}', "\0"]
)
def test_damaged(tmp_path: Path, text: str) -> None:
    """What is no token file is said so, without its text."""
    store = FileStore(tmp_path / "tokens")
    store.path.touch(0o600)
    store.path.write_text(text)
    with pytest.raises(StoreError) as caught:
        store.load()
    assert str(store.path) in str(caught.value)
    assert SECRET not in str(caught.value)
    store.path.write_bytes(b"\xff")
    with pytest.raises(StoreError):
        store.load()


def test_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a keyring, under the service and the account; a keyring that fails does not tell what it held."""
    entries: dict[tuple[str, str], str] = {}

    class KeyringError(Exception):
        pass

    def set_password(service: str, user: str, text: str) -> None:
        if service == "locked":
            raise KeyringError(text)
        entries[service, user] = text

    # A stand-in for the package, because a real keyring needs a desktop's session.
    package, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    vars(errors)["KeyringError"] = KeyringError
    vars(package).update(
        errors=errors,
        set_password=set_password,
        get_password=lambda service, user: entries.get((service, user)),
    )
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    store = KeyringStore(KeyringEntry("mail", "office"), "keyring 'mail'", tmp_path / "x" / "lock")
    store.prepare()
    assert store.load() is None
    with store.lock():
        store.save(TOKENS)
    assert store.load() == TOKENS
    assert set(entries) == {("mail", "office")}
    entries["mail", "office"] = SECRET
    with pytest.raises(StoreError) as broken:
        store.load()
    locked = KeyringStore(KeyringEntry("locked", "office"), "keyring", tmp_path / "lock")
    with pytest.raises(CredentialError) as caught:
        locked.save(TOKENS)
    assert SECRET not in str(caught.value) + str(broken.value)
    assert "office" in str(caught.value)


@given(st.builds(Tokens, texts, st.none() | texts, st.integers(), texts, st.none(), texts))
def test_round_trip(tokens: Tokens) -> None:
    """What was kept is what is read."""
    assert decode(encode(tokens)) == tokens


@given(json_values)
def test_whatever_is_kept(value: object) -> None:
    """Reading raises nothing but our own error."""
    for text in (json.dumps(value), json.dumps({**json.loads(encode(TOKENS)), "owner": value})):
        with contextlib.suppress(StoreError):
            assert isinstance(decode(text), Tokens)


@given(
    st.dictionaries(
        st.sampled_from(["access_token", "refresh_token", "token_type", "error"])
        | st.sampled_from(["expires_in", "refresh_token_expires_in", "error_description"]),
        json_values,
    )
)
def test_whatever_a_provider_answers(answer: dict[str, object]) -> None:
    """An answer gives tokens that can be kept, or our own error; what it says is one short line."""
    assert "\n" not in error_in(answer)
    try:
        tokens = tokens_of(answer, now=NOW, owner="me", lifetime_s=None)
    except OAuthError:
        return
    assert tokens.expires_at >= NOW
    assert decode(encode(tokens)) == tokens
