"""``poparchive account login``, against an identity provider on loopback."""

import json
import stat
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from poparchive.cli import login
from poparchive.cli.jobs import job_of
from tests.oauth.accounts import Home, address_in, call, redirected
from tests.support.certificate import certificate_missing, make_certificate
from tests.support.idp import SECRET, IdentityProvider, running

needs_tls = pytest.mark.skipif(bool(certificate_missing()), reason=str(certificate_missing()))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the command would have waited, each time."""
    waited: list[float] = []
    monkeypatch.setattr(login, "pause", waited.append)
    return waited


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """All that was printed, in which there is never a secret."""
    text = "".join(capsys.readouterr())
    assert SECRET not in text
    return text


# ---- device code ---------------------------------------------------------------------------------


def test_device_code(home: Home, pauses: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """The code is shown, the provider is asked at its pace, and pulls then have an access token."""
    home.idp.device_answers = ["authorization_pending", "slow_down", "authorization_pending"]
    assert call("account", "login", "office") == 0
    text = said(capsys)
    assert f"address  {home.idp.url('/go')}\ncode     WDJB-MJHT\n" in text
    assert "office is logged in" in text
    assert pauses == [5, 5, 10, 10]
    assert home.idp.asked("/device") == [{"client_id": "our-client", "scope": "mail"}]
    token = job_of(home.account).login.token
    assert token is not None
    assert token(False) == home.idp.access_tokens[-1]
    assert home.idp.refreshes == 0
    (file,) = (home.directory / "state" / "poparchive" / "oauth").glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("access_denied", "refused"),
        ("expired_token", "ended"),
        ("invalid_client", "invalid_client"),
    ],
)
@pytest.mark.usefixtures("pauses")
def test_device_code_that_comes_to_nothing(
    home: Home, answer: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Denied and too late are said as such; nothing is kept."""
    home.idp.device_answers = ["authorization_pending", answer]
    assert call("account", "login", "office") == 1
    assert reason in said(capsys)
    assert home.store.load() is None


@pytest.mark.parametrize(
    ("answer", "key"), [("invalid_client", "client_id"), ("invalid_scope", "scopes")]
)
@pytest.mark.usefixtures("pauses")
def test_what_to_look_at(
    home: Home, answer: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error of the configuration's says which key may be wrong, whenever it comes."""
    home.idp.device_answers = [answer]
    assert call("account", "login", "office") == 1
    assert f"look at {key}" in said(capsys)
    home.configure(client_id="another")
    assert call("account", "login", "office") == 1
    assert "look at client_id" in said(capsys)
    assert home.store.load() is None


def test_device_code_while_the_provider_is_unwell(home: Home, pauses: list[float]) -> None:
    """A provider that does not answer is asked more seldom, not given up (RFC 8628 section 3.5)."""
    home.idp.failures = [503, 500]
    assert call("account", "login", "office") == 0
    assert pauses == [5, 10, 20]


@pytest.mark.usefixtures("pauses")
def test_client_secret(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """A client secret comes from where the configuration says, and stays secret where it is wrong."""
    home.idp.client_secret = f"{SECRET}-client"
    secret = home.directory / "client"
    secret.touch(0o600)
    secret.write_text(f"{SECRET}-client\n")
    home.configure(client_secret={"file": "client"})
    assert call("account", "login", "office") == 0
    home.idp.client_secret = "another"
    assert call("account", "login", "office") == 1
    home.configure(client_secret={"file": "client"}, device_url=None)
    with home.start("login", "office", "--no-browser") as process:
        answer = redirected(address_in(process.stdout))
        out, err = process.communicate(f"{answer}\n", timeout=60)
    assert "invalid_client" in err
    assert SECRET not in said(capsys) + out + err


@needs_tls
@pytest.mark.usefixtures("pauses")
def test_microsoft_by_msal(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The preset goes through msal: the authority's own endpoints, scopes, refresh and refusals."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.cert))
    with running(IdentityProvider(device_answers=["authorization_pending"]), certificate) as idp:
        here = Home(tmp_path, idp)
        here.configure(
            provider="microsoft",
            authority=idp.url(""),
            authorization_url=None,
            device_url=None,
            token_url=None,
            scopes=None,
        )
        assert call("account", "login", "office") == 0
        (asked,) = idp.asked("/common/oauth2/v2.0/devicecode")
        assert {"https://outlook.office.com/POP.AccessAsUser.All", "offline_access"} <= set(
            asked["scope"].split()
        )
        kept = here.kept()
        assert kept.login_ends_at
        assert kept.login_ends_at - kept.expires_at == 90 * 86400 - 3600
        source = here.source
        assert source(False) == idp.access_tokens[0]
        assert source(True) == idp.access_tokens[1]
        assert idp.live == {here.kept().refresh_token}
        idp.revoke()
        job = job_of(here.account)
        assert job.login.token
        with pytest.raises(Exception, match="poparchive account login office") as caught:
            job.login.token(True)
        assert SECRET not in str(caught.value)
    said(capsys)


# ---- browser -------------------------------------------------------------------------------------


def test_browser_on_this_machine(home: Home) -> None:
    """The answer comes back on loopback, with PKCE; the code is redeemed once."""
    visit = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())"
    script = home.directory / "visit.py"
    script.write_text(visit)
    with home.start(
        "login", "office", "--flow", "browser", BROWSER=f"{sys.executable} {script} %s"
    ) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert SECRET not in out + err
    (asked,) = home.idp.asked("/authorization")
    assert urlsplit(asked["redirect_uri"]).hostname == "127.0.0.1"
    assert asked["login_hint"] == "me@example.org"
    (grant,) = home.idp.asked("/token")
    assert 43 <= len(grant["code_verifier"]) <= 128
    assert home.kept().access_token == home.idp.access_tokens[-1]


@pytest.mark.parametrize("whole", [True, False])
def test_browser_elsewhere(home: Home, whole: bool) -> None:
    """Without a browser here the address is printed, and the answer taken by hand: all of it or the code."""
    with home.start("login", "office", "--no-browser") as process:
        answer = redirected(address_in(process.stdout))
        code = parse_qs(urlsplit(answer).query)["code"][0]
        out, err = process.communicate(f"{answer if whole else code}\n", timeout=60)
    assert process.returncode == 0, err
    assert SECRET not in out + err
    assert home.kept().refresh_token in home.idp.live


def test_an_answer_to_another_question(home: Home) -> None:
    """An address whose state is not ours is not redeemed."""
    with home.start("login", "office", "--no-browser") as process:
        answer = redirected(address_in(process.stdout))
        out, err = process.communicate(answer.replace("state=", "state=x") + "\n", timeout=60)
    assert process.returncode == 1
    assert "state" in err
    assert SECRET not in out + err
    assert home.idp.asked("/token") == []
    assert home.store.load() is None


def test_an_address_without_an_answer(home: Home) -> None:
    """An address from before the log-in, such as the one that was printed, is told apart."""
    with home.start("login", "office", "--no-browser") as process:
        address_in(process.stdout)
        _, err = process.communicate("http://127.0.0.1:50000/?page=1\n", timeout=60)
    assert process.returncode == 1
    assert "no answer in it" in err
    assert home.idp.asked("/token") == []


# ---- what is asked for wrongly -------------------------------------------------------------------


def test_ways_that_there_are_not(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """A way to log in that the provider has not is wrong usage, and says which there is."""
    assert call("account", "login", "office", "--no-browser", "--flow", "device") == 2
    home.configure(device_url=None)
    assert call("account", "login", "office", "--flow", "device") == 2
    assert "--flow browser" in said(capsys)
    home.configure(authorization_url=None)
    assert call("account", "login", "office", "--no-browser") == 2
    assert "--flow device" in said(capsys)
    assert call("account", "login", "other") == 2
    assert home.idp.seen == []


def test_a_store_that_cannot_be_written(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody is bothered for tokens that could not be kept."""
    (home.directory / "file").touch()
    home.configure(token_file="file/tokens.json")
    assert call("account", "login", "office") == 1
    assert "cannot be kept" in said(capsys)
    assert home.idp.seen == []


def test_a_provider_out_of_reach(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """That is for later: exit code 75."""
    with running(IdentityProvider()) as other:
        gone = other.url("/device")
    home.configure(device_url=gone)
    assert call("account", "login", "office") == 75
    assert "cannot be reached" in said(capsys)


# ---- list and status -----------------------------------------------------------------------------


def test_list_and_status(
    home: Home, pauses: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """The list says how an account logs in; status when a person is needed, and days before it is."""
    from poparchive.archive import create

    create(home.directory / "archive")
    assert call("account", "list") == 0
    assert said(capsys).rstrip("\n").split("\t")[-1] == "oauth ours"
    assert call("account", "list", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["password"], row["oauth"]) == (None, "ours")

    assert call("status") == 1
    assert "poparchive account login office" in said(capsys)
    home.idp.refresh_token_expires_in = 2 * 86400
    assert call("account", "login", "office") == 0
    said(capsys)
    assert call("status") == 0
    assert "its log-in ends" in said(capsys)
    home.idp.refresh_token_expires_in = 30 * 86400
    assert call("account", "login", "office") == 0
    said(capsys)
    assert call("status", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["logins"] == {}
    assert pauses == [5, 5]
