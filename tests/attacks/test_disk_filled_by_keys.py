"""A bank makes key after key and sends each to the bureau, to fill its disk.

A public key is two megabytes, is charged to nobody, and is kept until the retention of the contract is over: a year
of them at one a second is more than any disk. What stops it: the number of keys that are held under a contract at
once is limited.
"""

from __future__ import annotations

import hashlib

import pytest

from lab.bureau.exchange.scoring import public_contexts
from lab.terms.errors import NotAllowed
from protocols.scoring.bank import KeyHolder, generate_secret_key
from tests.support.bureau_scene import PARAMS, Scene

pytestmark = pytest.mark.threat(
    "Disk filled with public keys",
    who="a bank",
    wants="to fill the bureau's disk with public keys, which are not charged",
    stopped_by={
        "context limit": "The bureau keeps at most 16 public keys under a contract at a time.",
    },
    code=["lab.bureau.exchange.scoring.public_contexts"],
)

SENT, ALLOWED = 4, 2


def fill(scene: Scene) -> int:
    """How many keys lie on the bureau's disk after the bank has sent four."""
    contract = scene.contract()
    scene.bank.open_job(scene.bureau, contract)
    for _ in range(SENT):
        frame = KeyHolder(PARAMS, generate_secret_key(PARAMS)).public_context()
        try:
            scene.bureau.contexts.put(contract, "job-1", hashlib.sha256(frame).hexdigest(), frame)
        except NotAllowed:
            break
    return len(list((scene.home / "contexts").iterdir()))


@pytest.mark.without_control("context limit")
def test_without_the_number_every_key_is_kept(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_contexts, "_check_number", lambda *_: None)
    monkeypatch.setattr(public_contexts, "MAX_CONTEXTS", ALLOWED)
    assert fill(scene) == SENT


@pytest.mark.with_control("context limit")
def test_no_more_keys_are_kept_than_may_be(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_contexts, "MAX_CONTEXTS", ALLOWED)
    assert fill(scene) == ALLOWED
    assert scene.ledger().count("refused") == 1


@pytest.mark.with_control("context limit")
def test_a_year_of_contexts_is_bounded() -> None:
    assert public_contexts.MAX_CONTEXTS * 2 <= 64, "megabytes under a contract"
