"""The key ``oauth``: read into a value, or every problem with its line and key."""

from pathlib import Path

import pytest

from poparchive.config import ConfigError, OAuth, PasswordRef, parse
from poparchive.config.load import BEARER_AUTH
from poparchive.config.oauth import PRESETS
from poparchive.oauth import providers

PATH = Path("/etc/poparchive/config.toml")
START = '[accounts.a]\nhost = "h"\nuser = "u"\n'
GOOGLE = 'oauth = { provider = "google", client_id = "x" }\n'


def oauth(table: str) -> OAuth | None:
    (account,) = parse(f"{START}oauth = {{ {table} }}\n", PATH).accounts
    return account.oauth


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(ConfigError) as caught:
        parse(text, PATH)
    return [(line, key) for line, key, _ in caught.value.problems]


def test_a_preset_needs_two_keys() -> None:
    """A provider that is known and a client_id are enough, and no password is asked for."""
    (account,) = parse(START + GOOGLE, PATH).accounts
    assert account.oauth == OAuth(provider="google", client_id="x")
    assert account.password is None


def test_presets_are_those_of_the_oauth_part() -> None:
    """What the configuration takes as known, is known."""
    assert set(PRESETS) == set(providers.PRESETS)


def test_every_key() -> None:
    """Each key becomes the field of its name; paths are taken from the directory of the file."""
    assert oauth(
        'provider = "ours", client_id = "x", client_secret = { file = "s" }, scopes = ["a", "b"],'
        ' authorization_url = "https://p/a", device_url = "https://p/d",'
        ' token_url = "http://127.0.0.1:8/t", token_file = "tokens/a", login_lifetime_s = "7d"'
    ) == OAuth(
        provider="ours",
        client_id="x",
        client_secret=PasswordRef("file", "/etc/poparchive/s"),
        scopes=("a", "b"),
        authorization_url="https://p/a",
        device_url="https://p/d",
        token_url="http://127.0.0.1:8/t",
        token_file=Path("/etc/poparchive/tokens/a"),
        login_lifetime_s=7 * 86400,
    )


def test_all_problems_at_once() -> None:
    """Every problem of the table is reported, at the line of its key or of the table."""
    text = f"""{START}[accounts.a.oauth]
provider = "ours"
client_secret = "hunter2"
scopes = "mail"
device_ur = "https://p/d"
token_url = "http://example.org/token"
tenant = "common"
"""
    assert problems(text) == [
        (4, "accounts.a.oauth.authorization_url"),
        (4, "accounts.a.oauth.client_id"),
        (6, "accounts.a.oauth.client_secret"),
        (7, "accounts.a.oauth.scopes"),
        (8, "accounts.a.oauth.device_ur"),
        (9, "accounts.a.oauth.token_url"),
        (10, "accounts.a.oauth.tenant"),
    ]
    with pytest.raises(ConfigError) as caught:
        parse(text, PATH)
    assert "hunter2" not in str(caught.value)
    assert "did you mean device_url?" in str(caught.value)
    assert "https://" in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        'token_url = "https://u:p@example.org/"', 'token_url = "https://example.org/#a"',
        'token_url = "ftp://example.org/"', 'token_url = "https://[::1/"', 'token_url = "https:x"',
        'token_url = "https://e/ x"', "scopes = []", 'scopes = ["a b"]', "scopes = [1]",
        "login_lifetime_s = 0", "login_lifetime_s = true", 'login_lifetime_s = "long"',
        'tenant = "common"', 'authority = "https://e/"', 'token_file = ""', "token_keyring = 1",
        'client_secret = { plain = "x" }', "nonsense = 1",
    ],
)  # fmt: skip
def test_one_wrong_value(more: str) -> None:
    """Each wrong value is one problem, of its own key."""
    key = more.split(" ", 1)[0]
    table = f'oauth = {{ provider = "google", client_id = "x", {more} }}\n'
    assert problems(START + table) == [(4, f"accounts.a.oauth.{key}")]


def test_two_places_for_tokens() -> None:
    """Tokens are kept in one place."""
    table = 'provider = "google", client_id = "x", token_file = "a", token_keyring = "b"'
    assert problems(f"{START}oauth = {{ {table} }}\n") == [(4, "accounts.a.oauth.token_keyring")]


def test_no_table() -> None:
    """Anything but a table is one problem."""
    assert problems(f"{START}oauth = true\n") == [(4, "accounts.a.oauth")]


def test_password_and_oauth_exclude_each_other() -> None:
    """Within an account they contradict; of [defaults] the one that the account lacks gives way."""
    password = 'password = { env = "A" }\n'
    assert problems(START + password + GOOGLE) == [(4, "accounts.a.password")]
    (account,) = parse(f"[defaults]\n{password}{START}{GOOGLE}", PATH).accounts
    assert account.password is None
    (account,) = parse(f"[defaults]\n{GOOGLE}{START}{password}", PATH).accounts
    assert account.oauth is None
    (account,) = parse(f"[defaults]\n{GOOGLE}{START}", PATH).accounts
    assert account.oauth
    assert problems(START) == [(1, "accounts.a.password")]


@pytest.mark.parametrize("auth", ["plain", "user", "apop"])
def test_auth_must_carry_a_token(auth: str) -> None:
    """A way to log in that sends a password contradicts ``oauth``."""
    assert auth not in BEARER_AUTH
    assert problems(f'{START}auth = "{auth}"\n{GOOGLE}') == [(4, "accounts.a.auth")]
