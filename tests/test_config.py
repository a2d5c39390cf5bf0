"""The configuration: what it takes, and that it reports everything wrong at once with its place."""

import contextlib
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poparchive.config import (
    Config,
    ConfigError,
    Cron,
    Every,
    PasswordRef,
    Problem,
    Proxy,
    Tls,
    exceptions_of,
    load,
    parse,
)
from poparchive.config.edit import Line, with_account, without_account
from poparchive.config.load import ACCOUNT_KEYS, LIMITS_KEYS
from poparchive.config.schedule import parse_schedule
from poparchive.config.units import duration_s, size_bytes
from poparchive.config.values import Account, Limits, parse_leave
from poparchive.errors import UsageError

PATH = Path("/etc/poparchive/config.toml")

WHOLE = """\
archive = "/var/lib/poparchive"

[defaults]                       # any account key may stand here
schedule = "every 15m"           # or a cron line: "cron 0 3 * * *"
leave_on_server = "forever"
tls = "implicit"

[accounts.office]
host = "pop.example.com"
port = 995
user = "office@example.com"
password = { command = "pass show mail/office" }
auth = "auto"
tls_fingerprint = "sha256:%s"
max_message_bytes = "2GiB"
""" % ("AB:" * 31 + "ab")

ACCOUNT = 'host = "h"\nuser = "u"\npassword = { env = "P" }\n'


def problems(text: str) -> list[Problem]:
    """All problems of a text, as line, key and message."""
    with pytest.raises(ConfigError) as caught:
        parse(text, PATH)
    return list(caught.value.problems)


def account(text: str) -> Account:
    """The one account with these keys besides the necessary ones."""
    (found,) = parse(f"[accounts.a]\n{ACCOUNT}{text}", PATH).accounts
    return found


def test_the_documented_example() -> None:
    """The example of the contract means what it says."""
    config = parse(WHOLE, PATH)
    (office,) = config.accounts
    assert config.archive == Path("/var/lib/poparchive")
    assert config.path == PATH
    assert office.name == "office"
    assert office.password == PasswordRef("command", "pass show mail/office")
    assert office.tls_fingerprint == "sha256:" + "ab" * 32
    assert office.max_message_bytes == 2 * 1024**3
    assert office.schedule == Every("every 15m", 900)
    assert office.tls is Tls.IMPLICIT
    assert config.defaults["schedule"] == office.schedule


def test_defaults_are_those_of_the_fields() -> None:
    """An account with only what is necessary has the values its fields are declared with."""
    made = account("")
    for field in dataclasses.fields(Account):
        if field.default is not dataclasses.MISSING:
            assert getattr(made, field.name) == field.default
    assert parse("", PATH).limits == Limits()


def test_every_field_is_a_key() -> None:
    """Fields and keys are the same names, so that neither is forgotten when the other grows."""
    assert {f.name for f in dataclasses.fields(Account)} == {"name", *ACCOUNT_KEYS}
    assert {f.name for f in dataclasses.fields(Limits)} == set(LIMITS_KEYS)


@pytest.mark.parametrize(("tls", "port"), [("implicit", 995), ("starttls", 110), ("none", 110)])
def test_port_follows_tls(tls: str, port: int) -> None:
    """Without a port, the mode of TLS decides."""
    assert account(f'tls = "{tls}"\nallow_insecure = true').port == port
    assert account(f'tls = "{tls}"\nallow_insecure = true\nport = 9').port == 9


def test_account_goes_before_defaults() -> None:
    """A key of an account wins over the same key of [defaults]."""
    text = f'[defaults]\nport = 1\nauth = "user"\n[accounts.a]\n{ACCOUNT}port = 2\n'
    (made,) = parse(text, PATH).accounts
    assert (made.port, made.auth) == (2, "user")


def test_paths_are_relative_to_the_file() -> None:
    """The configuration means the same from whichever directory the program is started."""
    config = parse(
        f'archive = "mail"\n[accounts.a]\n{ACCOUNT}ca_file = "../ca.pem"\n'
        f'[accounts.b]\nhost = "h"\nuser = "u"\npassword = {{ file = "secret" }}',
        PATH,
    )
    assert config.archive == Path("/etc/poparchive/mail")
    assert config.accounts[0].ca_file == Path("/etc/poparchive/../ca.pem")
    assert config.accounts[1].password == PasswordRef("file", "/etc/poparchive/secret")


def test_all_problems_at_once_with_line_and_key() -> None:
    """Every problem of a file is in one report, each with its line and its key."""
    text = """\
archve = "x"
[defaults]
schedule = "every 15x"
[limits]
connections = 0
[accounts.office]
host = "pop.example.com:995"
port = true
pasword = "hunter2"
password = "hunter2"
tls = "none"
[accounts.home]
auth = "ntlm"
leave_on_server = "30 years"
username = "x"
"""
    found = problems(text)
    assert [(line, key) for line, key, _ in found] == [
        (1, "archve"),
        (3, "defaults.schedule"),
        (5, "limits.connections"),
        (6, "accounts.office.user"),
        (7, "accounts.office.host"),
        (8, "accounts.office.port"),
        (9, "accounts.office.pasword"),
        (10, "accounts.office.password"),
        (11, "accounts.office.tls"),
        (12, "accounts.home.host"),
        (12, "accounts.home.password"),
        (12, "accounts.home.user"),
        (13, "accounts.home.auth"),
        (14, "accounts.home.leave_on_server"),
        (15, "accounts.home.username"),
    ]
    messages = {key: message for _, key, message in found}
    assert "did you mean archive?" in messages["archve"]
    assert "did you mean user?" in messages["accounts.home.username"]
    assert "command" in messages["accounts.office.password"]
    assert "not supported" in messages["accounts.home.auth"]
    with pytest.raises(ConfigError) as caught:
        parse(text, PATH)
    assert str(caught.value).count(f"{PATH}:") == len(found)
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "line",
    [
        'host = ""', 'host = "a b"', "port = 0", "port = 65536", 'port = "995"', 'user = "a\\nb"',
        'tls = "ssl"', 'allow_insecure = "yes"', 'auth = "magic"', 'auth = "digest-md5"',
        'schedule = "15m"', 'schedule = "every 0s"', 'schedule = "cron 0 3 * *"',
        'leave_on_server = "0d"', "leave_on_server = 30", 'max_message_bytes = "lots"',
        "max_message_bytes = 0", 'tls_fingerprint = "sha256:abcd"', 'tls_fingerprint = "md5:00"',
        'ca_file = ""', "ca_file = 3", 'ca_file = "~nobody-of-that-name/ca.pem"',
        "reply_timeout_s = 0", 'connect_timeout_s = "soon"', "stall_timeout_s = true",
        "tls_minimum = 1.2", 'tls_minimum = "1.4"', 'tls_legacy = "yes"', 'client_key = "key.pem"',
        "client_certificate = 1", 'proxy = "http://h:1"', 'proxy = "socks5://h"', "proxy = 1080",
        'proxy = "socks5://h:0"', 'proxy = "socks5://h:99999"', 'proxy = "socks5://:1"',
        'proxy = "socks5://a b:1"', 'proxy = "socks5://@h:1"', 'host = "[h]"', 'host = "[::1"',
        "nonsense = 1", 'tls = "none"', 'password = ""', "password = {}", 'password = { env = "" }',
        'password = { env = "A", file = "B" }', 'password = { plain = "x" }',
    ],
)  # fmt: skip
def test_one_wrong_value(line: str) -> None:
    """Each wrong value is one problem, at its line, with its key."""
    key = line.split(" ", 1)[0]
    kept = "".join(
        each for each in ACCOUNT.splitlines(keepends=True) if not each.startswith(f"{key} ")
    )
    assert [(number, name) for number, name, _ in problems(f"[accounts.a]\n{line}\n{kept}")] == [
        (2, f"accounts.a.{key}")
    ]


def test_a_proxy() -> None:
    """Host, port and perhaps a name; a password is refused and not repeated."""
    assert account('proxy = "socks5://127.0.0.1:9050"').proxy == Proxy("127.0.0.1", 9050)
    assert account('proxy = "socks5://me@[::1]:9050"').proxy == Proxy("::1", 9050, "me")
    text = f'[accounts.a]\n{ACCOUNT}proxy = "socks5://me:hunter2@h:9050"'
    ((_, key, message),) = problems(text)
    assert key == "accounts.a.proxy"
    assert "password" in message
    assert "hunter2" not in message


def test_an_address_in_brackets() -> None:
    """An IPv6 address may be written as in a URL."""
    for host in ("::1", "[::1]"):
        (made,) = parse(f"[accounts.a]\n{ACCOUNT}".replace('"h"', f'"{host}"'), PATH).accounts
        assert made.host == "::1"


def test_keys_of_tls_without_tls() -> None:
    """What says how TLS is to be done contradicts ``tls = "none"``."""
    text = f'''[accounts.a]\n{ACCOUNT}tls = "none"\nallow_insecure = true
tls_minimum = "1.3"\ntls_legacy = true\nclient_certificate = "c"\nclient_key = "k"\nca_file = "a"'''
    assert [key.rpartition(".")[2] for _, key, _ in problems(text)] == [
        *("tls_minimum", "tls_legacy", "client_certificate", "client_key", "ca_file"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", []),
        ('ca_file = "ca.pem"\ntls_minimum = "1.3"\nproxy = "socks5://h:1"', []),
        ('tls = "none"\nallow_insecure = true', ["there is no TLS"]),
        ("allow_insecure = true", ["allow_insecure is set"]),
        ('tls_minimum = "1.0"', ["TLS 1.0 is allowed"]),
        ('tls_minimum = "1.1"\ntls_legacy = true', ["TLS 1.1 is allowed", "old ciphers"]),
        (f'tls_fingerprint = "sha256:{"0" * 64}"', ["the certificate is pinned"]),
    ],
)
def test_exceptions_are_named(text: str, said: list[str]) -> None:
    """Each weakening of an account is one sentence; what only narrows is none."""
    found = exceptions_of(account(text))
    assert len(found) == len(said)
    assert all(map(str.startswith, found, said))


def test_defaults_wrong_are_reported_once() -> None:
    """A problem of [defaults] is not repeated for each account that relies on it."""
    text = f"[defaults]\nport = 0\nuser = 7\n[accounts.a]\n{ACCOUNT}[accounts.b]\n{ACCOUNT}"
    assert [key for _, key, _ in problems(text)] == ["defaults.port", "defaults.user"]


def test_structure_that_is_wrong() -> None:
    """Tables that are no tables are named as such."""
    assert [key for _, key, _ in problems("defaults = 1\nlimits = 2\naccounts = 3")] == [
        "defaults",
        "limits",
        "accounts",
    ]
    assert [key for _, key, _ in problems("[accounts]\na = 1")] == ["accounts.a"]


@pytest.mark.parametrize("name", ["", "a b", "-x", "a\\u001b", "x" * 65, "a,b", ".hidden"])
def test_names_that_are_none(name: str) -> None:
    """An account's name can stand on a command line and in a query without quotes."""
    ((line, _, message),) = problems(f'[accounts."{name}"]\n{ACCOUNT}')
    assert line == 1
    assert "name" in message


@pytest.mark.parametrize("name", ["office", "a@example.com", "łódź", "2", "a.b-c_d+e", "x" * 64])
def test_names_that_are_good(name: str) -> None:
    """Addresses and letters of any script will do."""
    assert parse(f'[accounts."{name}"]\n{ACCOUNT}', PATH).accounts[0].name == name


def test_control_characters_do_not_reach_the_message() -> None:
    """What the file has in control characters is escaped in errors about it."""
    with pytest.raises(ConfigError) as caught:
        parse('"a\\u001b[2J" = 1\n[accounts.a]\nhost = "\\u001b[2J"\nauth = "\\u009b"', PATH)
    assert all(line.isprintable() for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = ", 1), ("a = 1\n\nb = [", 3), ('a = "x\ny"', 1), ("[a]\n[a]", 2), ("a = 1\na = 2", 2)],
)
def test_syntax_errors_have_a_line(text: str, line: int) -> None:
    """What is no TOML is one problem with the line of it."""
    ((found, _, message),) = problems(text)
    assert found == line
    assert message.startswith("is not TOML")
    assert "line" not in message


def test_deep_nesting_is_a_problem_and_no_crash() -> None:
    """A file that would exhaust the parser's stack is refused."""
    assert problems("a = " + "[" * 100_000)


def test_unreadable_files(tmp_path: Path) -> None:
    """A file that is missing, a directory, or not UTF-8 is named with the reason."""
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="directory"):
        load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# one\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.toml:2: is not UTF-8"):
        load(tmp_path / "latin.toml")


def test_no_secret_in_a_repr() -> None:
    """A command line may hold a password, so no repr shows it."""
    made = account("")
    other = parse(f"[accounts.a]\n{ACCOUNT}".replace("env", "command"), PATH)
    assert "P'" not in repr(made.password)
    assert repr(other).count("PasswordRef(kind='command')") == 1


def test_select() -> None:
    """Accounts are had by name, each once, in the order of the file; unknown names are listed."""
    config = parse(f"[accounts.b]\n{ACCOUNT}[accounts.a]\n{ACCOUNT}", PATH)
    assert [a.name for a in config.select([])] == ["b", "a"]
    assert [a.name for a in config.select(["a", "b", "a"])] == ["b", "a"]
    assert config.account("a").name == "a"
    with pytest.raises(UsageError, match="'x', 'y'"):
        config.select(["y", "a", "x"])


# ---- units and schedules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("2GiB", 2 * 1024**3), ("500 MB", 500_000_000), ("1kb", 1000), ("1.5KiB", 1536),
        ("4096", 4096), ("10 b", 10), ("0.1 KB", 100), ("1tib", 1024**4), ("", None),
        ("GiB", None), ("1 XB", None), ("-1", None), ("1e9", None), ("١", None), ("1 G B", None),
    ],
)  # fmt: skip
def test_sizes(text: str, octets: int | None) -> None:
    """Sizes in powers of 1000 and of 1024, in either case."""
    assert size_bytes(text) == octets


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("12 h", 43200), ("30d", 2592000), ("1", None), ("1w", None)],
)
def test_durations(text: str, seconds: int | None) -> None:
    """Times in seconds, minutes, hours and days."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize(("text", "after"), [("forever", None), ("delete", 0), ("30d", 2592000)])
def test_leave_on_server(text: str, after: int | None) -> None:
    """For ever, not at all, or for a time."""
    assert parse_leave(text).after_s == after


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("0 3 * * *", {"minute": "0", "hour": "3"}),
        ("*/20 8-10,22 * * *", {"minute": "0,20,40", "hour": "8,9,10,22"}),
        ("5/15 0 1 jan,DEC *", {"minute": "5,20,35,50", "hour": "0", "day": "1", "month": "1,12"}),
        ("0 0 * * 0", {"minute": "0", "hour": "0", "day_of_week": "sun"}),
        ("0 0 * * 7", {"minute": "0", "hour": "0", "day_of_week": "sun"}),
        ("0 0 * * 5-7", {"minute": "0", "hour": "0", "day_of_week": "sun,fri,sat"}),
        ("0 0 * * mon-fri", {"minute": "0", "hour": "0", "day_of_week": "mon,tue,wed,thu,fri"}),
        ("0-59 0-23 1-31 1-12 0-6", {}),
    ],
)
def test_cron_lines(text: str, fields: dict[str, str]) -> None:
    """Crontab fields come out for a scheduler, with Sunday where crontab has it."""
    schedule = parse_schedule(f"cron {text}")
    assert isinstance(schedule, Cron)
    names = ("minute", "hour", "day", "month", "day_of_week")
    assert schedule.fields() == {name: fields.get(name, "*") for name in names}
    assert schedule.text == f"cron {text}"


@pytest.mark.parametrize(
    "text",
    [
        "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "* * * foo *",
        "*/0 * * * *", "9-5 * * * *", "1,,2 * * * *", "-1 * * * *", "* * * *", "* * * * * *",
        "0 0 31 2 *", "0 0 1 * mon", "١ * * * *", "99999999999999999999 * * * *",
    ],
)  # fmt: skip
def test_cron_lines_that_are_wrong(text: str) -> None:
    """What names nothing, never comes or is read differently elsewhere is refused."""
    with pytest.raises(ValueError, match=r"\w"):
        parse_schedule(f"cron {text}")


@settings(max_examples=200)
@given(st.text(alphabet="0123456789*/,-sevrycon jamMhd.KGiB\x00é", max_size=20), st.booleans())
def test_value_parsers_never_fail_otherwise(text: str, cron: bool) -> None:
    """Any text is taken or refused with ValueError; nothing else comes out."""
    size_bytes(text)
    duration_s(text)
    for prefix in ("", "cron " if cron else "every "):
        with contextlib.suppress(ValueError):
            parse_schedule(prefix + text)


# ---- editing -------------------------------------------------------------------------------------

LINES = [
    Line("host", "h"),
    Line("user", "u"),
    Line("password", {"command": 'echo "x"'}, "a remark"),
    Line("port", 7),
    Line("tls", "none"),
    Line("allow_insecure", True),
    Line(comment="a comment"),
]


def names(config: Config) -> list[str]:
    return [account.name for account in config.accounts]


@pytest.mark.parametrize("text", ["", "# c\n", "archive = 'x'", WHOLE, WHOLE.replace("\n", "\r\n")])
@pytest.mark.parametrize("name", ["new", "a@b.c", "łódź"])
def test_adding_and_removing(text: str, name: str) -> None:
    """An account added is there, everything before it is untouched, and removing undoes it."""
    added = with_account(text, PATH, name, LINES)
    assert added.startswith(text)
    assert names(parse(added, PATH)) == [*names(parse(text, PATH)), name]
    made = parse(added, PATH).account(name)
    assert made.password == PasswordRef("command", 'echo "x"')
    assert (made.port, made.tls, made.allow_insecure) == (7, Tls.NONE, True)
    removed = without_account(added, PATH, name)
    assert removed.rstrip("\n") == text.rstrip("\n")


def test_adding_what_is_there_or_wrong() -> None:
    """Nothing is added twice, and nothing that would not be read again."""
    with pytest.raises(UsageError, match="already"):
        with_account(WHOLE, PATH, "office", LINES)
    with pytest.raises(UsageError, match=r"accounts\.b\.port: must be"):
        with_account(WHOLE, PATH, "b", [*LINES[:3], Line("port", 0)])
    with pytest.raises(ConfigError):
        with_account("nonsense", PATH, "b", LINES)


def test_removing_leaves_the_neighbours() -> None:
    """Comments above other tables, and other tables, stay to the letter."""
    text = f"""\
# first
[accounts.a]   # the first
{ACCOUNT}
# about b, and more
# and more
[accounts.b]
{ACCOUNT}# within b
[accounts.b.password_is_not_here]
"""
    text = text.replace("[accounts.b.password_is_not_here]\n", "")
    without_a = without_account(text, PATH, "a")
    assert (
        without_a
        == f"# first\n# about b, and more\n# and more\n[accounts.b]\n{ACCOUNT}# within b\n"
    )
    without_b = without_account(text, PATH, "b")
    expected = text[: text.index("[accounts.b]")]
    assert without_b == expected


@pytest.mark.parametrize(
    "text",
    [
        f"[accounts]\n[accounts.a]\n{ACCOUNT}",
        '[accounts.a]\nhost = "h"\nuser = "u"\n[accounts.a.password]\nenv = "P"\n',
        'accounts.a.host = "h"\naccounts.a.user = "u"\naccounts.a.password.env = "P"\n',
        '[accounts]\na = { host = "h", user = "u", password = { env = "P" } }\n',
        '[accounts]\na.host = "h"\na.user = "u"\na.password = { env = """\nP""" } # x\n',
        f'[accounts.a]\nhost = "h"\nuser = "u"\n[accounts.b]\n{ACCOUNT}'
        '[accounts.a.password]\nenv = "P"\n',
    ],
)
def test_removing_however_it_is_written(text: str) -> None:
    """All ways of writing an account in TOML can be taken out."""
    rest = without_account(text + f"[accounts.z]\n{ACCOUNT}", PATH, "a")
    assert set(names(parse(rest, PATH))) == {"z", *(["b"] if "accounts.b" in text else [])}


def test_removing_what_cannot_be_cut_out() -> None:
    """An account within an inline table of all accounts is left for the user to remove."""
    text = 'accounts = { a = { host = "h", user = "u", password = { env = "P" } } }\n'
    with pytest.raises(UsageError, match="by hand"):
        without_account(text, PATH, "a")
    with pytest.raises(UsageError, match="no such account"):
        without_account(text, PATH, "b")


def test_a_clients_certificate_may_stand_for_a_password(tmp_path: Path) -> None:
    """EXTERNAL needs the certificate and nothing else; without it the entry is refused."""
    entry = '[accounts.a]\nhost = "h"\nuser = "u"\nauth = "external"\n'
    (account,) = parse(entry + 'client_certificate = "c.pem"\n', tmp_path / "c.toml").accounts
    assert (account.password, account.auth) == (None, "external")
    with pytest.raises(ConfigError) as caught:
        parse(entry + 'password = { env = "P" }\n', tmp_path / "c.toml")
    assert 'accounts.a.auth: is "external", which needs a client_certificate' in str(caught.value)
