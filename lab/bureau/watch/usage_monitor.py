"""The usage monitor: the present findings, and the recording of each finding once.

A finding is recorded when a sweep first finds it, and again when it still holds after its rule's days; the ledger is
the only memory that the monitor needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.exchange.jobs import lock_contract
from lab.bureau.ledger import BUREAU_ACTOR, Fact, record
from lab.bureau.store import Database
from lab.bureau.store.tables import LedgerEntryRow
from lab.bureau.watch.rules import MonitoringRule, UsageFinding, find_violations, merge_limits, rules_list
from lab.bureau.watch.usage_counts import ContractCounts, count_contracts_usage

FLAGGED_ENTRY_KIND = "contract.flagged"


class UsageMonitor:
    """Checks all contracts of a bureau. Safe to use from several threads."""

    def __init__(self, store: Database, clock: Callable[[], datetime], limits: Mapping[str, int] | None = None) -> None:
        """``limits``: the limits that this bureau has changed; raises ``InvalidInput`` for an unknown rule."""
        self._store, self._now = store, clock
        self._limits = merge_limits(limits or {})

    @property
    def rules(self) -> list[dict[str, Any]]:
        """The rules with this bureau's limits, as the service's JSON."""
        return rules_list(self._limits)

    def current_findings(self, session: Session) -> list[UsageFinding]:
        """The present findings, by contract."""
        counted = count_contracts_usage(session, self._now())
        return [finding for one in counted for finding in self._judge(session, one)]

    def record_new_findings(self) -> list[UsageFinding]:
        """Record new findings, each in a transaction of its own; returns them."""
        with self._store.begin_read() as session:
            counted = count_contracts_usage(session, self._now())
            fresh = [(one, new) for one in counted for new in self._judge(session, one) if new.entry is None]
        recorded = []
        for one, finding in fresh:
            with self._store.begin() as session:
                lock_contract(session, one.contract)
                now = self._now()
                if _recorded(session, finding, now).entry is None:  # another process may have recorded it
                    entry = record(
                        session, FLAGGED_ENTRY_KIND, one.contract, _facts(finding, one, now), by=BUREAU_ACTOR
                    )
                    recorded.append(replace(finding, since=now, entry=entry.seq))
        return recorded

    def _judge(self, session: Session, one: ContractCounts) -> list[UsageFinding]:
        found = find_violations(one.contract, one.bank, one.counts, self._limits)
        return [_recorded(session, finding, self._now()) for finding in found]


def _facts(finding: UsageFinding, counted: ContractCounts, now: datetime) -> dict[str, Fact]:
    return {
        "rule": finding.rule.code,
        "bank": counted.bank_id,
        "found": finding.found,
        "limit": finding.limit,
        "days": finding.rule.days,
        "at": now.isoformat(),
    }


def _recorded(session: Session, finding: UsageFinding, now: datetime) -> UsageFinding:
    """The finding with its ledger entry within its rule's days, if there is one."""
    query = select(LedgerEntryRow.seq, LedgerEntryRow.body).where(
        LedgerEntryRow.kind == FLAGGED_ENTRY_KIND, LedgerEntryRow.contract_id == finding.contract
    )
    for seq, body in session.execute(query.order_by(LedgerEntryRow.seq.desc())):
        facts = json.loads(body)["facts"]
        if facts["rule"] == finding.rule.code:
            at = datetime.fromisoformat(facts["at"])
            return replace(finding, since=at, entry=seq) if _counts_still(finding.rule, at, now) else finding
    return finding


def _counts_still(rule: MonitoringRule, at: datetime, now: datetime) -> bool:
    return rule.days is None or now - at < timedelta(days=rule.days)
