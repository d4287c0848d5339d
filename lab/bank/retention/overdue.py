"""What the bank keeps, and what of it is past its time.

A run may be kept as long as its contract's retention says. Values of identifiers and set-ups are kept as long as their
contract lives, however long ago they were made: without them an identifier would be sent, and paid for, twice. An ended
contract can come back as an amendment, so the bureau is asked; where it does not say, a contract counts as ended when
every version signed here is over, and its retention after that too. What cannot be told is kept, and so is everything
of a contract while a job of it is at work.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from lab.bank.connection.responses import ContractVersionStatus
from lab.bank.home import BankHome
from lab.bank.matching.evaluation_store import list_evaluation_stores
from lab.bank.runs.metadata import RunMetadata, read_run_metadata
from lab.bank.runs.store import finished_run_folders, is_running, unfinished_run_folders
from lab.terms.errors import ShulabError
from lab.terms.progress import SILENT, Progress

VersionLookup = Callable[[str], Sequence[ContractVersionStatus]]
"""Where the versions of a contract stand at its bureau; raises ``ShulabError`` where that cannot be learnt."""


class RetainedKind(StrEnum):
    """What is kept."""

    RUN = "run"
    UNFINISHED = "unfinished-run"
    EVALUATIONS = "evaluations"
    SETUP = "set-up"


class RemovalReason(StrEnum):
    """Why something is past its time."""

    RETENTION = "retention"
    """The days that its contract lets either side keep it are over."""
    ENDED = "contract-ended"
    SUPERSEDED = "key-epoch-over"
    """The bureau gave this contract a job under later keys, and no unfinished run goes back to these."""


class HoldReason(StrEnum):
    """Why something is kept that may be past its time."""

    AT_WORK = "at-work"
    """A job of its contract is running."""
    UNKNOWN = "contract-unknown"
    """Nobody says whether its contract lives."""
    UNLABELLED = "unlabelled"
    """It does not say what it is of."""


@dataclass(frozen=True)
class RetainedItem:
    """One thing that is kept: the files and folders that leave together, the first of which makes it what it is.

    ``reason``: why it is past its time, or why it stays although it may be.
    """

    kind: RetainedKind
    name: str
    contract: str | None
    reason: RemovalReason | HoldReason
    paths: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        """Its size on the disk."""
        files = (file for path in self.paths for file in ([path] if path.is_file() else path.rglob("*")))
        return sum(file.lstat().st_size for file in files if file.is_file())


@dataclass(frozen=True)
class RetentionReport:
    """What is past its time, and what stays in doubt."""

    due: tuple[RetainedItem, ...]
    on_hold: tuple[RetainedItem, ...]


def check_retention(
    home: BankHome, ask: VersionLookup | None, *, now: datetime, progress: Progress = SILENT
) -> RetentionReport:
    """Look at everything that is kept. ``ask`` None: no bureau is asked."""
    unfinished = [(path, read_run_metadata(path)) for path in unfinished_run_folders(home.runs, home.matches)]
    things = list(_stored_items(home, unfinished, now))
    in_question = {
        thing.contract for thing in things if thing.contract and thing.ends_with_contract and not thing.removal_reason
    }
    lives: dict[str, bool | None] = {}
    with progress.stage("standing", len(in_question)) as stage:
        for contract in sorted(in_question):
            lives[contract] = _contract_is_alive(home, contract, ask, now)
            stage.advance()
    at_work = {label.contract for path, label in unfinished if label is not None and is_running(path)}
    due: list[RetainedItem] = []
    doubtful: list[RetainedItem] = []
    for thing in things:
        reason = _removal_or_hold_reason(thing, lives, at_work)
        if reason is not None:
            kept = RetainedItem(thing.kind, thing.name, thing.contract, reason, thing.paths)
            (due if isinstance(reason, RemovalReason) else doubtful).append(kept)
    return RetentionReport(tuple(due), tuple(doubtful))


_UnfinishedRuns = Sequence[tuple[Path, RunMetadata | None]]


@dataclass(frozen=True)
class _StoredItem:
    """Something that is kept. ``over``: why it is past its time in any case; ``by_contract``: it ends with its contract
    at the latest."""

    kind: RetainedKind
    name: str
    contract: str | None
    paths: tuple[Path, ...]
    removal_reason: RemovalReason | None
    ends_with_contract: bool = True


def _removal_or_hold_reason(
    thing: _StoredItem, lives: Mapping[str, bool | None], at_work: Container[str]
) -> RemovalReason | HoldReason | None:
    """Why a thing is past its time, or may be; None if it is kept without a doubt."""
    contract, reason = thing.contract, thing.removal_reason
    if contract is None:
        return HoldReason.UNLABELLED
    if reason is None and thing.ends_with_contract:
        if lives[contract] is None:
            return HoldReason.UNKNOWN
        reason = None if lives[contract] else RemovalReason.ENDED
    return HoldReason.AT_WORK if reason is not None and contract in at_work else reason


def _contract_is_alive(home: BankHome, contract: str, ask: VersionLookup | None, now: datetime) -> bool | None:
    """Whether a contract lives or is on its way to; None if that cannot be told."""
    try:
        signed = [home.contract(contract, version).contract for version in home.versions(contract)]
        if ask is not None and signed:
            try:
                told = {one.version: one for one in ask(contract)}
            except ShulabError:
                told = {}  # its bureau may be gone for good
            # Who does not know what this bank signed is not to be believed about its end.
            if all(one.version in told and told[one.version].sha256 == one.sha256 for one in signed):
                return not all(one.ended for one in told.values())
        over = [one.expires + timedelta(days=one.retention_days) < now for one in signed]
    except (ShulabError, OverflowError):
        return None
    return False if over and all(over) else None


def _stored_items(home: BankHome, unfinished: _UnfinishedRuns, now: datetime) -> Iterator[_StoredItem]:
    finished = [(path, read_run_metadata(path)) for path in finished_run_folders(home.runs, home.matches)]
    for sort, runs in ((RetainedKind.RUN, finished), (RetainedKind.UNFINISHED, unfinished)):
        for path, label in runs:
            over = RemovalReason.RETENTION if label is not None and label.is_expired(now) else None
            contract = label.contract if label is not None else None
            # Results stay by the contract's retention; what an unfinished run could go on to ends with the contract.
            yield _StoredItem(
                sort, path.name, contract, (path,), over, ends_with_contract=sort is RetainedKind.UNFINISHED
            )
    going_on = {label.contract for _, label in unfinished if label is not None}
    stores = list_evaluation_stores(home.evaluations)
    for store in stores:
        later = any(
            other.epoch > store.epoch and (other.contract, other.engine) == (store.contract, store.engine)
            for other in stores
        )
        superseded = RemovalReason.SUPERSEDED if later and store.contract not in going_on else None
        name = f"{store.contract}.e{store.epoch}.{store.engine}"
        yield _StoredItem(RetainedKind.EVALUATIONS, name, store.contract, store.paths, superseded)
    for path in sorted(home.setups.glob("*")):  # one contract's each; an older set-up goes when a newer one has come
        yield _StoredItem(RetainedKind.SETUP, path.name, path.name, (path,), None)
