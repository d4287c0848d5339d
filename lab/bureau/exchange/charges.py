"""Counting against a contract's ceilings, so that no number of parallel requests gets past one.

Each charge is one statement that adds only where the sum stays within the ceiling; the database settles who comes
first. Charges are taken before the work, in the transaction of their ledger entry, and given back if the work fails.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import CursorResult, func, select, text
from sqlalchemy.orm import Session

from lab.bureau.store.tables import EnterpriseUsageRow, UsageRow
from lab.terms.contract import Contract
from lab.terms.errors import Refused

IDENTIFIERS = "identifiers"
SCORES = "scores"

_ADD = text(
    "INSERT INTO usage (contract_id, counter, used) VALUES (:contract, :counter, :amount) "
    "ON CONFLICT (contract_id, counter) DO UPDATE SET used = usage.used + excluded.used "
    "WHERE usage.used + excluded.used <= :ceiling"
)
_TAKE_BACK = text("UPDATE usage SET used = used - :amount WHERE contract_id = :contract AND counter = :counter")

# Tags go over as one JSON list, because thousands of bound parameters are slow on both databases. They are taken in one
# order, so that two batches with common enterprises can't each hold what the other waits for.
_LISTS = {
    "sqlite": "SELECT value AS tag FROM json_each(:tags) WHERE true ORDER BY value",
    "postgresql": "SELECT value AS tag FROM json_array_elements_text(CAST(:tags AS json)) ORDER BY value",
}
_ADD_EACH = {
    backend: text(
        f"INSERT INTO enterprise_usage (contract_id, tag, used) SELECT :contract, tag, 1 FROM ({tags}) AS asked "
        "WHERE true "
        "ON CONFLICT (contract_id, tag) DO UPDATE SET used = enterprise_usage.used + 1 "
        "WHERE enterprise_usage.used + 1 <= :ceiling"
    )
    for backend, tags in _LISTS.items()
}
_TAKE_BACK_EACH = {
    backend: text(
        "UPDATE enterprise_usage SET used = used - 1 "
        f"WHERE contract_id = :contract AND tag IN (SELECT tag FROM ({tags}) AS asked)"
    )
    for backend, tags in _LISTS.items()
}
# No ceiling on the sum of all scores: the contract's ceiling is for each enterprise.
_NO_CEILING = 2**62


@dataclass(frozen=True, slots=True)
class Used:
    """What a contract has used: identifiers evaluated, scores in all, enterprises, and the most scored one's count."""

    identifiers: int
    scores: int
    enterprises: int
    most_scored: int


def charge_identifiers(session: Session, contract: Contract, count: int) -> None:
    """Take ``count`` identifiers from the contract's ceiling; raises ``Refused`` with the count left."""
    ceiling = contract.ceilings.identifiers
    if count > ceiling or not _add(session, contract.id, IDENTIFIERS, count, ceiling):
        left = max(ceiling - used(session, contract.id).identifiers, 0)
        raise Refused(
            f"Contract {contract.id} allows {ceiling} identifiers in all (term: identifiers); {left} are left, "
            f"{count} were asked.",
            next_step="ask for fewer, or for a contract with a higher ceiling",
        )


def return_identifiers(session: Session, contract_id: str, count: int) -> None:
    """Give back what ``charge_identifiers`` took."""
    session.execute(_TAKE_BACK, {"contract": contract_id, "counter": IDENTIFIERS, "amount": count})


def charge_scores(session: Session, contract: Contract, tags: NDArray[np.uint8]) -> None:
    """Count one score for each enterprise, tags uint8 [n, 16], all different.

    Raises ``Refused`` with the number of enterprises that have reached their ceiling; then the whole batch is refused
    and the transaction has to be rolled back.
    """
    ceiling = contract.ceilings.scores_per_enterprise
    _add(session, contract.id, SCORES, len(tags), _NO_CEILING)
    values = {"contract": contract.id, "tags": _listed(tags), "ceiling": ceiling}
    done = session.execute(_ADD_EACH[session.get_bind().dialect.name], values)
    counted = done.rowcount if isinstance(done, CursorResult) else 0
    if counted != len(tags):
        raise Refused(
            f"Contract {contract.id} allows {ceiling} scores an enterprise (term: scores_per_enterprise); "
            f"{len(tags) - counted} of {len(tags)} enterprises in the batch have had them.",
            next_step="leave those enterprises out, or ask for a contract with a higher ceiling",
        )


def return_scores(session: Session, contract_id: str, tags: NDArray[np.uint8]) -> None:
    """Give back what ``charge_scores`` took."""
    session.execute(_TAKE_BACK, {"contract": contract_id, "counter": SCORES, "amount": len(tags)})
    values = {"contract": contract_id, "tags": _listed(tags)}
    session.execute(_TAKE_BACK_EACH[session.get_bind().dialect.name], values)


def used(session: Session, contract_id: str) -> Used:
    """What the contract has used so far."""
    rows = session.scalars(select(UsageRow).where(UsageRow.contract_id == contract_id))
    totals = {row.counter: row.used for row in rows}
    enterprises, most = session.execute(
        select(func.count(), func.max(EnterpriseUsageRow.used)).where(
            EnterpriseUsageRow.contract_id == contract_id, EnterpriseUsageRow.used > 0
        )
    ).one()
    return Used(totals.get(IDENTIFIERS, 0), totals.get(SCORES, 0), int(enterprises), int(most or 0))


def _add(session: Session, contract_id: str, counter: str, amount: int, ceiling: int) -> bool:
    values = {"contract": contract_id, "counter": counter, "amount": amount, "ceiling": ceiling}
    done = session.execute(_ADD, values)
    return isinstance(done, CursorResult) and done.rowcount == 1


def _listed(tags: NDArray[np.uint8]) -> str:
    return json.dumps([bytes(tag).hex() for tag in tags])
