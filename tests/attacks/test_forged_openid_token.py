"""Somebody whom the OpenID provider knows, or nobody at all, wants to come in as an officer.

They bend what the provider's answer says: a token that nobody signed, that the client's secret signed, another key of
the same name, an old one, another client's, another sign-in's, another subject's. What stops it: the checks of OpenID
Connect Core, section 3.1.3.7; and only subjects with an account are let in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from joserfc.jwk import OctKey, RSAKey

from sandbox.oidc import provider as door
from tests.service.test_openid import unsigned
from tests.support.bureau_scene import Scene
from tests.support.crooked_provider import SECRET, Claims, Crooked
from tests.support.openid_service import go_round, provided
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Forged OpenID token",
    who="a stranger",
    wants="to sign in with a token that is forged, old or somebody else's",
    stopped_by={
        "token checks": (
            "The code flow uses PKCE, state and nonce. Issuer, audience, signature and age are checked, and "
            "only subjects with an account are let in."
        ),
    },
    shipped="on once `oidc_issuer` is set; until then accounts are local",
    code=["sandbox.oidc.provider"],
)

Bend = Callable[[Crooked], None]


@pytest.fixture
def both(scene: Scene) -> Iterator[tuple[House, Crooked]]:
    with provided(scene) as found:
        yield found


def sign(how: Callable[[Crooked, Claims], str]) -> Bend:
    def bend(one: Crooked) -> None:
        one.sign = lambda claims: how(one, claims)

    return bend


def claim(**changes: object) -> Bend:
    def bend(one: Crooked) -> None:
        one.bend = lambda claims: claims | changes

    return bend


FORGED: dict[str, Bend] = {
    "nobody signed": sign(lambda one, claims: unsigned(claims)),
    "the shared secret signed": sign(
        lambda one, claims: one.signed(claims, OctKey.import_key(SECRET, {"kid": "one"}), "HS256")
    ),
    "another key signed": sign(lambda one, claims: one.signed(claims, RSAKey.generate_key(2048))),
    "old": claim(iat=int(time.time()) - 9000, exp=int(time.time()) - 8000),
    "another client's": claim(aud="another-client"),
    "another issuer's": claim(iss="https://evil.example"),
    "another sign-in's": claim(nonce="of-another-sign-in"),
}


@pytest.mark.without_control("token checks")
@pytest.mark.parametrize("forged", FORGED)
def test_without_the_checks_the_forger_is_the_officer(
    both: tuple[House, Crooked], forged: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, provider = both
    FORGED[forged](provider)

    async def believe(room: door.OidcProvider, metadata: object, token: dict, nonce: str) -> dict:
        """Read the token's middle, as software does that forgets to check."""
        import base64
        import json

        middle = token["id_token"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))

    monkeypatch.setattr(door.OidcProvider, "_read", believe)
    assert go_round(house) == "li.wei"


@pytest.mark.with_control("token checks")
@pytest.mark.parametrize("forged", FORGED)
def test_the_forger_is_nobody(both: tuple[House, Crooked], forged: str) -> None:
    house, provider = both
    assert go_round(house) == "li.wei", "the provider's own token lets the officer in"
    FORGED[forged](provider)
    assert go_round(house) == ""
    assert house.entries("sign-in.failed")


@pytest.mark.with_control("token checks")
def test_a_subject_without_an_account_is_nobody(both: tuple[House, Crooked]) -> None:
    house, provider = both
    claim(sub="u-2")(provider)
    assert go_round(house) == ""
