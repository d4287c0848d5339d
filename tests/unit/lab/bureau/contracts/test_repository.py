"""An approval reads and parses the contract once, whatever it does with it: review, approve, sign, come into force."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lab.bureau.contracts import lifecycle, repository
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.store import Database
from lab.terms.contract.document import parse_contract
from lab.terms.errors import NotFound
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


def test_the_list_has_pages_in_the_same_order(store: Database) -> None:
    """Newest first; contracts of one moment by their ids. A page begins after the contract that the cursor names."""
    documents = [contract(id=f"trial-{number}") for number in range(5)]
    with keyed(store).begin() as session:
        for number, document in enumerate(documents):
            file(session, document, now=START + timedelta(hours=number // 2))
    with store.begin_read() as session:
        whole = [one.contract.id for one in repository.list_contracts(session)]
        assert whole == ["trial-4", "trial-3", "trial-2", "trial-1", "trial-0"]
        pages, after = [], None
        while page := repository.list_contracts(session, after=after, limit=2):
            pages.append([one.contract.id for one in page])
            after = pages[-1][-1]
        assert pages == [whole[:2], whole[2:4], whole[4:]]
        with pytest.raises(NotFound):
            repository.list_contracts(session, after="trial-9")
