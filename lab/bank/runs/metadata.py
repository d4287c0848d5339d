"""What a run says of itself from its first moment: its kind, its contract, and until when it may be kept.

It stands in the run's folder before anything is asked for, so that a run which was never finished says it too.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from lab.disk.private_files import replace_private
from lab.terms.contract.document import Contract

METADATA_FILE = "label.json"
_FORMAT_VERSION = 2
"""Of what a run keeps: 1, which labels did not say, had tags of a key that all contracts shared, and SEAL's frames."""


class RunKind(StrEnum):
    """What a run does."""

    SCORE = "score"
    RESCORE = "rescore"
    MATCH = "match"
    COUNT = "count"


@dataclass(frozen=True)
class RunMetadata:
    """``delete_after``: the last day, in UTC, on which what the run left may be kept (term: retention_days)."""

    kind: RunKind
    contract: str
    delete_after: date
    form: int = _FORMAT_VERSION

    @property
    def can_resume(self) -> bool:
        """Whether the command that began the run can go on with it: this version sends what the run has kept."""
        return self.form == _FORMAT_VERSION or self.kind not in (RunKind.SCORE, RunKind.RESCORE)

    @classmethod
    def for_contract(cls, kind: RunKind, contract: Contract, started: datetime) -> RunMetadata:
        """The label of a run that starts now under a contract."""
        return cls(kind, contract.id, (started + timedelta(days=contract.retention_days)).date())

    def is_expired(self, now: datetime) -> bool:
        """Whether the run may not be kept any more."""
        return now.date() > self.delete_after

    def write(self, folder: Path) -> None:
        """Put the label into a run's folder."""
        replace_private(folder / METADATA_FILE, json.dumps(asdict(self), default=str, ensure_ascii=False).encode())


def read_run_metadata(folder: Path) -> RunMetadata | None:
    """A run's label, or None if there is none that can be read."""
    try:
        found = json.loads((folder / METADATA_FILE).read_bytes())
        until, form = date.fromisoformat(found["delete_after"]), int(found.get("form", 1))
        return RunMetadata(RunKind(found["kind"]), str(found["contract"]), until, form)
    except (OSError, ValueError, KeyError, TypeError):
        return None
