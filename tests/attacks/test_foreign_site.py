"""A web site that an administrator looks at makes the browser ask the bureau for something.

The browser sends the cookie by itself. The site wants an account of its own. What stops it: the token in a header
(which another site cannot read), the origin of the request, and SameSite in the cookie. Each is tried alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from lab.bureau.people import Role, SignIn
from sandbox.auth import person
from tests.support.served_bureau import PASSWORD, House

pytestmark = pytest.mark.threat(
    "Request from another site",
    who="a stranger",
    wants="to act through the browser of an officer who visits another site",
    stopped_by={
        "CSRF token and origin": "A change needs a SameSite cookie, a CSRF token and the service's own origin.",
    },
    code=["sandbox.auth.person"],
)

NEW = {"name": "the.sites", "department": "it", "roles": ["steward"], "shown_name": ""}


@pytest.fixture
def browser(house: House) -> Iterator[httpx.Client]:
    """An administrator's browser that has signed in."""
    house.settle("root", Role.ADMINISTRATOR)
    with house.client(origin=house.url) as client:
        answer = client.post("/v1/sign-in", json={"name": "root", "password": PASSWORD, "cookie": True})
        assert answer.status_code == 200 and answer.json()["token"] is None
        assert all("samesite=strict" in one.lower() for one in answer.headers.get_list("set-cookie"))
        yield client


def ask(house: House, client: httpx.Client, origin: str, csrf: str) -> bool:
    """Whether the site has its account now."""
    client.post("/v1/accounts", json=NEW, headers={"origin": origin, "X-CSRF-Token": csrf})
    return NEW["name"] in {one.name for one in house.bureau.accounts.list_accounts()}


@pytest.mark.without_control("CSRF token and origin")
def test_without_token_and_origin_the_site_has_its_account(
    house: House, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "check_origin", lambda *_: None)
    monkeypatch.setattr(SignIn, "verify_csrf", lambda *_: True)
    assert ask(house, browser, "https://evil.example", "")


@pytest.mark.with_control("CSRF token and origin")
def test_the_site_has_no_account(house: House, browser: httpx.Client) -> None:
    own = browser.cookies["shulab_csrf"]
    assert not ask(house, browser, "https://evil.example", "")
    assert not ask(house, browser, "https://evil.example", own), "the origin alone keeps it out"
    assert not ask(house, browser, house.url, "guess"), "the token alone keeps it out"
    assert not ask(house, browser, "null", own)
    assert ask(house, browser, house.url, own), "the page itself is let in"
