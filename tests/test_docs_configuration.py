"""docs/configuration.md: every key, its default and every example are those of the program."""

import dataclasses
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from poparchive.cli.paths import CONFIG_VARIABLE, SYSTEM_CONFIG
from poparchive.config import OAuth, parse
from poparchive.config.load import (
    ACCOUNT_KEYS,
    ATTACHMENTS_KEYS,
    CARE_KEYS,
    LIMITS_KEYS,
    TOP_KEYS,
    Parser,
)
from poparchive.config.oauth import OAUTH_KEYS
from poparchive.config.oauth import PRESETS as OAUTH_PRESETS
from poparchive.config.units import size_bytes
from poparchive.config.values import (
    AUTH,
    PASSWORD_KINDS,
    Account,
    Attachments,
    Care,
    Config,
    Limits,
    Tls,
)
from poparchive.oauth.providers import PRESETS

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")
BASE = Path("/etc/poparchive")


def section(title: str) -> str:
    """The text under one heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def rows(title: str) -> dict[str, tuple[str, str]]:
    """The table under a heading: key to default and meaning."""
    found = re.findall(r"^\| `(\w+)` \| (.*?) ?\| (.*) \|$", section(title), re.MULTILINE)
    keys = {key: (default, meaning) for key, default, meaning in found}
    assert len(keys) == len(found)
    return keys


def code(language: str, page: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


ACCOUNT = rows("`[accounts.NAME]` and `[defaults]`")
LIMITS = rows("`[limits]`")
CARE = rows("`[care]`")
ATTACHMENTS = rows("`[attachments]`")


def test_every_key_is_there_and_no_other() -> None:
    """The page's tables and the fields of the configuration are the same names."""
    fields = {field.name for field in dataclasses.fields(Account)} - {"name"}
    assert set(ACCOUNT) == fields
    assert set(LIMITS) == {field.name for field in dataclasses.fields(Limits)}
    assert set(CARE) == {field.name for field in dataclasses.fields(Care)}
    assert set(ATTACHMENTS) == {field.name for field in dataclasses.fields(Attachments)}
    tables = {"accounts", "attachments", "care", "defaults", "limits", "path"}
    assert set(rows("The top")) == {f.name for f in dataclasses.fields(Config)} - tables
    assert set(rows("The top")) == set(TOP_KEYS)


def test_every_key_of_oauth_is_there_and_no_other() -> None:
    """So are those of an account's ``oauth``, with the presets' names, scopes and addresses."""
    table = rows("OAuth2")
    assert set(table) == {field.name for field in dataclasses.fields(OAuth)} == set(OAUTH_KEYS)
    assert set(OAUTH_PRESETS) == set(PRESETS)
    for name, preset in PRESETS.items():
        assert f'"{name}"' in table["provider"][1]
        assert f"`{json.dumps(list(preset.scopes))}`" in table["scopes"][1]
    assert f'"{PRESETS["microsoft"].authority}"' in table["authority"][1]


@pytest.mark.parametrize(
    ("kind", "table", "parsers"),
    [
        (Account, ACCOUNT, ACCOUNT_KEYS),
        (Limits, LIMITS, LIMITS_KEYS),
        (Care, CARE, CARE_KEYS),
        (Attachments, ATTACHMENTS, ATTACHMENTS_KEYS),
    ],
)
def test_defaults_are_true(
    kind: type, table: dict[str, tuple[str, str]], parsers: Mapping[str, Parser]
) -> None:
    """A default on the page, read as the file would be, is the field's; others are needed."""
    for field in dataclasses.fields(kind):
        if field.name == "name":
            continue
        default, _ = table[field.name]
        if field.default is dataclasses.MISSING:
            assert default in {"needed", "by `tls`"}
        elif field.default is None:
            assert default == "none"
        else:
            value = tomllib.loads(f"x = {default.strip('`')}")["x"]
            assert parsers[field.name](value, BASE) == field.default


def test_choices_are_on_the_page() -> None:
    """Every value that a key may have is named beside it."""
    for mode in Tls:
        assert f'"{mode}"' in ACCOUNT["tls"][1]
    for word in AUTH:
        assert f'"{word}"' in section("Ways to log in")
    for unit in re.findall(r"`([kMGT]i?B|KiB)`", ACCOUNT["max_message_bytes"][1]):
        assert size_bytes(f"1 {unit}")
    kinds = re.findall(r"^\| `\{ (\w+) = ", section("Passwords"), re.MULTILINE)
    assert kinds == list(PASSWORD_KINDS)


def test_examples_are_good_configurations() -> None:
    """What stands in a box as TOML can be copied."""
    (example,) = code("toml", PAGE)
    config = parse(example, BASE / "config.toml")
    assert [account.name for account in config.accounts] == ["office", "me@example.org"]
    for reference in re.findall(r"^\| `(\{.*?\})` \|", section("Passwords"), re.MULTILINE):
        value = tomllib.loads(f"x = {reference}")["x"]
        ACCOUNT_KEYS["password"](value, BASE)
    for schedule in re.findall(r'^`"((?:every|cron) .*?)"`', section("Schedules"), re.MULTILINE):
        ACCOUNT_KEYS["schedule"](schedule, BASE)


def test_places_are_named() -> None:
    """The page names every place where the file is looked for."""
    assert f"${CONFIG_VARIABLE}" in PAGE
    assert f"`{SYSTEM_CONFIG}`" in PAGE


@pytest.mark.parametrize("page", ["configuration.md", "operations.md"])
def test_links_lead_somewhere(page: str) -> None:
    """Links between the pages, and to their headings, are good."""
    text = (DOCS / page).read_text(encoding="utf-8")
    for path, anchor in re.findall(r"\]\(([\w./-]*)#?([\w-]*)\)", text):
        target = (DOCS / path).read_text(encoding="utf-8") if path else text
        headings = re.findall(r"^#+ (.*)$", target, re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}
        assert not anchor or anchor in slugs
