"""An approval reads and parses the contract once, whatever it does with it: review, approve, sign, come into force."""

from __future__ import annotations

from typing import Any

import pytest

from lab.bureau.contracts import lifecycle, repository
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.store import Database
from lab.terms.contract.document import parse_contract
from tests.support.bureau_scene import START
from tests.support.contract_papers import ANN, BEN, contract, file, keyed, sign_by_bank


@pytest.mark.parametrize("signed", [False, True])
def test_an_approval_parses_the_contract_once(
    store: Database, monkeypatch: pytest.MonkeyPatch, *, signed: bool
) -> None:
    document = contract()
    with keyed(store).begin() as session:
        file(session, document)
        lifecycle.take_step(session, document.id, "submit", ANN, START)
        if signed:
            sign_by_bank(session, document)
    parsed: list[str | bytes] = []

    def counted(text: str | bytes, **options: Any) -> Any:
        parsed.append(text)
        return parse_contract(text, **options)

    monkeypatch.setattr(repository, "parse_contract", counted)
    with store.begin() as session:
        approved = lifecycle.approve_version_read(session, document.id, BEN, START)
    assert approved.state is (ContractState.ACTIVE if signed else ContractState.APPROVED)
    assert len(parsed) == 1
