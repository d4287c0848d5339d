"""What is due with time: expired contracts are recorded, and a job's files removed after ``retention_days``.

Batches, replies, contexts and set-ups are removed. What stays is what the law and the charges need: that a batch was
answered, and who inquired about whom (by pseudonym).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.contracts.lifecycle import record_expiry
from lab.bureau.contracts.repository import current_state, find_version, list_contracts, list_versions
from lab.bureau.contracts.workflow import FINAL_STATES
from lab.bureau.exchange.jobs import lock_contract, stop_jobs
from lab.bureau.exchange.matching.evaluated_register import EVALUATIONS_ROOT, EvaluatedRegisterStore
from lab.bureau.exchange.matching.index import MANIFEST_FILE
from lab.bureau.ledger import BUREAU_ACTOR, record
from lab.bureau.store import Database
from lab.bureau.store.tables import BatchRow, ContextRow, ContractRow


@dataclass(frozen=True, slots=True)
class RetentionSweep:
    """The number of files removed."""

    replies: int = 0
    contexts: int = 0
    setups: int = 0


def expire_contract(session: Session, contract_id: str, now: datetime) -> None:
    """Record the contract's versions whose term is over; raises ``NotFound``."""
    if record_expiry(session, contract_id, now):
        stop_jobs(session, contract_id, now, by=BUREAU_ACTOR)


def expire_contracts(store: Database, now: datetime) -> None:
    """Record every expiry that is due, each in a transaction of its own."""
    with store.begin_read() as session:
        versions = list_contracts(session)
    for version in versions:
        if version.state not in FINAL_STATES and now >= version.contract.expires:
            with store.begin() as session:
                expire_contract(session, version.contract.id, now)


def sweep(store: Database, home: BureauHome, now: datetime) -> RetentionSweep:
    """Remove what is past its retention, contract by contract, each in one transaction with its entry.

    A file is removed after its transaction, so that every file named in the database exists; the next sweep removes
    one that an interrupted sweep left behind.
    """
    with store.begin_read() as session:
        ids = list(session.scalars(select(ContractRow.id).order_by(ContractRow.id)))
    replies = contexts = 0
    shortest: int | None = None
    for contract_id in ids:
        with store.begin() as session:
            lock_contract(session, contract_id)
            days = find_version(session, contract_id).contract.retention_days
            shortest = days if shortest is None else min(days, shortest)
            gone = _release(session, contract_id, now - timedelta(days=days))
            if any(gone):
                facts = {"replies": gone[0], "contexts": gone[1], "retention_days": days}
                record(session, "retention.swept", contract_id, facts, by=BUREAU_ACTOR)
        replies, contexts = replies + gone[0], contexts + gone[1]
    _unlink_unnamed(store, home, now)
    setups = _sweep_setups(home, now - timedelta(days=shortest)) if shortest is not None else 0
    if setups:
        with store.begin() as session:
            record(session, "retention.swept", None, {"setups": setups}, by=BUREAU_ACTOR)
    return RetentionSweep(replies, contexts, setups)


def remove_ended_evaluations(store: Database, evaluated: EvaluatedRegisterStore, now: datetime) -> int:
    """Remove evaluated registers of contracts of which no version can come into force any more; returns their number,
    by contract and epoch."""
    with store.begin_read() as session:
        ids = list(session.scalars(select(ContractRow.id)))
        open_contracts = {
            one
            for one in ids
            if any(current_state(held, now) not in FINAL_STATES for held in list_versions(session, one))
        }
    removed = evaluated.remove_contracts(lambda contract: contract not in open_contracts)
    if removed:
        with store.begin() as session:
            record(session, "retention.swept", None, {"evaluated": removed}, by=BUREAU_ACTOR)
    return removed


def _release(session: Session, contract_id: str, before: datetime) -> tuple[int, int]:
    """Remove the names of files from before ``before`` from the rows; the numbers of replies and contexts."""
    replies = session.scalars(
        select(BatchRow).where(
            BatchRow.contract_id == contract_id, BatchRow.reply_file.is_not(None), BatchRow.answered_at < before
        )
    ).all()
    for reply in replies:
        reply.reply_file = reply.file = None
    contexts = session.scalars(
        select(ContextRow).where(ContextRow.contract_id == contract_id, ContextRow.received_at < before)
    ).all()
    for context in contexts:
        session.delete(context)
    session.flush()
    return len(replies), len(contexts)


def _unlink_unnamed(store: Database, home: BureauHome, now: datetime) -> None:
    """Remove old files that no row names; a new file may not be named yet."""
    old = (now - timedelta(days=1)).timestamp()
    for folder, column in (("batches", BatchRow.file), ("replies", BatchRow.reply_file), ("contexts", ContextRow.file)):
        with store.begin_read() as session:
            named = set(session.scalars(select(column).where(column.is_not(None))))
        for path in sorted(home.path(folder).iterdir()):
            name = f"{folder}/{path.name}"
            if name in named or path.stat().st_mtime >= old:
                continue
            with store.begin() as session:  # writing: nobody names the file before it is removed
                if not session.scalar(select(func.count()).where(column == name)):
                    path.unlink(missing_ok=True)


def _sweep_setups(home: BureauHome, before: datetime) -> int:
    """Remove set-ups older than the shortest retention: one that is needed again is made again."""
    old = [
        path.parent
        for path in home.path(EVALUATIONS_ROOT).glob(f"*/*/*/*/*/*/sets/*/{MANIFEST_FILE}")
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before
    ]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)
