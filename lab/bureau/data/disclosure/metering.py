"""Counting what was delivered under a contract, from the ledger alone.

Only what was answered counts: a charge that was returned has no answer, and a second answer to the same request or
batch was free. ``lab.terms.contract.metering`` makes the account of the counts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.store.tables import ContractVersionRow, LedgerEntryRow
from lab.terms.contract.document import Contract, parse_contract
from lab.terms.contract.metering import MeterAccount, MeterKey, reckon_account
from lab.terms.contract.prices import PriceUnit
from lab.terms.errors import NotFound

_STARTS = ("contract.active", "contract.resumed")
_STOPS = ("contract.suspended", "contract.revoked", "contract.expired", "contract.retired")
_METERED = ("job.opened", "score.answered", "match.answered", *_STARTS, *_STOPS)
_CHUNK = 5_000


@dataclass(slots=True)
class ContractUse:
    """What was delivered under one contract, as its entries are read in order.

    ``counts``: units by month, version and unit; ``calls``: answered requests, and jobs, by the same.
    """

    counts: Counter[MeterKey] = field(default_factory=Counter)
    calls: Counter[MeterKey] = field(default_factory=Counter)
    job_versions: dict[str, int] = field(default_factory=dict)
    answered: set[tuple[object, ...]] = field(default_factory=set)
    in_force: int = 0
    active_since: datetime | None = None
    months: dict[str, int] = field(default_factory=dict)
    """Months in which the contract was active, each with the version that was first in it."""
    active: set[tuple[str, int]] = field(default_factory=set)
    """Each month with each version that was active in it."""

    def take(self, time: datetime, kind: str, facts: Mapping[str, Any]) -> None:
        """Count one entry."""
        key: tuple[object, ...]
        if kind == "job.opened":
            self.job_versions[facts["job"]] = facts["version"]
            self._add(time, facts["job"], PriceUnit.JOB, 1)
        elif kind == "score.answered":
            key = (kind, facts["job"], facts["batch_sha256"])
            self._add_once(time, key, facts["job"], PriceUnit.SCORED_ENTERPRISE, facts["scored"])
        elif kind == "match.answered":  # the same request in another job is not charged again
            key = (kind, facts["request_sha256"], facts["counting"], facts.get("epoch"))
            self._add_once(time, key, facts["job"], PriceUnit.MATCHED_IDENTIFIER, facts["identifiers"])
        elif kind in _STARTS:
            self.stop(time)
            self.in_force, self.active_since = facts["version"], time
        elif facts["version"] == self.in_force:  # a draft may end while another version is in force
            self.stop(time)

    def stop(self, time: datetime) -> None:
        """The contract is not active from ``time`` on."""
        if self.active_since is not None:
            for month in _months(self.active_since, time):
                self.months.setdefault(month, self.in_force)
                self.active.add((month, self.in_force))
        self.active_since = None

    def _add_once(self, time: datetime, key: tuple[object, ...], job: str, unit: PriceUnit, count: int) -> None:
        if key not in self.answered:
            self.answered.add(key)
            self._add(time, job, unit, count)

    def _add(self, time: datetime, job: str, unit: PriceUnit, count: int) -> None:
        key = MeterKey(f"{time.astimezone(UTC):%Y-%m}", self.job_versions[job], unit)
        self.counts[key] += count
        self.calls[key] += 1


def meter_contract(session: Session, contract_id: str, now: datetime, month: str | None = None) -> MeterAccount:
    """The account of a contract, of ``month`` (``YYYY-MM``, UTC) or of all; raises ``NotFound``."""
    documents = read_documents(session, contract_id)
    used = count_usage(session, contract_id, documents, now)
    return reckon_account(contract_id, used.counts, {number: one.prices for number, one in documents.items()}, month)


def count_usage(session: Session, contract_id: str, documents: Mapping[int, Contract], now: datetime) -> ContractUse:
    """What was delivered under a contract until now, from its entries."""
    counter = ContractUse()
    for time, kind, body in _entries(session, contract_id):
        counter.take(time, kind, json.loads(body)["facts"])
    if counter.active_since is not None:
        expires = documents[counter.in_force].expires
        counter.stop(max(counter.active_since, min(now, expires)))
    for month, version in counter.months.items():
        counter.counts[MeterKey(month, version, PriceUnit.MONTH)] = 1
    return counter


def read_documents(session: Session, contract_id: str) -> dict[int, Contract]:
    """Every version of a contract by its number; raises ``NotFound``."""
    rows = session.scalars(select(ContractVersionRow).where(ContractVersionRow.contract_id == contract_id)).all()
    if not rows:
        raise NotFound(
            f"This bureau has no contract {contract_id}.", next_step="list contracts with `lab officer list`"
        )
    return {row.version: read_document(row) for row in sorted(rows, key=lambda one: one.version)}


def read_document(row: ContractVersionRow) -> Contract:
    """The document in a version's row."""
    return parse_contract(json.dumps({"contract": json.loads(row.document)}), kept=True).contract


def _entries(session: Session, contract_id: str) -> Iterator[tuple[datetime, str, str]]:
    """Time, kind and body of the contract's entries that matter here, in order, a chunk at a time."""
    after, entry = 0, LedgerEntryRow
    query = select(entry.seq, entry.time, entry.kind, entry.body).where(
        entry.contract_id == contract_id, entry.kind.in_(_METERED)
    )
    while True:
        rows = session.execute(query.where(entry.seq > after).order_by(entry.seq).limit(_CHUNK)).all()
        yield from ((row.time, row.kind, row.body) for row in rows)
        if len(rows) < _CHUNK:
            return
        after = rows[-1].seq


def _months(start: datetime, end: datetime) -> Iterator[str]:
    """Each month with a moment from ``start`` until ``end``, both in UTC; that of ``start`` at least."""
    year, month = start.astimezone(UTC).year, start.astimezone(UTC).month
    last = end.astimezone(UTC)
    while True:
        yield f"{year:04d}-{month:02d}"
        if (year, month) >= (last.year, last.month):
            return
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
