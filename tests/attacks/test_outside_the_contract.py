"""A bank asks for more than its contract says: another recipient, another model, more enterprises, finer replies.

It wants to hand scores to a department (or a partner) that the contract does not name, to use a model that is another
bank's, and subtotals where it may have totals. What stops it: one enforcement point, which holds each request against
the terms.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.bank.connection.client import JobDescription
from lab.bureau.contracts import policy
from lab.bureau.exchange import JobParameters
from lab.bureau.model_registry.registry import publish_model, save_model
from lab.terms.contract.document import Ceilings
from lab.terms.errors import NotAllowed
from tests.support.bureau_scene import RECIPIENT
from tests.support.served_bureau import House

pytestmark = pytest.mark.threat(
    "Requests outside the contract",
    who="a bank",
    wants=(
        "to get what its contract does not allow: another recipient, another model, more enterprises, finer replies"
    ),
    stopped_by={
        "enforcement": (
            "One enforcement point compares each operation with the contract, in the operation's own transaction."
        ),
    },
    code=["lab.bureau.contracts.enforcement", "lab.bureau.exchange.access"],
)

BEYOND = {
    "recipients": JobDescription("a partner abroad", "credit", 1, 10),
    "models": JobDescription(RECIPIENT, "secret", 1, 10),
    "rows_per_job": JobDescription(RECIPIENT, "credit", 1, 999),
}


def prepare(house: House) -> str:
    scene = house.scene
    other = replace(scene.model, name="secret")
    save_model(scene.bureau.store, scene.bureau.home, other, "main")
    publish_model(scene.bureau.store, scene.bureau.home, "secret", 1)
    return scene.contract(ceilings=Ceilings(rows_per_job=100))


@pytest.mark.without_control("enforcement")
def test_without_the_terms_every_job_is_opened(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    contract = prepare(house)
    monkeypatch.setattr(policy, "check_request", lambda *_: None)
    for number, card in enumerate(BEYOND.values()):
        house.outlet().open_job(contract, f"job-{number}", card)
    matched = house.scene.bank.match(house.bureau, contract, house.scene.tables.codes[:3], "job-9")
    assert len(matched.indices) == 3
    terms = [house.bureau.jobs.find(contract, f"job-{number}").parameters for number in range(len(BEYOND))]
    assert terms == [JobParameters("a partner abroad", "credit", 1, 10), JobParameters(RECIPIENT, "secret", 1, 10),
                     JobParameters(RECIPIENT, "credit", 1, 999)]  # fmt: skip


@pytest.mark.with_control("enforcement")
@pytest.mark.parametrize("term", BEYOND)
def test_what_the_contract_does_not_say_is_refused_by_its_term(house: House, term: str) -> None:
    contract = prepare(house)
    with pytest.raises(NotAllowed, match=term if term != "models" else "model"):
        house.outlet().open_job(contract, "job-0", BEYOND[term])
    assert house.outlet().allowance(contract)["jobs"]["used"] == 0


@pytest.mark.with_control("enforcement")
def test_another_models_sheet_is_not_given(house: House) -> None:
    contract = prepare(house)
    with pytest.raises(NotAllowed):
        house.outlet().sheet(contract, "secret", 1)
