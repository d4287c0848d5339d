"""The metadata of a run: its kind, its contract, and until when it may be kept.

It is written to the run's folder before anything is sent, so that an unfinished run has it too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from lab.bank.runs.run_files import read_run_facts, write_run_facts
from lab.disk.checked_files import DamagedFile
from lab.terms.contract.document import Contract

METADATA_FILE = "label.json"
_FORMAT_VERSION = 2
"""The format of a run's files. Format 1, which they do not name, had tags under a key that all contracts shared."""


class RunKind(StrEnum):
    """What a run does."""

    SCORE = "score"
    RESCORE = "rescore"
    MATCH = "match"
    COUNT = "count"


@dataclass(frozen=True)
class RunMetadata:
    """``delete_after``: the last day, in UTC, on which the run may be kept (term: retention_days)."""

    kind: RunKind
    contract: str
    delete_after: date
    form: int = _FORMAT_VERSION

    @property
    def can_resume(self) -> bool:
        """Whether the command that began the run can resume it in this version."""
        return self.form == _FORMAT_VERSION or self.kind not in (RunKind.SCORE, RunKind.RESCORE)

    @classmethod
    def for_contract(cls, kind: RunKind, contract: Contract, started: datetime) -> RunMetadata:
        """The metadata of a run that starts under a contract."""
        return cls(kind, contract.id, (started + timedelta(days=contract.retention_days)).date())

    def is_expired(self, now: datetime) -> bool:
        """Whether the run may no longer be kept."""
        return now.date() > self.delete_after

    def write(self, folder: Path) -> None:
        """Write the metadata to a run's folder."""
        write_run_facts(folder, METADATA_FILE, asdict(self))


def read_run_metadata(folder: Path) -> RunMetadata | None:
    """A run's metadata, or None if there is none that can be read."""
    try:
        found = read_run_facts(folder, METADATA_FILE)
        until, form = date.fromisoformat(found["delete_after"]), int(found.get("form", 1))
        return RunMetadata(RunKind(found["kind"]), str(found["contract"]), until, form)
    except (OSError, DamagedFile, ValueError, KeyError, TypeError):
        return None
