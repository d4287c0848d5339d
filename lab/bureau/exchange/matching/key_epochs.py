"""Epochs of the matching keys: a new one is prepared while the old one serves, then new jobs go over to it.

``preparing``: its keys are made and registers are evaluated under them. ``current_epoch``: new jobs are matched and
scored under it. ``closing``: jobs that were opened in it go on and end in it. ``destroyed``: its keys and all that was
evaluated under them are gone. Tags of two epochs do not link; what is counted for an enterprise is counted by its
pseudonym, over all epochs. The table says which epoch is which, so a service notices a change that a command made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from lab.bureau.key_management.keys import FIRST_EPOCH, BureauKeys
from lab.bureau.ledger import record
from lab.bureau.store import Database
from lab.bureau.store.tables import ContractRow, ContractVersionRow, EpochRow, JobRow
from lab.terms.errors import Conflict, NotAllowed
from lab.terms.progress import SILENT, Progress


class EpochState(StrEnum):
    """Where an epoch stands."""

    PREPARING = "preparing"
    CURRENT = "current"
    CLOSING = "closing"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class Epoch:
    """An epoch, and how many jobs may still go on in it."""

    number: int
    state: EpochState
    began_at: datetime
    ended_at: datetime | None
    open_jobs: int


class EpochEvaluator(Protocol):
    """What is evaluated for the contracts in use (``lab.bureau.exchange.matching.required_evaluations``)."""

    def prepare(self, epoch: int, progress: Progress, /) -> object:
        """Evaluate the register for the contracts in use under the epoch's key."""

    def remove_epoch(self, epoch: int, /) -> None:
        """Delete what was evaluated under the epoch's key."""


def current_epoch(session: Session) -> int:
    """The epoch that new jobs are opened in. A switch waits until the transaction has ended, so the answer holds."""
    row = session.scalar(_in(EpochState.CURRENT).with_for_update(read=True))
    if row is None:  # it waited for a switch: what was current then is closing now
        row = session.scalar(_in(EpochState.CURRENT).with_for_update(read=True))
    if row is None:
        raise NotAllowed("The bureau has no current key epoch.", next_step="its operator runs `lab bureau rotate-keys`")
    return row.number


class Epochs:
    """The epochs of one bureau. Safe to use from several threads and processes."""

    def __init__(
        self, store: Database, keys: BureauKeys, evaluated: EpochEvaluator, clock: Callable[[], datetime]
    ) -> None:
        self._store, self._keys, self._evaluated, self._now = store, keys, evaluated, clock

    def ensure_first_epoch(self) -> None:
        """Put the first epoch in the table if there is none; its keys were made with the bureau."""
        with self._store.begin_read() as session:
            if session.scalar(select(func.count()).select_from(EpochRow)):
                return
        try:
            with self._store.begin() as session:
                session.add(EpochRow(number=FIRST_EPOCH, state=EpochState.CURRENT.value, began_at=self._now()))
                session.flush()
                record(session, "epoch.current", None, {"epoch": FIRST_EPOCH}, by="bureau")
        except IntegrityError:
            return  # another process was first

    def current_epoch(self, session: Session) -> int:
        """The epoch that new jobs are opened in; see ``current_epoch``."""
        return current_epoch(session)

    def list_epochs(self) -> list[Epoch]:
        """All epochs, the newest first."""
        with self._store.begin_read() as session:
            rows = session.scalars(select(EpochRow).order_by(EpochRow.number.desc())).all()
            return [
                Epoch(row.number, EpochState(row.state), row.began_at, row.ended_at, _jobs_in(session, row.number))
                for row in rows
            ]

    def prepare(self, progress: Progress = SILENT, *, by: str = "local") -> int:
        """Make the next epoch's secrets and evaluate what the contracts in use need, each under its own key of the new
        epoch; the epoch's number.

        Nothing that serves banks changes. Interrupted, it goes on where it stopped: a register that is finished is not
        evaluated again.
        """
        number = self._next(by)
        self._keys.make_matching_keys(number)
        self._evaluated.prepare(number, progress)
        return number

    def switch(self, *, by: str = "local") -> int:
        """Let the prepared epoch serve new jobs, at once and for all processes; its number.

        Raises ``Conflict`` if none is prepared.
        """
        with self._store.begin() as session:
            prepared = session.scalar(_in(EpochState.PREPARING).with_for_update())
            serving = session.scalar(_in(EpochState.CURRENT).with_for_update())
            if prepared is None:
                raise Conflict("No key epoch is prepared.", next_step="run `lab bureau rotate-keys`")
            if serving is not None:
                serving.state = EpochState.CLOSING.value
            prepared.state = EpochState.CURRENT.value
            session.flush()
            if serving is not None:
                record(session, "epoch.closing", None, {"epoch": serving.number}, by=by)
            record(session, "epoch.current", None, {"epoch": prepared.number}, by=by)
            return prepared.number

    def destroy_closing(self, *, force_after: timedelta | None = None, by: str = "bureau") -> list[int]:
        """Destroy each closing epoch in which no job may go on any more; their numbers.

        ``force_after``: jobs opened longer ago than that do not hold an epoch open; they are cut off, and the entry
        says how many. What a destroyed epoch has left behind, or another process wrote late, is removed too.
        """
        closed = []
        for epoch in self.list_epochs():
            if epoch.state is EpochState.CLOSING and self._destroy(epoch.number, force_after, by):
                closed.append(epoch.number)
            elif epoch.state is EpochState.DESTROYED:
                self._keys.destroy_matching_keys(epoch.number)
                self._evaluated.remove_epoch(epoch.number)
        return closed

    def _destroy(self, number: int, force_after: timedelta | None, by: str) -> bool:
        """Whether the epoch was destroyed. Its keys go before the transaction ends, so that the entry is true."""
        with self._store.begin() as session:
            row = session.get(EpochRow, number, with_for_update=True, populate_existing=True)
            since = None if force_after is None else self._now() - force_after
            if row is None or row.state != EpochState.CLOSING or _jobs_in(session, number, since):
                return False
            cut_off = _jobs_in(session, number)
            keys = self._keys.destroy_matching_keys(number)
            self._evaluated.remove_epoch(number)
            row.state, row.ended_at = EpochState.DESTROYED.value, self._now()
            session.flush()
            record(session, "epoch.destroyed", None, {"epoch": number, "keys": keys, "jobs_cut_off": cut_off}, by=by)
        return True

    def _next(self, by: str) -> int:
        with self._store.begin() as session:
            session.scalar(_in(EpochState.CURRENT).with_for_update())  # two commands at once prepare one epoch
            begun = session.scalar(_in(EpochState.PREPARING))
            if begun is not None:
                return begun.number
            number = (session.scalar(select(func.max(EpochRow.number))) or 0) + 1
            session.add(EpochRow(number=number, state=EpochState.PREPARING.value, began_at=self._now()))
            session.flush()
            record(session, "epoch.preparing", None, {"epoch": number}, by=by)
        return number


def _in(state: EpochState) -> Select[EpochRow]:
    return select(EpochRow).where(EpochRow.state == state.value).execution_options(populate_existing=True)


def _jobs_in(session: Session, epoch: int, since: datetime | None = None) -> int:
    """Jobs of an epoch that may still go on: open ones, and stopped ones whose contract may be resumed."""
    resumable = (
        select(ContractRow.id)
        .join(
            ContractVersionRow,
            and_(ContractVersionRow.contract_id == ContractRow.id, ContractVersionRow.version == ContractRow.in_force),
        )
        .where(ContractVersionRow.state.in_(("active", "suspended")))
    )
    may_go_on: list[ColumnElement[bool]] = [
        JobRow.epoch == epoch,
        or_(JobRow.state == "open", and_(JobRow.state == "stopped", JobRow.contract_id.in_(resumable))),
    ]
    if since is not None:
        may_go_on.append(JobRow.opened_at >= since)
    return int(session.scalar(select(func.count()).select_from(JobRow).where(*may_go_on)) or 0)
