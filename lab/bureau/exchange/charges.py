"""Counting against a contract's ceilings, so that no number of parallel requests exceeds one.

Identifiers are one number: a single statement adds where the sum stays within the ceiling, and the database decides
which request comes first. Scores are counted for each enterprise within a rolling period: the caller has the contract's
row locked (``jobs.lock_contract``), so that the counts do not change until the inquiries are written. A charge is taken
before the work, in the transaction of its ledger entry, and refunded if the work fails. Charges belong to the
contract's id, over all its versions. Enterprises are counted by pseudonym, so that a new key epoch does not restart the
count.
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
_REFUND = text("UPDATE usage SET used = used - :amount WHERE contract_id = :contract AND counter = :counter")

# Pseudonyms are sent as one JSON list: thousands of bound parameters are slow on both databases.
_JSON_LIST = {
    "sqlite": "SELECT value AS enterprise FROM json_each(:asked)",
    "postgresql": "SELECT value AS enterprise FROM json_array_elements_text(CAST(:asked AS json))",
}
_AT_CEILING = {
    backend: text(
        "SELECT enterprise FROM inquiries "
        f"WHERE contract_id = :contract AND at > :since AND enterprise IN ({asked}) "
        "GROUP BY enterprise HAVING count(*) >= :ceiling"
    ).bindparams(bindparam("since", type_=UtcDateTime()))
    for backend, asked in _JSON_LIST.items()
}
_INQUIRE = {
    backend: text(
        "INSERT INTO inquiries (contract_id, job_id, batch, enterprise, at) "
        f"SELECT :contract, :job, :batch, enterprise, :at FROM ({asked}) AS asked"
    ).bindparams(bindparam("at", type_=UtcDateTime()))
    for backend, asked in _JSON_LIST.items()
}
_OF_BATCH = "contract_id = :contract AND job_id = :job AND batch = :batch"
_DELETE_INQUIRIES = text(f"DELETE FROM inquiries WHERE {_OF_BATCH}")
_DELETE_OTHER_INQUIRIES = {
    backend: text(f"DELETE FROM inquiries WHERE {_OF_BATCH} AND enterprise NOT IN ({asked})")
    for backend, asked in _JSON_LIST.items()
}
_INQUIRED = text(f"SELECT enterprise FROM inquiries WHERE {_OF_BATCH}")
# No ceiling on the sum of all scores: the contract's ceiling is for each enterprise.
_NO_CEILING = 2**62


@dataclass(frozen=True, slots=True)
class ContractUsage:
    """What a contract has used: identifiers evaluated, and scores, in all; enterprises scored within the present
    period, and the scores of the one scored most often; jobs opened within 24 hours."""

    identifiers: int
    scores: int
    enterprises: int
    most_scored: int
    jobs: int


def charge_identifiers(session: Session, contract: Contract, count: int) -> None:
    """Charge ``count`` identifiers; raises ``NotAllowed`` with the number left."""
    ceiling = contract.ceilings.identifiers
    if count > ceiling or not _add(session, contract.id, IDENTIFIERS, count, ceiling):
        left = max(ceiling - _counted(session, contract.id).get(IDENTIFIERS, 0), 0)
        raise NotAllowed(
            f"Contract {contract.id} allows {ceiling} identifiers in all (term: identifiers); {left} are left, "
            f"{count} were asked.",
            next_step="ask for fewer, or for a contract with a higher ceiling",
        )


def refund_identifiers(session: Session, contract_id: str, count: int) -> None:
    """Undo ``charge_identifiers``."""
    session.execute(_REFUND, {"contract": contract_id, "counter": IDENTIFIERS, "amount": count})


def charge_scores(
    session: Session, contract: Contract, job: str, batch: str, enterprises: Sequence[str], now: datetime
) -> None:
    """Charge one score of each enterprise (by pseudonym, all different), and record the inquiries of a job's batch.

    Raises ``NotAllowed`` with the number of enterprises at their ceiling within the period; then the whole batch is
    refused, and the transaction must be rolled back. Call it with the contract locked.
    """
    ceilings = contract.ceilings
    spent = len(find_at_ceiling(session, contract, enterprises, now))
    if spent:
        raise NotAllowed(
            f"Contract {contract.id} allows {ceilings.scores_per_enterprise} scores an enterprise within "
            f"{ceilings.period_days} days (term: scores_per_enterprise); {spent} of {len(enterprises)} enterprises "
            "in the batch have used them.",
            next_step="leave those enterprises out, or ask for a contract with a higher ceiling",
        )
    _add(session, contract.id, SCORES, len(enterprises), _NO_CEILING)
    backend = session.get_bind().dialect.name
    asked = {"contract": contract.id, "asked": json.dumps(list(enterprises))}
    session.execute(_INQUIRE[backend], asked | {"job": job, "batch": batch, "at": now})


def find_at_ceiling(session: Session, contract: Contract, enterprises: Sequence[str], now: datetime) -> frozenset[str]:
    """Those of the enterprises (by pseudonym) that have used their scores within the period."""
    ceilings = contract.ceilings
    values: dict[str, Any] = {"contract": contract.id, "asked": json.dumps(list(enterprises))}
    values |= {"since": now - timedelta(days=ceilings.period_days), "ceiling": ceilings.scores_per_enterprise}
    return frozenset(session.execute(_AT_CEILING[session.get_bind().dialect.name], values).scalars())


def find_charged(session: Session, contract_id: str, job: str, batch: str) -> frozenset[str]:
    """The enterprises (by pseudonym) whose scores were charged for a job's batch."""
    return frozenset(session.execute(_INQUIRED, {"contract": contract_id, "job": job, "batch": batch}).scalars())


def refund_scores(
    session: Session, contract_id: str, job: str, batch: str, *, scored: Sequence[str] | None = None
) -> int:
    """Undo ``charge_scores`` for a job's batch: it was not answered, so nobody inquired. Returns how many scores.

    ``scored``: the enterprises (by pseudonym) that were scored all the same, and stay charged; None: nobody was.
    """
    values: dict[str, Any] = {"contract": contract_id, "job": job, "batch": batch}
    if scored is None:
        done = session.execute(_DELETE_INQUIRIES, values)
    else:
        others = _DELETE_OTHER_INQUIRIES[session.get_bind().dialect.name]
        done = session.execute(others, values | {"asked": json.dumps(list(scored))})
    count = int(done.rowcount) if isinstance(done, CursorResult) else 0
    session.execute(_REFUND, {"contract": contract_id, "counter": SCORES, "amount": count})
    return count


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
    """What is used and left, for both sides before a job starts, as the service's JSON.

    ``scores`` is for the enterprise that was scored most often within the period, because that ceiling is for each
    enterprise; ``total`` counts all scores ever, ``enterprises`` those scored within the period, ``jobs`` the last 24
    hours. The ceilings for one request or job are at the same level.
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
    """Count a refund (``check_refund_limit`` bounds their number) if the bank is its cause: not if officers have
    stopped the contract. Call it with the contract locked, before any entry."""
    if find_version(session, contract_id).state is ContractState.ACTIVE:
        tally_refund(session, contract_id, error, now=now)
