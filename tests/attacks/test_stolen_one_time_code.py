"""Another program on an officer's machine reads the one-time code on its way to the command line.

It wants the officer's token. What stops it: PKCE (RFC 7636): the code is of use only with its verifier, is accepted
once, a try with a wrong verifier included, and is good for a minute.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.oidc import pending_sign_ins
from sandbox.oidc.pending_sign_ins import OneTimeStore, PendingSignIns
from tests.support.bureau_scene import Scene
from tests.support.openid_service import VERIFIER, code_of, provided, redeem
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Stolen one-time code",
    who="somebody on the machine",
    wants="to steal the one-time code on its way to an officer's command line",
    stopped_by={
        "verifier": "The code is useless without its PKCE verifier (RFC 7636).",
        "one use": "A code is accepted once, within 60 seconds.",
    },
    code=["sandbox.oidc.pending_sign_ins"],
)


@pytest.fixture
def house(scene: Scene) -> Iterator[House]:
    with provided(scene) as (running, _):
        yield running


def account_of(house: House, token: str) -> str:
    with house.client(token) as client:
        return client.get("/v1/me").json()["account"]


@pytest.mark.without_control("verifier")
def test_without_the_verifier_the_thief_has_the_token(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def whoever(room: PendingSignIns, code: str, verifier: str):
        found = room._codes.take(code)
        return found[1] if found else None

    monkeypatch.setattr(PendingSignIns, "redeem_code", whoever)
    answer = redeem(house, code_of(house), "thief" * 10)
    assert account_of(house, answer.json()["token"]) == "li.wei"


@pytest.mark.with_control("verifier")
def test_the_thief_has_nothing_and_has_spent_the_code(house: House) -> None:
    code = code_of(house)
    assert redeem(house, code, "thief" * 10).status_code == 401
    assert redeem(house, code, VERIFIER).status_code == 401


@pytest.mark.without_control("one use")
def test_without_its_one_use_a_code_and_verifier_read_later_give_a_token(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of the command line holds both, long after the officer has signed in."""

    def again(store: OneTimeStore, key: str):
        return store._values.get(key, (0.0, None))[1]

    code = code_of(house)
    monkeypatch.setattr(OneTimeStore, "take", again)
    assert redeem(house, code, VERIFIER).status_code == 200
    assert account_of(house, redeem(house, code, VERIFIER).json()["token"]) == "li.wei"


@pytest.mark.with_control("one use")
def test_a_code_that_was_used_or_is_a_minute_old_gives_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    code = code_of(house)
    assert redeem(house, code, VERIFIER).status_code == 200
    assert redeem(house, code, VERIFIER).status_code == 401
    assert pending_sign_ins.CODE_SECONDS == 60
    now = [0.0]
    held: OneTimeStore[str] = OneTimeStore(pending_sign_ins.CODE_SECONDS, lambda: now[0])
    held.put("code", "tokens")
    now[0] = 61.0
    assert held.take("code") is None
