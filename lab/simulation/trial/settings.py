"""Settings of a trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.simulation.party_steps import FamilyName, Interactions
from lab.terms.names import IdKind


@dataclass(frozen=True)
class TrialSettings:
    """Files and options of a trial. ``bureau_columns`` and ``bank_columns``: features to use; empty means all.

    ``bureau_dictionary`` and ``bank_dictionary`` describe each party's columns; both may be the same file.
    """

    bureau: Path
    bank: Path
    out: Path
    id_column: str
    label: str
    id_kind: IdKind = "uscc"
    family: FamilyName = "boosted"
    interactions: Interactions = "one"
    engine: str = "x25519"
    bureau_columns: Sequence[str] = ()
    bank_columns: Sequence[str] = ()
    seed: int = 1
    bureau_dictionary: Path | None = None
    bank_dictionary: Path | None = None
