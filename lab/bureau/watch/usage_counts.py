"""What the watch counts, for each contract: from batches, inquiries and ledger entries, which are kept in any case.

Enterprises are pseudonyms here, the same under every contract, so what a bank does under several of them adds up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, func, select
from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import find_version
from lab.bureau.exchange.batches import RETURNED
from lab.bureau.exchange.scoring.leakage_budget import leakage_by_contract
from lab.bureau.ledger import BUREAU_ACTOR
from lab.bureau.ledger.rate_limited_entries import count_by_contract
from lab.bureau.store.tables import BankRow, BatchRow, ContractRow, InquiryRow
from lab.bureau.watch.rules import (
    MIN_EXHAUSTED_ENTERPRISES,
    MIN_SET_ROWS,
    MONITORING_RULES,
    REPEATED_SCORES,
    SMALL_BATCH_ROWS,
)
from lab.bureau.watch.similar_batches import SKETCH_SIZE, BatchSketch, count_repeated_sets

_OF_BATCH = and_(
    InquiryRow.contract_id == BatchRow.contract_id,
    InquiryRow.job_id == BatchRow.job_id,
    InquiryRow.batch == BatchRow.sha256,
)


@dataclass(frozen=True, slots=True)
class ContractCounts:
    """A contract, its bank (id and name), and its counts by rule."""

    contract: str
    bank_id: str
    bank: str
    counts: Mapping[str, int]


def count_contracts_usage(session: Session, now: datetime) -> list[ContractCounts]:
    """Every contract that has a count, by id."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for contract, (most, many) in _repeated(session, now).items():
        counts[contract] |= {"one-enterprise": most, "many-again": many}
    for contract, (same, shared) in count_repeated_sets(_sketches(session, now)).items():
        counts[contract] |= {"same-set": same, "shared-set": shared}
    for code, found in (
        ("small-batches", _small(session, now)),
        ("whole-allowance", _whole(session, now)),
        ("returned", count_by_contract(session, "score.returned", now - _span("returned"), by=BUREAU_ACTOR)),
        ("refused", count_by_contract(session, "refused", now - _span("refused"), by="bank:")),
        ("replies", {one: int(100 * share) for one, share in leakage_by_contract(session).items()}),
    ):
        for contract, count in found.items():
            counts[contract][code] = count
    banks = select(ContractRow.id, BankRow.id, BankRow.name).join(BankRow, BankRow.id == ContractRow.bank_id)
    return [
        ContractCounts(contract, bank_id, bank, counts[contract])
        for contract, bank_id, bank in session.execute(banks.order_by(ContractRow.id))
        if contract in counts
    ]


def _span(code: str) -> timedelta:
    return timedelta(days=MONITORING_RULES[code].days or 0)


def _charged(since: datetime) -> ColumnElement[bool]:
    """Of batches since then that were not returned."""
    return and_(BatchRow.charged_at > since, BatchRow.state != RETURNED)


def _repeated(session: Session, now: datetime) -> dict[str, tuple[int, int]]:
    """For each contract, of the enterprises scored under it: the scores of the one that its bank scored most, and how
    many it scored more than ``REPEATED_SCORES`` times."""
    times = func.count().over(partition_by=(ContractRow.bank_id, InquiryRow.enterprise)).label("times")
    scored = select(InquiryRow.contract_id, InquiryRow.enterprise, times).select_from(BatchRow)
    scored = scored.join(InquiryRow, _OF_BATCH).join(ContractRow, ContractRow.id == InquiryRow.contract_id)
    each = scored.where(_charged(now - _span("one-enterprise"))).subquery()
    again = func.count(case((each.c.times > REPEATED_SCORES, each.c.enterprise)).distinct())
    rows = session.execute(select(each.c.contract_id, func.max(each.c.times), again).group_by(each.c.contract_id))
    return {contract: (int(most), int(many)) for contract, most, many in rows}


def _sketches(session: Session, now: datetime) -> list[BatchSketch]:
    query = select(BatchRow.contract_id, BatchRow.job_id, BatchRow.sha256, ContractRow.bank_id)
    query = query.join(ContractRow, ContractRow.id == BatchRow.contract_id)
    query = query.where(BatchRow.rows >= MIN_SET_ROWS, _charged(now - _span("same-set")))
    found = []
    for contract, job, batch, bank in session.execute(query).all():
        members = select(InquiryRow.enterprise).where(
            InquiryRow.contract_id == contract, InquiryRow.job_id == job, InquiryRow.batch == batch
        )
        smallest = session.scalars(members.order_by(InquiryRow.enterprise).limit(SKETCH_SIZE))
        found.append(BatchSketch(contract, bank, tuple(sorted(smallest))))
    return found


def _small(session: Session, now: datetime) -> dict[str, int]:
    query = select(BatchRow.contract_id, func.count()).group_by(BatchRow.contract_id)
    query = query.where(BatchRow.rows < SMALL_BATCH_ROWS, _charged(now - _span("small-batches")))
    return {contract: int(count) for contract, count in session.execute(query)}


def _whole(session: Session, now: datetime) -> dict[str, int]:
    """Enterprises that were scored within the rule's day as often as the contract allows within its period."""
    since, found = now - _span("whole-allowance"), {}
    for contract in session.scalars(select(BatchRow.contract_id).where(_charged(since)).distinct()).all():
        allowed = find_version(session, contract).contract.ceilings.scores_per_enterprise
        if allowed < MIN_EXHAUSTED_ENTERPRISES:
            continue
        spent = select(InquiryRow.enterprise).where(InquiryRow.contract_id == contract, InquiryRow.at > since)
        spent = spent.group_by(InquiryRow.enterprise).having(func.count() >= allowed)
        found[contract] = int(session.scalar(select(func.count()).select_from(spent.subquery())) or 0)
    return found
