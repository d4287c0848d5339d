"""Signing in at an OpenID provider: the whole way round at a certified one, and at one that is wrong in one thing."""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc.jwk import ECKey, RSAKey

from lab.bureau.people import OidcSubject, Role
from lab.bureau.store.tables import EntryTallyRow
from lab.sdk.browser_sign_in import sign_in_by_browser
from lab.sdk.session_file import SavedSession
from lab.terms.errors import InvalidInput, Unreachable
from sandbox.oidc.configured_provider import load_oidc_provider
from sandbox.oidc.pending_sign_ins import CALLBACK_PATH, MAX_PENDING, OneTimeStore
from sandbox.settings import ServiceSettings
from tests.service.conftest import ROOT
from tests.support.crooked_provider import CLIENT, SECRET, Claims, Crooked, crooked_provider
from tests.support.people_front import GOOD, Front, close_front, free_port, open_front

VERIFIER, STATE = "v" * 43, "s" * 43
CHALLENGE = create_s256_code_challenge(VERIFIER)


@dataclass
class Certified:
    """The provider of another house, and the service whose people sign in there."""

    issuer: str
    front: Front

    def sits_there(self, name: str) -> None:
        httpx.get(f"{self.issuer}/as/{name}", trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    folder, port = tmp_path_factory.mktemp("provider"), free_port()
    public = f"http://127.0.0.1:{port}"
    words = [
        sys.executable,
        "-m",
        "tests.support.openid_provider",
        public + CALLBACK_PATH,
        CLIENT,
        SECRET,
        str(folder / "issuer"),
    ]
    process = subprocess.Popen(words, cwd=ROOT)
    try:
        while not (folder / "issuer").exists():
            assert process.poll() is None
            time.sleep(0.05)
        issuer = (folder / "issuer").read_text()
        (folder / "secret").write_text(SECRET + "\n")
        front = open_front(
            tmp_path_factory.mktemp("bureau"),
            port=port,
            public_url=public,
            oidc_issuer=issuer,
            oidc_client_id=CLIENT,
            oidc_client_secret_file=str(folder / "secret"),
            local_accounts=False,
        )
        front.account("li.wei", Role.OFFICER, elsewhere=OidcSubject(issuer, "u-1"))
        try:
            yield Certified(issuer, front)
        finally:
            close_front(front)
    finally:
        process.terminate()
        process.wait(20)


def test_a_browser_signs_in_and_is_known(certified: Certified) -> None:
    certified.sits_there("u-1")
    front = certified.front
    with front.client(origin=front.url) as browser:
        page = browser.get("/v1/sign-in/oidc", follow_redirects=True)
        assert page.status_code == 200 and "已登录" in page.text and "You are signed in" in page.text
        assert str(page.url).startswith(front.url)
        assert browser.get("/v1/me").json()["account"] == "li.wei"
        assert browser.post("/v1/sign-out", json={}).status_code == 401  # the cookie alone changes nothing
        right = {"X-CSRF-Token": browser.cookies["shulab_csrf"]}
        assert browser.post("/v1/sign-out", json={}, headers=right).status_code == 200
    assert front.entries("sign-in.done")[-1]["facts"] == {"account": "li.wei", "how": "openid"}


def test_the_question_is_protected(certified: Certified) -> None:
    with certified.front.client() as browser:
        answer = browser.get("/v1/sign-in/oidc")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        cookie = answer.headers["set-cookie"].lower()
    assert asked["response_type"] == "code" and asked["scope"] == "openid"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 43 and len(asked["nonce"]) >= 43
    assert "httponly" in cookie and "samesite=lax" in cookie
    assert SECRET not in answer.headers["location"]


def test_a_stranger_whom_the_provider_knows_is_refused_and_recorded(certified: Certified) -> None:
    certified.sits_there("u-stranger")
    front = certified.front
    with front.client() as browser:
        answer = browser.get("/v1/sign-in/oidc", follow_redirects=True)
        assert answer.status_code == 401 and "no account" in answer.json()["detail"]
        assert "shulab_session" not in browser.cookies
    failed = front.entries("sign-in.failed")[-1]
    assert failed["facts"] == {"how": "openid", "reason": "no account"}
    assert "u-stranger" not in json.dumps(failed)


def test_passwords_are_off_where_the_settings_say_so(certified: Certified) -> None:
    front = certified.front
    front.account("wang.fang", Role.STEWARD)
    with front.client() as client:
        answer = client.post("/v1/sign-in", json={"name": "wang.fang", "password": GOOD})
    assert answer.status_code == 403 and "--browser" in answer.json()["next_step"]


def test_the_command_line_signs_in_by_a_browser(certified: Certified, tmp_path: Path) -> None:
    """``BROWSER_COOKIE`` is a command that follows redirects and keeps cookies, as a browser does."""
    certified.sits_there("u-1")
    front, session = certified.front, tmp_path / "session.json"
    script = tmp_path / "browser.py"
    script.write_text(
        "import sys, httpx\n"
        "with httpx.Client(follow_redirects=True, trust_env=False) as client:\n"
        "    answer = client.get(sys.argv[1])\n"
        f"    open({str(tmp_path / 'seen')!r}, 'w').write(str(answer.url) + answer.text)\n"
    )
    browser = f"{sys.executable} {script} %s"
    done = front.ok("account", "sign-in", "--browser", "--service", front.url, session=session, BROWSER=browser)
    assert done["account"] == "li.wei" and "token" not in done
    assert front.ok("account", "who", session=session)["roles"] == ["officer"]
    seen = (tmp_path / "seen").read_text()
    assert seen.startswith("http://127.0.0.1:") and "/signed-in?" in seen and "可以关闭此页" in seen
    assert SavedSession.read(session).token not in seen
    certified.sits_there("u-stranger")
    session.unlink()
    front.fails(6, "account", "sign-in", "--browser", "--service", front.url, session=session, BROWSER=browser)
    assert not session.exists()


def test_the_first_administrator_may_be_the_providers(certified: Certified, tmp_path: Path) -> None:
    front = certified.front
    words = ("bureau", "account", "zhao", "--role", "administrator", "--department", "it")
    at = ("--home", str(front.process.home), "--issuer", certified.issuer)
    session = tmp_path / "session.json"
    front.fails(3, *words, *at, session=session)
    assert front.ok(*words, *at, "--subject", "u-9", session=session)["password"] is None
    certified.sits_there("u-9")
    with front.client() as browser:
        browser.get("/v1/sign-in/oidc", follow_redirects=True)
        assert browser.get("/v1/me").json()["roles"] == ["administrator"]


def loopback_code(front: Front, port: int = 49152) -> str:
    """Goes the command line's way as far as the loopback address, where nobody listens."""
    with front.client() as browser:
        query = {"port": port, "code_challenge": CHALLENGE, "state": STATE}
        answer = browser.get("/v1/sign-in/oidc", params=query)
        while answer.is_redirect and not answer.headers["location"].startswith(f"http://127.0.0.1:{port}/"):
            answer = browser.get(answer.headers["location"])
    found = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
    assert found["state"] == STATE
    return found["code"]


def test_a_code_is_of_use_once_and_to_its_verifier_alone(certified: Certified) -> None:
    certified.sits_there("u-1")
    front = certified.front
    with front.client() as client:

        def take(code: str, verifier: str) -> int:
            return client.post("/v1/sign-in/oidc/code", json={"code": code, "verifier": verifier}).status_code

        code = loopback_code(front)
        assert take(code, VERIFIER) == 200
        assert take(code, VERIFIER) == 401
        code = loopback_code(front)
        assert take(code, "w" * 43) == 401
        assert take(code, VERIFIER) == 401, "a wrong verifier spends it"
        assert take("none", VERIFIER) == 401


def test_no_answer_counts_but_to_this_browsers_question(certified: Certified) -> None:
    certified.sits_there("u-1")
    front = certified.front

    def to_the_callback(browser: httpx.Client) -> str:
        at_provider = browser.get("/v1/sign-in/oidc").headers["location"]
        return str(httpx.get(at_provider, trust_env=False, timeout=60).headers["location"])

    with front.client() as one, front.client() as other:
        url = to_the_callback(one)
        to_the_callback(other)
        assert other.get(url).status_code == 401, "another browser"
        assert one.get(url).status_code == 401, "a state counts once"
        url = to_the_callback(one)
        bent = str(httpx.URL(url).copy_set_param("state", "x" * 43))
        assert one.get(bent).status_code == 401, "a state nobody asked with"
        assert one.get(url).status_code == 200
        assert one.get(url).status_code == 401


@pytest.fixture(scope="module")
def bent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Crooked, Front]]:
    port = free_port()
    with crooked_provider() as provider:
        front = open_front(
            tmp_path_factory.mktemp("bureau"),
            port=port,
            public_url=f"http://127.0.0.1:{port}",
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT,
            oidc_client_secret=SECRET,
        )
        front.account("li.wei", Role.OFFICER, elsewhere=OidcSubject(provider.issuer, "u-1"))
        try:
            yield provider, front
        finally:
            close_front(front)


def go_round(front: Front) -> httpx.Response:
    with front.client() as browser:
        answer = browser.get("/v1/sign-in/oidc", follow_redirects=True)
        if answer.status_code == 200:
            assert browser.get("/v1/me").json()["account"] == "li.wei"
        else:
            assert "shulab_session" not in browser.cookies
        return answer


def encoded(found: bytes) -> str:
    return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def unsigned(claims: Claims, alg: str = "none") -> str:
    head, body = (encoded(json.dumps(found).encode()) for found in ({"alg": alg, "kid": "one"}, claims))
    return f"{head}.{body}."


def tampered(provider: Crooked, claims: Claims) -> str:
    head, _, signature = provider.signed(claims).split(".")
    other = provider.signed(claims | {"sub": "u-2"}).split(".")[1]
    return f"{head}.{other}.{signature}"


def by_secret(claims: Claims, secret: bytes) -> str:
    """HS256 by hand: the library refuses to take a public key for a secret."""
    head, body, _ = unsigned(claims, "HS256").split(".")
    return f"{head}.{body}.{encoded(hmac.digest(secret, f'{head}.{body}'.encode(), 'sha256'))}"


OTHER_KEY = RSAKey.generate_key(2048, parameters={"kid": "one"})
BENDS: dict[str, Callable[[Claims], Claims]] = {
    "another nonce": lambda claims: claims | {"nonce": "x" * 43},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "another audience": lambda claims: claims | {"aud": "other"},
    "another audience, of ours by azp": lambda claims: claims | {"aud": "other", "azp": CLIENT},
    "no audience": lambda claims: {name: value for name, value in claims.items() if name != "aud"},
    "two audiences, for the other": lambda claims: claims | {"aud": [CLIENT, "other"], "azp": "other"},
    "another issuer": lambda claims: claims | {"iss": "https://other.example"},
    "expired": lambda claims: claims | {"exp": int(time.time()) - 120, "iat": int(time.time()) - 400},
    "not yet": lambda claims: claims | {"nbf": int(time.time()) + 600},
    "from the future": lambda claims: claims | {"iat": int(time.time()) + 600},
    "without an end": lambda claims: {name: value for name, value in claims.items() if name != "exp"},
    "without a subject": lambda claims: {name: value for name, value in claims.items() if name != "sub"},
    "an empty subject": lambda claims: claims | {"sub": ""},
    "a subject that is no text": lambda claims: claims | {"sub": 1},
    "of another access token": lambda claims: claims | {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}
SIGNS: dict[str, Callable[[Crooked, Claims], str]] = {
    "alg none": lambda provider, claims: unsigned(claims),
    "tampered with": tampered,
    "another's key under the same name": lambda provider, claims: provider.signed(claims, OTHER_KEY),
    "a key nobody knows": lambda provider, claims: provider.signed(claims, OTHER_KEY, kid="two"),
    "the public key as a secret": lambda provider, claims: by_secret(claims, provider.key.as_pem(False)),
    "the client's secret": lambda provider, claims: by_secret(claims, SECRET.encode()),
    "no token": lambda provider, claims: "",
    "no JWT": lambda provider, claims: "a.b.c",
    "no JSON": lambda provider, claims: "\u0000",
}


def test_a_provider_that_is_right_lets_in(bent: tuple[Crooked, Front]) -> None:
    provider, front = bent
    provider.straight()
    assert go_round(front).status_code == 200
    assert create_s256_code_challenge(provider.exchanged["code_verifier"]) == provider.asked["code_challenge"]
    assert provider.exchanged["redirect_uri"] == provider.asked["redirect_uri"] == front.url + CALLBACK_PATH


@pytest.mark.parametrize("why", BENDS)
def test_claims_that_do_not_fit_let_nobody_in(bent: tuple[Crooked, Front], why: str) -> None:
    provider, front = bent
    provider.straight()
    provider.bend = BENDS[why]
    answer = go_round(front)
    assert answer.status_code == 401, answer.text
    assert front.entries("sign-in.failed")[-1]["facts"]["how"] == "openid"
    provider.straight()
    assert go_round(front).status_code == 200


@pytest.mark.parametrize("why", SIGNS)
def test_tokens_that_the_provider_did_not_sign_let_nobody_in(bent: tuple[Crooked, Front], why: str) -> None:
    provider, front = bent
    provider.straight()
    provider.sign = lambda claims: SIGNS[why](provider, claims)
    with front.bureau.store.begin() as session:  # as if an hour had passed: of many failures the first few have entries
        session.execute(sqlalchemy.delete(EntryTallyRow))
    answer = go_round(front)
    assert answer.status_code == 401, answer.text
    detail = answer.json()["detail"]
    assert "u-1" not in detail and "eyJ" not in detail
    assert front.entries("sign-in.failed")[-1]["facts"] == {"how": "openid", "reason": detail}


def test_an_answer_of_another_issuer_lets_nobody_in(bent: tuple[Crooked, Front]) -> None:
    provider, front = bent
    provider.straight()
    provider.answer = {"iss": "https://other.example"}  # RFC 9207
    assert go_round(front).status_code == 401
    provider.answer = {"iss": provider.issuer}
    assert go_round(front).status_code == 200


def test_a_provider_may_change_its_keys_and_its_algorithm(bent: tuple[Crooked, Front]) -> None:
    provider, front = bent
    provider.straight()
    assert go_round(front).status_code == 200
    fresh = ECKey.generate_key("P-256", parameters={"kid": "three", "use": "sig"})
    provider.shown = [fresh]
    provider.sign = lambda claims: provider.signed(claims, fresh, alg="ES256", kid="three")
    assert go_round(front).status_code == 200
    provider.straight()
    assert go_round(front).status_code == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://provider.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": None},
    ],
)
def test_metadata_that_lead_elsewhere_are_not_followed(
    tmp_path: Path, bent: tuple[Crooked, Front], metadata: dict[str, str | None]
) -> None:
    import asyncio

    provider, _ = bent
    provider.straight()
    provider.metadata = metadata
    settings = ServiceSettings(oidc_issuer=provider.issuer, oidc_client_id=CLIENT, public_url="http://127.0.0.1:1")
    found = load_oidc_provider(settings)
    assert found is not None
    with pytest.raises(Unreachable):
        asyncio.run(found.new_authorization_request())
    provider.straight()
    asyncio.run(found.new_authorization_request())


def test_settings_that_leave_nobody_a_way_in_are_told() -> None:
    assert load_oidc_provider(ServiceSettings()) is None
    for wrong in (
        {"local_accounts": False},
        {"oidc_issuer": "https://id.example"},
        {"oidc_issuer": "https://id.example", "oidc_client_id": "x"},
        {"oidc_issuer": "http://id.example", "oidc_client_id": "x", "public_url": "https://bureau.example"},
    ):
        with pytest.raises(InvalidInput):
            load_oidc_provider(ServiceSettings(**wrong))  # type: ignore[arg-type]
    secret = ServiceSettings(oidc_client_secret="a-secret")  # type: ignore[arg-type]
    assert "a-secret" not in repr(secret) and "a-secret" not in str(secret.model_dump())


def test_without_a_provider_there_is_no_way_to_one(tmp_path: Path) -> None:
    front = open_front(tmp_path / "bureau")
    try:
        with front.client() as client:
            assert client.get("/v1/sign-in/oidc").status_code == 404
            assert client.get("/v1/sign-in/oidc/callback", params={"state": "x"}).status_code == 404
        with pytest.raises(Unreachable):
            sign_in_by_browser(front.url, lambda line: None, seconds=0.5)
    finally:
        close_front(front)


def test_what_waits_is_taken_once_in_time_and_never_too_many() -> None:
    now = 0.0
    held: OneTimeStore[int] = OneTimeStore(10, lambda: now)
    held.put("a", 1)
    assert held.take("a") == 1 and held.take("a") is None
    held.put("b", 2)
    now = 10.0
    assert held.take("b") is None
    for number in range(MAX_PENDING + 5):
        held.put(str(number), number)
    assert held.take("4") is None and held.take("5") == 5
