"""Ceilings under parallel requests, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from lab.bureau.contracts.banks import register_bank
from lab.bureau.contracts.draft_storage import insert_draft
from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.exchange.charges import (
    allowance,
    charge_identifiers,
    charge_scores,
    read_usage,
    refund_identifiers,
    refund_scores,
)
from lab.bureau.exchange.jobs import (
    JobParameters,
    charge_rows,
    end_job,
    find_job,
    lock_contract,
    open_job,
    refund_rows,
    stop_jobs,
)
from lab.bureau.store import Database
from lab.bureau.store.tables import InquiryRow, LedgerEntryRow
from lab.terms.contract.document import Ceilings, Contract
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.support.bureau_scene import AUTHOR, RECIPIENT, START, Bank

TERMS = JobParameters(RECIPIENT, "credit", 1, 100)


def held_in(store: Database, ceilings: Ceilings, name: str = "c-test-1", bank: Bank | None = None) -> ContractVersion:
    """A contract kept in the store."""
    party = (bank or Bank()).party
    contract = Contract.model_validate(
        {
            "schema": "shulab-contract/2",
            "id": name,
            "bureau": party.model_dump(),
            "bank": party.model_dump(),
            "purpose": "research",
            "recipients": [RECIPIENT],
            "items": [],
            "operations": ["match", "score"],
            "detail": "total",
            "models": [{"name": "credit", "version": 1, "sheet_sha256": "0" * 64}],
            "id_kind": "opaque",
            "engine": "openmined",
            "parameters": "bgv-8192-a",
            "ceilings": ceilings.model_dump(),
            "starts": START,
            "expires": START + timedelta(days=1000),
        }
    )
    with store.begin() as session:
        bank_id = register_bank(session, party, by="local", now=START, fingerprint=party.fingerprint)
        return insert_draft(session, contract, bank_id=bank_id, officers_needed=1, author=AUTHOR, now=START)


def firms(*numbers: int) -> list[str]:
    """Pseudonyms."""
    return [f"{number:032x}" for number in numbers]


def charge(store: Database, contract: Contract, batch: int, enterprises: list[str], now: datetime = START) -> bool:
    """Charge a batch as scoring does; whether it was let through."""
    try:
        with store.begin() as session:
            lock_contract(session, contract.id)
            charge_scores(session, contract, "job-1", f"{batch:064x}", enterprises, now)
    except NotAllowed:
        return False
    return True


def test_parallel_charges_never_pass_the_ceiling(store: Database) -> None:
    contract = held_in(store, Ceilings(identifiers=100)).contract

    def take(_: int) -> bool:
        try:
            with store.begin() as session:
                charge_identifiers(session, contract, 7)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(take, range(24)))
    assert sum(taken) == 14
    with store.begin_read() as session:
        assert read_usage(session, contract, START).identifiers == 98


def test_parallel_batches_with_common_enterprises_never_pass_the_ceiling(store: Database) -> None:
    """Each batch is charged whole or not at all; overlapping batches in opposite orders do not lock each other out."""
    contract = held_in(store, Ceilings(scores_per_enterprise=3)).contract
    forward, backward = firms(*range(1, 40)), firms(*range(39, 0, -1))

    with ThreadPoolExecutor(8) as threads:
        taken = list(
            threads.map(lambda number: charge(store, contract, number, forward if number % 2 else backward), range(16))
        )
    assert sum(taken) == 3
    with store.begin_read() as session:
        so_far = read_usage(session, contract, START)
    assert (so_far.scores, so_far.enterprises, so_far.most_scored) == (117, 39, 3)


def test_one_enterprise_at_its_ceiling_refuses_the_whole_batch(store: Database) -> None:
    contract = held_in(store, Ceilings(scores_per_enterprise=1)).contract
    assert charge(store, contract, 1, firms(5))
    with pytest.raises(NotAllowed, match="1 of 3 enterprises"), store.begin() as session:
        charge_scores(session, contract, "job-1", "b" * 64, firms(4, 5, 6), START)
    with store.begin_read() as session:
        assert read_usage(session, contract, START).scores == 1
    assert charge(store, contract, 2, firms(4, 6))


@pytest.mark.property(
    "Rolling period",
    claim="Scores of an enterprise are counted within a rolling period.",
    topic="contracts and consent",
    code=["lab.bureau.exchange.charges"],
)
def test_scores_are_counted_within_a_rolling_period(store: Database) -> None:
    contract = held_in(store, Ceilings(scores_per_enterprise=2, period_days=10)).contract
    day = timedelta(days=1)
    assert charge(store, contract, 1, firms(1), START)
    assert charge(store, contract, 2, firms(1), START + 6 * day)
    assert not charge(store, contract, 3, firms(1), START + 9 * day)
    assert not charge(store, contract, 3, firms(1), START + 10 * day - timedelta(microseconds=1))
    assert charge(store, contract, 3, firms(1), START + 10 * day)  # the first one lies ten days back
    assert not charge(store, contract, 4, firms(1), START + 15 * day)
    assert charge(store, contract, 4, firms(1), START + 16 * day)
    with store.begin_read() as session:
        so_far = read_usage(session, contract, START + 16 * day)
        assert (so_far.scores, so_far.enterprises, so_far.most_scored) == (4, 1, 2)
        assert read_usage(session, contract, START + 100 * day).most_scored == 0


def test_a_first_charge_beyond_the_ceiling_is_refused(store: Database) -> None:
    contract = held_in(store, Ceilings(identifiers=5)).contract
    with pytest.raises(NotAllowed, match="5 are left, 6 were asked"), store.begin() as session:
        charge_identifiers(session, contract, 6)
    with store.begin() as session:
        charge_identifiers(session, contract, 5)
    with pytest.raises(NotAllowed, match="0 are left"), store.begin() as session:
        charge_identifiers(session, contract, 1)


def test_what_is_given_back_can_be_used_again(store: Database) -> None:
    contract = held_in(store, Ceilings(identifiers=5, scores_per_enterprise=1)).contract
    for _ in range(3):
        with store.begin() as session:
            charge_identifiers(session, contract, 5)
        assert charge(store, contract, 1, firms(1, 2))
        with store.begin() as session:
            refund_identifiers(session, contract.id, 5)
            refund_scores(session, contract.id, "job-1", f"{1:064x}")
    with store.begin_read() as session:
        so_far = read_usage(session, contract, START)
        assert (so_far.identifiers, so_far.scores, so_far.enterprises) == (0, 0, 0)
        assert session.scalars(select(InquiryRow)).all() == []


def test_contracts_count_apart_and_versions_together(store: Database) -> None:
    bank = Bank()
    first, second = (held_in(store, Ceilings(scores_per_enterprise=1), f"c-test-{n}", bank).contract for n in (1, 2))
    amended = first.model_copy(update={"version": 2})
    assert charge(store, first, 1, firms(1))
    assert charge(store, second, 1, firms(1))
    assert not charge(store, amended, 2, firms(1))


def test_a_full_batch_is_counted(store: Database) -> None:
    contract = held_in(store, Ceilings(scores_per_enterprise=1)).contract
    assert charge(store, contract, 1, firms(*range(8192)))
    assert not charge(store, contract, 2, firms(*range(8191, 16383)))
    with store.begin_read() as session:
        assert read_usage(session, contract, START).enterprises == 8192


# --- jobs -------------------------------------------------------------------------------------------------------------


def open_at(
    store: Database, held: ContractVersion, job: str, now: datetime = START, terms: JobParameters = TERMS
) -> bool:
    try:
        with store.begin() as session:
            lock_contract(session, held.contract.id)
            open_job(session, held, job, terms, now, epoch=1, by="bank:b")
    except NotAllowed:
        return False
    return True


def test_jobs_are_counted_within_any_24_hours(store: Database) -> None:
    held = held_in(store, Ceilings(jobs_per_day=2))
    hour = timedelta(hours=1)
    assert open_at(store, held, "a", START)
    assert open_at(store, held, "b", START + 20 * hour)
    assert not open_at(store, held, "c", START + 23 * hour)
    assert open_at(store, held, "c", START + 24 * hour)
    assert not open_at(store, held, "d", START + 40 * hour)  # b and c, across midnight
    with store.begin_read() as session:
        told = allowance(session, held.contract, START + 40 * hour)
    assert told["jobs"] == {"ceiling": 2, "used": 2, "left": 0}
    assert told["rows_per_job"] == 1_000_000


def test_parallel_jobs_never_pass_the_ceiling(store: Database) -> None:
    held = held_in(store, Ceilings(jobs_per_day=3))
    with ThreadPoolExecutor(8) as threads:
        opened = list(threads.map(lambda number: open_at(store, held, f"job-{number}"), range(16)))
    assert sum(opened) == 3


def test_opening_again_is_the_same_job_and_costs_nothing(store: Database) -> None:
    held = held_in(store, Ceilings(jobs_per_day=1))
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lambda _: open_at(store, held, "a"), range(8)))
    with pytest.raises(Conflict, match="other terms"):
        open_at(store, held, "a", terms=replace(TERMS, rows=101))
    with store.begin() as session:
        assert stop_jobs(session, held.contract.id, START, by="person:x") == 1
        assert stop_jobs(session, held.contract.id, START, by="person:x") == 0
    with pytest.raises(NotAllowed, match="stopped"), store.begin() as session:
        job = find_job(session, held.contract.id, "a")
        assert job is not None and job.state == "stopped"
        charge_rows(session, job, 1)
    assert open_at(store, held, "a")
    with store.begin() as session:
        assert end_job(session, held.contract.id, "a", START, by="bank:b").state == "ended"
        assert end_job(session, held.contract.id, "a", START, by="bank:b").state == "ended"
        job = open_job(session, held, "a", TERMS, START, epoch=1, by="bank:b")
        assert job.state == "ended"  # what a bank that was killed at the end asks for; nothing runs under it
        with pytest.raises(NotAllowed, match="ended"):
            charge_rows(session, job, 1)
        with pytest.raises(NotFound):
            end_job(session, held.contract.id, "b", START, by="bank:b")
        kinds = list(
            session.scalars(
                select(LedgerEntryRow.kind).where(LedgerEntryRow.kind.like("job.%")).order_by(LedgerEntryRow.seq)
            )
        )
    assert kinds == ["job.opened", "job.stopped", "job.reopened", "job.ended"]


def test_rows_of_a_job_add_up_to_what_it_announced(store: Database) -> None:
    held = held_in(store, Ceilings())
    assert open_at(store, held, "a", terms=replace(TERMS, rows=50))

    def use(_: int) -> bool:
        try:
            with store.begin() as session:
                job = find_job(session, held.contract.id, "a")
                assert job is not None
                charge_rows(session, job, 8)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(use, range(20))) == 6
    with store.begin() as session:
        job = find_job(session, held.contract.id, "a")
        assert job is not None and job.rows_used == 48
        with pytest.raises(NotAllowed, match=r"50 enterprises \(term: rows_per_job\); 2 are left, 3 were sent"):
            charge_rows(session, job, 3)
        refund_rows(session, held.contract.id, "a", 8)
    assert use(0)


@pytest.mark.parametrize("name", ["", "-a", "a/b", "a b", "a\n", "é", "x" * 65])
def test_a_jobs_id_is_plain(store: Database, name: str) -> None:
    held = held_in(store, Ceilings())
    with pytest.raises(InvalidInput):
        open_at(store, held, name)
