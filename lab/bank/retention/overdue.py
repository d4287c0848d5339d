"""Finds what the bank keeps past its time.

A run may be kept as long as its contract's retention allows. Evaluations and set-ups are kept as long as their contract
is alive, however old they are: without them an identifier would be sent, and paid for, twice. An ended contract can
come back as an amendment, so the bureau is asked. If it does not answer, a contract counts as ended when the term and
the retention of every version signed here are over. What cannot be decided is kept, and so is everything of a contract
while one of its jobs is running.
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
from lab.terms.contract.document import Contract
from lab.terms.errors import ShulabError
from lab.terms.progress import SILENT, Progress

VersionLookup = Callable[[str], Sequence[ContractVersionStatus]]
"""Asks a contract's bureau for the state of its versions; raises ``ShulabError`` without an answer."""


class RetainedKind(StrEnum):
    """What is kept."""

    RUN = "run"
    UNFINISHED = "unfinished-run"
    EVALUATIONS = "evaluations"
    SETUP = "set-up"


class RemovalReason(StrEnum):
    """Why something is past its time."""

    RETENTION = "retention"
    """The contract's retention is over."""
    ENDED = "contract-ended"
    SUPERSEDED = "key-epoch-over"
    """The contract has a job under later matching keys, and no unfinished run needs these."""


class HoldReason(StrEnum):
    """Why something is kept although it may be past its time."""

    AT_WORK = "at-work"
    """A job of its contract is running."""
    UNKNOWN = "contract-unknown"
    """It is unknown whether its contract is alive."""
    UNLABELLED = "unlabelled"
    """It has no metadata that names its contract."""


@dataclass(frozen=True)
class RetainedItem:
    """One thing that is kept: the files and folders that are removed together, the defining one first.

    ``reason``: why it is past its time, or why it is kept although it may be.
    """

    kind: RetainedKind
    name: str
    contract: str | None
    reason: RemovalReason | HoldReason
    paths: tuple[Path, ...]

    @property
    def size_bytes(self) -> int:
        """Its size on disk, in bytes."""
        files = (file for path in self.paths for file in ([path] if path.is_file() else path.rglob("*")))
        return sum(file.lstat().st_size for file in files if file.is_file())


@dataclass(frozen=True)
class RetentionReport:
    """What is past its time, and what is kept in doubt."""

    due: tuple[RetainedItem, ...]
    on_hold: tuple[RetainedItem, ...]


def check_retention(
    home: BankHome, lookup: VersionLookup | None, *, now: datetime, progress: Progress = SILENT
) -> RetentionReport:
    """Check everything that the bank keeps; ``lookup`` asks a contract's bureau for its state, None asks nobody."""
    unfinished = [(path, read_run_metadata(path)) for path in unfinished_run_folders(home.runs, home.matches)]
    items = [*_runs(home, unfinished, now), *_evaluation_stores(home, unfinished), *_setups(home)]
    alive = _contracts_alive(home, items, lookup, now, progress)
    running = {metadata.contract for path, metadata in unfinished if metadata is not None and is_running(path)}
    due: list[RetainedItem] = []
    on_hold: list[RetainedItem] = []
    for item in items:
        reason = _removal_or_hold_reason(item, alive, running)
        if reason is not None:
            kept = RetainedItem(item.kind, item.name, item.contract, reason, item.paths)
            (due if isinstance(reason, RemovalReason) else on_hold).append(kept)
    return RetentionReport(tuple(due), tuple(on_hold))


_UnfinishedRuns = Sequence[tuple[Path, RunMetadata | None]]


@dataclass(frozen=True)
class _StoredItem:
    """Something that is kept. ``removal_reason``: why it is past its time in any case; ``ends_with_contract``: whether
    it is past its time when its contract has ended."""

    kind: RetainedKind
    name: str
    contract: str | None
    paths: tuple[Path, ...]
    removal_reason: RemovalReason | None
    ends_with_contract: bool = True

    @property
    def depends_on_contract(self) -> bool:
        """Whether only the state of its contract can decide."""
        return self.contract is not None and self.ends_with_contract and self.removal_reason is None


def _removal_or_hold_reason(
    item: _StoredItem, alive: Mapping[str, bool | None], running: Container[str]
) -> RemovalReason | HoldReason | None:
    """Why an item is past its time, or may be; None if it is kept without doubt."""
    contract, reason = item.contract, item.removal_reason
    if contract is None:
        return HoldReason.UNLABELLED
    if item.depends_on_contract:
        if alive[contract] is None:
            return HoldReason.UNKNOWN
        reason = None if alive[contract] else RemovalReason.ENDED
    return HoldReason.AT_WORK if reason is not None and contract in running else reason


def _contracts_alive(
    home: BankHome, items: Sequence[_StoredItem], lookup: VersionLookup | None, now: datetime, progress: Progress
) -> dict[str, bool | None]:
    """Whether each contract that decides over an item is alive; None where that is unknown."""
    contracts = sorted({item.contract for item in items if item.contract is not None and item.depends_on_contract})
    alive: dict[str, bool | None] = {}
    with progress.stage("standing", len(contracts)) as stage:
        for contract in contracts:
            alive[contract] = _is_alive(home, contract, lookup, now)
            stage.advance()
    return alive


def _is_alive(home: BankHome, contract: str, lookup: VersionLookup | None, now: datetime) -> bool | None:
    """Whether a contract is in force or can still be; None if that is unknown."""
    try:
        signed = [home.contract(contract, version).contract for version in home.versions(contract)]
    except ShulabError:
        return None
    states = _states_at_bureau(contract, lookup) if signed else {}
    if signed and _covers(states, signed):
        return not all(one.ended for one in states.values())
    return False if signed and all(_is_over(one, now) for one in signed) else None


def _covers(states: Mapping[int, ContractVersionStatus], signed: Sequence[Contract]) -> bool:
    """Whether the bureau knows every version that this bank signed; otherwise it is not believed about their end."""
    return all(one.version in states and states[one.version].sha256 == one.sha256 for one in signed)


def _is_over(contract: Contract, now: datetime) -> bool:
    """Whether a version's term and its retention after that are over."""
    try:
        return contract.expires + timedelta(days=contract.retention_days) < now
    except OverflowError:  # later than any date
        return False


def _states_at_bureau(contract: str, lookup: VersionLookup | None) -> dict[int, ContractVersionStatus]:
    """The versions of a contract at its bureau; none if it does not answer, because it may be gone for good."""
    if lookup is None:
        return {}
    try:
        return {one.version: one for one in lookup(contract)}
    except ShulabError:
        return {}


def _runs(home: BankHome, unfinished: _UnfinishedRuns, now: datetime) -> Iterator[_StoredItem]:
    """Runs: finished ones are kept by the contract's retention, unfinished ones until the contract has ended too."""
    finished = [(path, read_run_metadata(path)) for path in finished_run_folders(home.runs, home.matches)]
    for kind, runs in ((RetainedKind.RUN, finished), (RetainedKind.UNFINISHED, unfinished)):
        for path, metadata in runs:
            expired = RemovalReason.RETENTION if metadata is not None and metadata.is_expired(now) else None
            contract = metadata.contract if metadata is not None else None
            ends_with_contract = kind is RetainedKind.UNFINISHED
            yield _StoredItem(kind, path.name, contract, (path,), expired, ends_with_contract)


def _evaluation_stores(home: BankHome, unfinished: _UnfinishedRuns) -> Iterator[_StoredItem]:
    """Stores of evaluations; one of a former epoch is past its time, unless an unfinished run may go back to it."""
    resumable = {metadata.contract for _, metadata in unfinished if metadata is not None}
    stores = list_evaluation_stores(home.evaluations)
    newest: dict[tuple[str, str], int] = {}
    for store in stores:
        key = (store.contract, store.engine)
        newest[key] = max(store.epoch, newest.get(key, 0))
    for store in stores:
        is_former = store.epoch < newest[store.contract, store.engine]
        superseded = RemovalReason.SUPERSEDED if is_former and store.contract not in resumable else None
        name = f"{store.contract}.e{store.epoch}.{store.engine}"
        yield _StoredItem(RetainedKind.EVALUATIONS, name, store.contract, store.paths, superseded)


def _setups(home: BankHome) -> Iterator[_StoredItem]:
    """Set-ups, one folder for each contract; an older set-up is removed when a newer one has been fetched."""
    for path in sorted(home.setups.glob("*")):
        yield _StoredItem(RetainedKind.SETUP, path.name, path.name, (path,), None)
