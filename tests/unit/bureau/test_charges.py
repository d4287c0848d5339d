"""Ceilings under parallel requests, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.bureau.contracts import cabinet
from lab.bureau.exchange.charges import charge_identifiers, charge_scores, return_identifiers, return_scores, used
from lab.bureau.store import Store
from lab.terms.contract import Ceilings, Contract
from lab.terms.errors import Refused
from tests.unit.bureau.scene import START, Bank


def contract_in(store: Store, ceilings: Ceilings) -> Contract:
    """A contract kept in the store."""
    bank = Bank().party
    contract = Contract.model_validate(
        {
            "id": "c-test-1",
            "bureau": bank.model_dump(),
            "bank": bank.model_dump(),
            "purpose": "trial",
            "items": [],
            "operations": ["match", "score"],
            "detail": "total",
            "model": {"name": "credit", "version": 1, "sheet_sha256": "0" * 64},
            "id_kind": "opaque",
            "engine": "openmined",
            "parameters": "bfv-8192-a",
            "ceilings": ceilings.model_dump(),
            "starts": START,
            "expires": START + timedelta(days=1),
        }
    )
    with store.begin() as session:
        cabinet.file_draft(session, contract, START)
    return contract


def some_tags(*numbers: int) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(n.to_bytes(16, "big") for n in numbers), dtype=np.uint8).reshape(-1, 16)


def test_parallel_charges_never_pass_the_ceiling(store: Store) -> None:
    contract = contract_in(store, Ceilings(identifiers=100))

    def charge(_: int) -> bool:
        try:
            with store.begin() as session:
                charge_identifiers(session, contract, 7)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(charge, range(24)))
    assert sum(taken) == 14
    with store.read() as session:
        assert used(session, contract.id).identifiers == 98


def test_parallel_batches_with_common_enterprises_never_pass_the_ceiling(store: Store) -> None:
    """Each batch is charged whole or not at all; overlapping batches in opposite orders do not lock each other out."""
    contract = contract_in(store, Ceilings(scores_per_enterprise=3))
    forward, backward = some_tags(*range(1, 40)), some_tags(*range(39, 0, -1))

    def charge(number: int) -> bool:
        try:
            with store.begin() as session:
                charge_scores(session, contract, forward if number % 2 else backward)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(charge, range(16)))
    assert sum(taken) == 3
    with store.read() as session:
        so_far = used(session, contract.id)
    assert (so_far.scores, so_far.enterprises, so_far.most_scored) == (117, 39, 3)


def test_one_enterprise_at_its_ceiling_refuses_the_whole_batch(store: Store) -> None:
    contract = contract_in(store, Ceilings(scores_per_enterprise=1))
    with store.begin() as session:
        charge_scores(session, contract, some_tags(5))
    with pytest.raises(Refused, match="1 of 3 enterprises"), store.begin() as session:
        charge_scores(session, contract, some_tags(4, 5, 6))
    with store.read() as session:
        assert used(session, contract.id).scores == 1
    with store.begin() as session:
        charge_scores(session, contract, some_tags(4, 6))


def test_a_first_charge_beyond_the_ceiling_is_refused(store: Store) -> None:
    contract = contract_in(store, Ceilings(identifiers=5))
    with pytest.raises(Refused, match="5 are left, 6 were asked"), store.begin() as session:
        charge_identifiers(session, contract, 6)
    with store.begin() as session:
        charge_identifiers(session, contract, 5)
    with pytest.raises(Refused, match="0 are left"), store.begin() as session:
        charge_identifiers(session, contract, 1)


def test_what_is_given_back_can_be_used_again(store: Store) -> None:
    contract = contract_in(store, Ceilings(identifiers=5, scores_per_enterprise=1))
    for _ in range(3):
        with store.begin() as session:
            charge_identifiers(session, contract, 5)
            charge_scores(session, contract, some_tags(1, 2))
        with store.begin() as session:
            return_identifiers(session, contract.id, 5)
            return_scores(session, contract.id, some_tags(1, 2))
    with store.read() as session:
        so_far = used(session, contract.id)
    assert (so_far.identifiers, so_far.scores, so_far.enterprises) == (0, 0, 0)


def test_contracts_count_apart(store: Store) -> None:
    first = contract_in(store, Ceilings(scores_per_enterprise=1))
    second = first.model_copy(update={"id": "c-test-2"})
    with store.begin() as session:
        cabinet.file_draft(session, second, START)
    for contract in (first, second):
        with store.begin() as session:
            charge_scores(session, contract, some_tags(1))


def test_a_full_batch_is_counted(store: Store) -> None:
    contract = contract_in(store, Ceilings())
    with store.begin() as session:
        charge_scores(session, contract, some_tags(*range(8192)))
    with store.read() as session:
        assert used(session, contract.id).enterprises == 8192
