"""A bank whose contract was suspended brings it back by signing an amendment that lies there, approved.

It wants to go on while officers look into what it did. What stops it: the transition table: a version that comes into
force waits while the former one is suspended, also when that one's term ends meanwhile.
"""

from __future__ import annotations

import pytest

from lab.bureau.contracts import bank_signature, transitions
from lab.bureau.contracts.workflow import ContractState
from lab.terms.errors import NotAllowed, ShulabError
from tests.support.bureau_scene import Scene

pytestmark = pytest.mark.threat(
    "Lifted suspension",
    who="a bank",
    wants="to bring a suspended contract back by signing an approved amendment",
    stopped_by={
        "transition table": "While a contract is suspended, no signature brings its next version into force.",
    },
    code=["lab.bureau.contracts.workflow"],
)


def sign_it_back(scene: Scene) -> str:
    """The contract, suspended, with an approved amendment that the bank signs now."""
    contract = scene.contract()
    amended = scene.amend(contract, file=False)
    scene.file(amended, signed=False)
    scene.suspend(contract)
    scene.bureau.bank_contracts.accept_signature(contract, scene.bank.sign(amended), amended.version)
    return contract


def go_on(scene: Scene, contract: str) -> int:
    return len(scene.bank.match(scene.bureau, contract, scene.tables.codes[:3], "job-2").indices)


@pytest.mark.without_control("transition table")
def test_without_the_wait_the_signature_lifts_the_suspension(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(contract, row, by, now):
        contract.contract.in_force = row.version
        transitions.apply_transition(contract, row, transitions.Transition("activate", by, now))
        return contract.read(row)

    monkeypatch.setattr(bank_signature, "activate", at_once)
    assert go_on(scene, sign_it_back(scene)) == 3


@pytest.mark.with_control("transition table")
def test_the_suspension_stays(scene: Scene) -> None:
    contract = sign_it_back(scene)
    with pytest.raises(NotAllowed, match="suspended"):
        go_on(scene, contract)
    scene.resume(contract)
    assert scene.bureau.bank_contracts.find(contract)[1] == ContractState.ACTIVE


@pytest.mark.with_control("transition table")
def test_no_step_leads_back_from_an_end(scene: Scene) -> None:
    contract = scene.contract()
    scene.revoke(contract)
    for step in (scene.resume, scene.suspend, scene.approve):
        with pytest.raises(ShulabError):
            step(contract)
    with pytest.raises(ShulabError):
        scene.bureau.bank_contracts.accept_signature(contract, scene.bank.sign(scene.document(contract)))
    with pytest.raises(NotAllowed, match="revoked"):
        go_on(scene, contract)
