"""Counting against a contract's ceilings, so that no number of parallel requests gets past one.

Identifiers are one number: a single statement adds where the sum stays within the ceiling, and the database settles who
comes first. Scores are counted for each enterprise within a rolling period: the caller holds the contract's row locked
(``jobs.lock_contract``), so what is counted does not change until the inquiries are written. Charges are taken before
the work, in the transaction of their ledger entry, and given back if the work fails. They belong to the contract's id,
over all its versions. Enterprises are counted by pseudonym, so a new key epoch does not begin anew.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, bindparam, func, select, text
from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import find_version
from lab.bureau.contracts.workflow import ContractState
from lab.bureau.exchange.jobs import count_recent_jobs
from lab.bureau.ledger.rate_limited_entries import tally_refund
from lab.bureau.store.tables import InquiryRow, UsageRow, UtcDateTime
from lab.terms.contract.document import Contract
from lab.terms.errors import NotAllowed

IDENTIFIERS = "identifiers"
SCORES = "scores"

_ADD = text(
    "INSERT INTO usage (contract_id, counter, used) VALUES (:contract, :counter, :amount) "
    "ON CONFLICT (contract_id, counter) DO UPDATE SET used = usage.used + excluded.used "
    "WHERE usage.used + excluded.used <= :ceiling"
)
_TAKE_BACK = text("UPDATE usage SET used = used - :amount WHERE contract_id = :contract AND counter = :counter")

# Pseudonyms go over as one JSON list, because thousands of bound parameters are slow on both databases.
_LISTS = {
    "sqlite": "SELECT value AS enterprise FROM json_each(:asked)",
    "postgresql": "SELECT value AS enterprise FROM json_array_elements_text(CAST(:asked AS json))",
}
_AT_CEILING = {
    backend: text(
        "SELECT count(*) FROM (SELECT enterprise FROM inquiries "
        f"WHERE contract_id = :contract AND at > :since AND enterprise IN ({asked}) "
        "GROUP BY enterprise HAVING count(*) >= :ceiling) AS spent"
    ).bindparams(bindparam("since", type_=UtcDateTime()))
    for backend, asked in _LISTS.items()
}
_INQUIRE = {
    backend: text(
        "INSERT INTO inquiries (contract_id, job_id, batch, enterprise, at) "
        f"SELECT :contract, :job, :batch, enterprise, :at FROM ({asked}) AS asked"
    ).bindparams(bindparam("at", type_=UtcDateTime()))
    for backend, asked in _LISTS.items()
}
_TAKE_BACK_INQUIRIES = text("DELETE FROM inquiries WHERE contract_id = :contract AND job_id = :job AND batch = :batch")
# No ceiling on the sum of all scores: the contract's ceiling is for each enterprise.
_NO_CEILING = 2**62


@dataclass(frozen=True, slots=True)
class ContractUsage:
    """What a contract has used: identifiers evaluated and scores in all; within the period that counts now,
    enterprises scored and the scores of the one scored most often; jobs opened within 24 hours."""

    identifiers: int
    scores: int
    enterprises: int
    most_scored: int
    jobs: int


def charge_identifiers(session: Session, contract: Contract, count: int) -> None:
    """Take ``count`` identifiers from the contract's ceiling; raises ``NotAllowed`` with the count left."""
    ceiling = contract.ceilings.identifiers
    if count > ceiling or not _add(session, contract.id, IDENTIFIERS, count, ceiling):
        left = max(ceiling - _counted(session, contract.id).get(IDENTIFIERS, 0), 0)
        raise NotAllowed(
            f"Contract {contract.id} allows {ceiling} identifiers in all (term: identifiers); {left} are left, "
            f"{count} were asked.",
            next_step="ask for fewer, or for a contract with a higher ceiling",
        )


def refund_identifiers(session: Session, contract_id: str, count: int) -> None:
    """Give back what ``charge_identifiers`` took."""
    session.execute(_TAKE_BACK, {"contract": contract_id, "counter": IDENTIFIERS, "amount": count})


def charge_scores(
    session: Session, contract: Contract, job: str, batch: str, enterprises: Sequence[str], now: datetime
) -> None:
    """Count one score of each enterprise (by pseudonym, all different) and write down the inquiries of a job's batch.

    Raises ``NotAllowed`` with the number of enterprises that have had as many scores within the period as the ceiling
    allows; then the whole batch is refused and the transaction has to be rolled back. Call it with the contract locked.
    """
    ceilings = contract.ceilings
    backend = session.get_bind().dialect.name
    asked = {"contract": contract.id, "asked": json.dumps(list(enterprises))}
    since = now - timedelta(days=ceilings.period_days)
    values: dict[str, Any] = asked | {"since": since, "ceiling": ceilings.scores_per_enterprise}
    spent = int(session.execute(_AT_CEILING[backend], values).scalar_one())
    if spent:
        raise NotAllowed(
            f"Contract {contract.id} allows {ceilings.scores_per_enterprise} scores an enterprise within "
            f"{ceilings.period_days} days (term: scores_per_enterprise); {spent} of {len(enterprises)} enterprises "
            "in the batch have had them.",
            next_step="leave those enterprises out, or ask for a contract with a higher ceiling",
        )
    _add(session, contract.id, SCORES, len(enterprises), _NO_CEILING)
    session.execute(_INQUIRE[backend], asked | {"job": job, "batch": batch, "at": now})


def refund_scores(session: Session, contract_id: str, job: str, batch: str) -> None:
    """Give back what ``charge_scores`` took for a job's batch: it was not answered, so nobody inquired."""
    done = session.execute(_TAKE_BACK_INQUIRIES, {"contract": contract_id, "job": job, "batch": batch})
    count = done.rowcount if isinstance(done, CursorResult) else 0
    session.execute(_TAKE_BACK, {"contract": contract_id, "counter": SCORES, "amount": count})


def read_usage(session: Session, contract: Contract, now: datetime) -> ContractUsage:
    """What the contract has used so far."""
    counted = _counted(session, contract.id)
    since = now - timedelta(days=contract.ceilings.period_days)
    each = (
        select(func.count().label("scores"))
        .where(InquiryRow.contract_id == contract.id, InquiryRow.at > since)
        .group_by(InquiryRow.enterprise)
        .subquery()
    )
    enterprises, most = session.execute(select(func.count(), func.max(each.c.scores)).select_from(each)).one()
    return ContractUsage(
        counted.get(IDENTIFIERS, 0),
        counted.get(SCORES, 0),
        int(enterprises),
        int(most or 0),
        count_recent_jobs(session, contract.id, now),
    )


def allowance(session: Session, contract: Contract, now: datetime) -> dict[str, Any]:
    """What is used and left, for both sides to see before a job starts.

    ``scores`` is of the enterprise that was scored most often within the period, because that ceiling is for each
    enterprise; ``total`` counts all scores ever and ``enterprises`` those scored within the period. ``jobs`` are of the
    last 24 hours. What bounds one request or one job stands beside them.
    """
    so_far, ceilings = read_usage(session, contract, now), contract.ceilings
    return {
        "identifiers": _count(ceilings.identifiers, so_far.identifiers),
        "scores": _count(ceilings.scores_per_enterprise, so_far.most_scored)
        | {"period_days": ceilings.period_days, "total": so_far.scores, "enterprises": so_far.enterprises},
        "jobs": _count(ceilings.jobs_per_day, so_far.jobs),
        "identifiers_per_match": ceilings.identifiers_per_match,
        "rows_per_job": ceilings.rows_per_job,
        "rows_per_batch": ceilings.rows_per_batch,
    }


def _count(ceiling: int, so_far: int) -> dict[str, int]:
    return {"ceiling": ceiling, "used": so_far, "left": max(ceiling - so_far, 0)}


def _counted(session: Session, contract_id: str) -> dict[str, int]:
    rows = session.execute(select(UsageRow.counter, UsageRow.used).where(UsageRow.contract_id == contract_id))
    return {row.counter: row.used for row in rows}


def _add(session: Session, contract_id: str, counter: str, amount: int, ceiling: int) -> bool:
    values = {"contract": contract_id, "counter": counter, "amount": amount, "ceiling": ceiling}
    done = session.execute(_ADD, values)
    return isinstance(done, CursorResult) and done.rowcount == 1


def count_refund(session: Session, contract_id: str, error: Exception, now: datetime) -> None:
    """Count that a charge is given back (``check_refund_limit`` bounds their number), if the bank is the cause: not
    where officers have stopped the contract. Call it with the contract locked, before any entry."""
    if find_version(session, contract_id).state is ContractState.ACTIVE:
        tally_refund(session, contract_id, error, now=now)
