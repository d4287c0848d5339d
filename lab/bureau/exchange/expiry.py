"""Contracts whose term is over: the expiry is recorded, and their jobs stop."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts.lifecycle import record_expiry
from lab.bureau.contracts.repository import list_contracts
from lab.bureau.contracts.workflow import FINAL_STATES
from lab.bureau.exchange.jobs import stop_jobs
from lab.bureau.ledger import BUREAU_ACTOR
from lab.bureau.store import Database


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
