"""The ways in which a person agrees, against an identity provider on loopback."""

import dataclasses
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from poparchive.config import OAuth
from poparchive.oauth import browser, device
from poparchive.oauth.client import Attempt, HttpClient
from poparchive.oauth.errors import LoginFailedError, OAuthError, UnreachableError
from poparchive.oauth.microsoft import MsalClient
from poparchive.oauth.providers import Provider, provider_of
from tests.oauth.accounts import redirected
from tests.support.certificate import certificate_missing, make_certificate
from tests.support.idp import CLIENT_ID, SECRET, IdentityProvider, running

needs_tls = pytest.mark.skipif(bool(certificate_missing()), reason=str(certificate_missing()))


@pytest.fixture
def provider(idp: IdentityProvider) -> Provider:
    urls = {each: idp.url(f"/{each}") for each in ("authorization", "device", "token")}
    return Provider(
        "ours", CLIENT_ID, ("mail",), urls["token"], urls["authorization"], urls["device"]
    )


@dataclasses.dataclass
class Clock:
    """Time that passes only in pauses."""

    now: float = 0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


# ---- device code ---------------------------------------------------------------------------------


def test_code_that_ends_here(idp: IdentityProvider, provider: Provider) -> None:
    """Nobody is asked any more once the code has ended by our own clock."""
    idp.device_lasts_s, idp.interval = 12, None
    idp.device_answers = ["authorization_pending"] * 9
    client, clock = HttpClient(provider), Clock()
    code = device.begin(client, "ours")
    with pytest.raises(LoginFailedError, match="ended"):
        device.wait(client, "ours", code, pause=clock.pause, now=clock)
    assert clock.now == 15
    assert len(idp.asked("/token")) == 2


def test_provider_that_goes_away(idp: IdentityProvider, provider: Provider) -> None:
    """One that does not answer is asked less and less often, until the code has ended."""
    client, clock = HttpClient(provider), Clock()
    code = device.begin(client, "ours")
    idp.failures = [500] * 20
    with pytest.raises(LoginFailedError):
        device.wait(client, "ours", code, pause=clock.pause, now=clock)
    assert len(idp.asked("/token")) < 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"verification_uri": "javascript:alert(1)"}, {"user_code": ""}, {"expires_in": "soon"},
        {"interval": []}, {"device_code": None}, {"verification_uri": "https://[x"},
    ],
)  # fmt: skip
def test_device_answers_that_are_none(
    idp: IdentityProvider, provider: Provider, wrong: dict[str, object]
) -> None:
    """What cannot be shown or understood is refused."""

    class Changed(HttpClient):
        def begin_device(self) -> dict[str, object]:
            return {**super().begin_device(), **wrong}

    with pytest.raises(OAuthError, match="understood"):
        device.begin(Changed(provider), "ours")


# ---- browser -------------------------------------------------------------------------------------


def get(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_only_our_answer_ends_the_waiting(idp: IdentityProvider, provider: Provider) -> None:
    """Requests with another state, none, or to another path get nothing, and the right one still counts."""
    with browser.Listener("127.0.0.1") as listener:
        uri = listener.redirect_uri
        assert get(f"{uri}?code=x&state=") == 400
        attempt = HttpClient(provider).begin_browser(uri, "me")
        listener.expect(attempt)
        for strange in ("", "favicon.ico", "?code=x", "?code=x&state=y", "?code=x&state=%FF"):
            assert get(uri + strange) == 400
        assert get(f"{uri}other?code=x&state={attempt.state}") == 400
        right = redirected(attempt.url)
        assert get(right) == 200
        answer = listener.wait(20)
        with pytest.raises(LoginFailedError, match="in time"):
            listener.wait(0)
    tokens = browser.redeem(attempt, answer, "ours")
    assert tokens["access_token"] == idp.access_tokens[-1]
    # A code is good once.
    with pytest.raises(OAuthError, match="invalid_grant") as caught:
        browser.redeem(attempt, answer, "ours")
    assert SECRET not in str(caught.value)


def test_a_code_is_ours_alone(idp: IdentityProvider, provider: Provider) -> None:
    """A code that another log-in was given is worth nothing here: PKCE."""
    client = HttpClient(provider)
    uri = browser.free_redirect_uri("127.0.0.1")
    one, other = client.begin_browser(uri, "me"), client.begin_browser(uri, "me")
    stolen = parse_qs(urlsplit(redirected(one.url)).query)["code"][0]
    with pytest.raises(OAuthError, match="invalid_grant"):
        browser.redeem(other, browser.pasted(stolen, other), "ours")
    assert one.state != other.state
    assert one.state not in repr(one)


def test_person_says_no(idp: IdentityProvider, provider: Provider) -> None:
    """A refusal in the browser is one, and no code is redeemed."""
    idp.denies = True
    attempt = HttpClient(provider).begin_browser("http://127.0.0.1:50000/", "me")
    with pytest.raises(LoginFailedError, match="refused"):
        browser.redeem(attempt, browser.pasted(redirected(attempt.url), attempt), "ours")
    assert idp.asked("/token") == []


@pytest.mark.parametrize(
    "text", ["", " \n", "https://e/?state=STATE", "?error=odd&state=STATE", "a=b"]
)
def test_pasted_in_error(text: str) -> None:
    """Whatever else is pasted is refused."""
    attempt = Attempt("", "STATE", lambda code: {})
    with pytest.raises(LoginFailedError):
        browser.redeem(attempt, browser.pasted(text, attempt), "ours")


@needs_tls
def test_microsoft_by_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """msal's way by browser, with PKCE and the address that Microsoft wants registered."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.cert))
    with running(IdentityProvider(), certificate) as idp:
        settings = OAuth(provider="microsoft", client_id=CLIENT_ID, authority=idp.url(""))
        microsoft = provider_of(settings)
        with browser.Listener(microsoft.redirect_host) as listener:
            attempt = MsalClient(microsoft).begin_browser(listener.redirect_uri, "me@example.org")
            listener.expect(attempt)
            # For this test's own look at the page.
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
            right = redirected(attempt.url)
            assert right.startswith("http://localhost:")
            assert get(right) == 200
            tokens = browser.redeem(attempt, listener.wait(20), "microsoft")
        assert tokens["access_token"] == idp.access_tokens[-1]
        client = MsalClient(microsoft)
        idp.failures = [500, 302, b"<html>"]
        for kind, said in ((UnreachableError, "500"), (OAuthError, "asked"), (OAuthError, "200")):
            with pytest.raises(kind, match=said):
                client.refresh(tokens["refresh_token"])
        assert client.refresh(tokens["refresh_token"])["access_token"] == idp.access_tokens[-1]
    with pytest.raises(OAuthError, match="reached"):
        MsalClient(microsoft).begin_device()


def test_presets() -> None:
    """What is particular about a provider goes into its addresses."""
    google = provider_of(OAuth(provider="google", client_id="x"))
    attempt = HttpClient(google).begin_browser("http://127.0.0.1:50000/", "me@example.org")
    asked = parse_qs(urlsplit(attempt.url).query)
    assert attempt.url.startswith("https://accounts.google.com/")
    assert asked["access_type"] == ["offline"]
    assert asked["scope"] == ["https://mail.google.com/"]
    assert asked["code_challenge_method"] == ["S256"]
    assert google.device_url is None
    microsoft = provider_of(OAuth(provider="microsoft", client_id="x", tenant="example.org"))
    assert microsoft.authority == "https://login.microsoftonline.com/example.org"
    assert microsoft.token_url == f"{microsoft.authority}/oauth2/v2.0/token"
    # msal finds addresses by itself, so one that is given must not be given to it.
    own = OAuth(provider="microsoft", client_id="x", token_url="https://e/token")
    assert provider_of(own).authority is None
    assert provider_of(own).token_url == "https://e/token"
