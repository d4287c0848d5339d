"""A service whose people sign in at an OpenID provider that a test controls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from lab.bureau.people import OidcSubject, Role
from tests.support.bureau_scene import Scene
from tests.support.crooked_provider import CLIENT, SECRET, Crooked, crooked_provider
from tests.support.people_front import free_port
from tests.support.served_bureau import House, serving

VERIFIER, STATE = "v" * 43, "s" * 43


@contextmanager
def provided(scene: Scene) -> Iterator[tuple[House, Crooked]]:
    """The officer ``li.wei`` is the provider's ``u-1``; the attacker is its ``u-2``, who has no account here."""
    port = free_port()
    with crooked_provider() as provider:
        words = {"oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
        with serving(scene, port=port, public_url=f"http://127.0.0.1:{port}", **words) as house:
            house.account("li.wei", Role.OFFICER, elsewhere=OidcSubject(provider.issuer, "u-1"))
            yield house, provider


def go_round(house: House) -> str:
    """A browser signs in; returns the account that the service then sees, or an empty text."""
    with house.client() as browser:
        response = browser.get("/v1/sign-in/oidc", follow_redirects=True)
        return browser.get("/v1/me").json()["account"] if response.status_code == 200 else ""


def code_of(house: House, port: int = 49152) -> str:
    """The one-time code that is sent to a command line's loopback address."""
    with house.client() as browser:
        query = {"port": port, "code_challenge": create_s256_code_challenge(VERIFIER), "state": STATE}
        response = browser.get("/v1/sign-in/oidc", params=query)
        while response.is_redirect and not response.headers["location"].startswith(f"http://127.0.0.1:{port}/"):
            response = browser.get(response.headers["location"])
    return parse_qs(urlsplit(response.headers["location"]).query)["code"][0]


def redeem(house: House, code: str, verifier: str) -> httpx.Response:
    """Ask for the tokens of a code."""
    with house.client() as client:
        return client.post("/v1/sign-in/oidc/code", json={"code": code, "verifier": verifier})
