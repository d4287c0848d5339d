"""Removing what a job left here when its contract's ``retention_days`` are over: batches, replies, contexts, set-ups.

What stays is what the law and the counting need: that a batch was answered, and who inquired about whom (by pseudonym).
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.contracts.repository import current_state, find_version, list_versions
from lab.bureau.contracts.workflow import FINAL_STATES
from lab.bureau.exchange.jobs import lock_contract
from lab.bureau.exchange.matching.evaluated_register import EVALUATIONS_ROOT, EvaluatedRegisterStore
from lab.bureau.exchange.matching.index import MANIFEST_FILE
from lab.bureau.ledger import BUREAU_ACTOR, record
from lab.bureau.store import Database
from lab.bureau.store.tables import BatchRow, ContextRow, ContractRow


@dataclass(frozen=True, slots=True)
class RetentionSweep:
    """How many files were removed."""

    replies: int = 0
    contexts: int = 0
    setups: int = 0


def sweep(store: Database, home: BureauHome, now: datetime) -> RetentionSweep:
    """Remove what is past its time, contract by contract, each in one transaction with its entry.

    A file goes after its transaction, so what is still named is still there; one that a kill left behind is removed by
    the next sweep.
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
    """Remove what was evaluated for contracts that have ended, of which no version can come into force any more; how
    many registers' values, by contract and epoch."""
    with store.begin_read() as session:
        ids = list(session.scalars(select(ContractRow.id)))
        lasting = {
            one
            for one in ids
            if any(current_state(held, now) not in FINAL_STATES for held in list_versions(session, one))
        }
    removed = evaluated.remove_contracts(lambda contract: contract not in lasting)
    if removed:
        with store.begin() as session:
            record(session, "retention.swept", None, {"evaluated": removed}, by=BUREAU_ACTOR)
    return removed


def _release(session: Session, contract_id: str, before: datetime) -> tuple[int, int]:
    """Let the rows go that name files from before ``before``; how many replies and contexts."""
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
    """Remove files that no row names; only old ones, because a new one may not be named yet."""
    old = (now - timedelta(days=1)).timestamp()
    for folder, column in (("batches", BatchRow.file), ("replies", BatchRow.reply_file), ("contexts", ContextRow.file)):
        with store.begin_read() as session:
            named = set(session.scalars(select(column).where(column.is_not(None))))
        for path in sorted(home.path(folder).iterdir()):
            name = f"{folder}/{path.name}"
            if name in named or path.stat().st_mtime >= old:
                continue
            with store.begin() as session:  # a writer's transaction: nobody names the file between look and removal
                if not session.scalar(select(func.count()).where(column == name)):
                    path.unlink(missing_ok=True)


def _sweep_setups(home: BureauHome, before: datetime) -> int:
    """Whoever needs a set-up again has it made again, so one time holds for all, the shortest."""
    old = [
        path.parent
        for path in home.path(EVALUATIONS_ROOT).glob(f"*/*/*/*/*/*/sets/*/{MANIFEST_FILE}")
        if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before
    ]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)
