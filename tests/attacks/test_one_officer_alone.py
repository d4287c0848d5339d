"""One officer, in league with a bank, passes a contract that nobody else has looked at.

They write it and want to approve it themselves; or, where two officers of two departments are needed, to do with a
second account of theirs or with one colleague of their own department. What stops it: the rules of four eyes, held in
the transaction that approves.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from lab.bureau.contracts import AccessRequest, authorise, lifecycle
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.store import Database
from lab.terms.contract.document import Operation
from lab.terms.errors import NotAllowed
from tests.support.bureau_scene import START
from tests.support.contract_papers import ANN, BEN, CAT, contract, file, keyed, officer, sign_by_bank

NAME = "c-test-1"
pytestmark = [
    pytest.mark.threat(
        "One officer alone",
        who="a person with an account",
        wants="to bring a contract into force without another person",
        stopped_by={
            "four eyes": (
                "The author of a version neither reviews nor approves it. Above a set grade, two officers of two "
                "departments must approve."
            ),
        },
        shipped="on; two departments for items graded above `internal`",
        code=["lab.bureau.contracts.lifecycle", "lab.bureau.contracts.approvals"],
    ),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
COLLEAGUE = officer("ben-two", BEN.department)


def alone(store: Database, approvers: list, needed: int) -> ContractState:
    """Ann writes, the bank signs, ``approvers`` approve: where the contract stands then."""
    with keyed(store).begin() as session:
        file(session, contract(), officers=needed)
        lifecycle.take_step(session, NAME, "submit", ANN, START)
        sign_by_bank(session, contract())
        reviewer = approvers[0] if approvers[0] is not ANN else CAT
        lifecycle.take_step(session, NAME, "review", reviewer, START)
    for approver in approvers:
        with store.begin() as session:
            lifecycle.take_step(session, NAME, "approve", approver, START)
    with store.begin_read() as session:
        authorise(session, NAME, Operation.MATCH, AccessRequest(), START + timedelta(hours=1))
        return lifecycle.find_newest_version(session, NAME).state


WAYS = pytest.mark.parametrize(
    ("approvers", "needed"),
    [
        pytest.param([ANN], 1, id="the author"),
        pytest.param([BEN, BEN], 2, id="one officer twice"),
        pytest.param([BEN, COLLEAGUE], 2, id="two of one department"),
        pytest.param([BEN, officer("ben-three", f" {BEN.department.upper()} ")], 2, id="one department spelt twice"),
    ],
)


@pytest.mark.without_control("four eyes")
@WAYS
def test_without_four_eyes_the_contract_is_in_force(
    store: Database, approvers: list, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "check_approver", lambda *_: None)
    if approvers == [BEN, BEN]:
        # The database would not take the same name twice: the officer's second account has another.
        approvers = [BEN, officer("ben-again", BEN.department)]
    assert alone(store, approvers, needed) is ContractState.ACTIVE


@pytest.mark.with_control("four eyes")
@WAYS
def test_the_contract_is_not_passed(store: Database, approvers: list, needed: int) -> None:
    with pytest.raises(NotAllowed, match=r"four eyes|different departments"):
        alone(store, approvers, needed)
    with store.begin_read() as session:
        assert lifecycle.find_newest_version(session, NAME).state is ContractState.UNDER_REVIEW
