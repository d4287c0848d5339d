"""How the columns of both files are read: decided by the whole files, as each party's own command decides it."""

from __future__ import annotations

from dataclasses import dataclass

from lab.simulation.trial.dictionaries import TrialDictionaries
from lab.simulation.trial.joined_files import JoinedFiles
from lab.tables.cells.column_kinds import ColumnSummary, require_decided
from models.shared.features import describe_columns


@dataclass(frozen=True)
class TrialColumns:
    """The columns of the bureau's file and of the bank's, as they were read."""

    bureau: tuple[ColumnSummary, ...] = ()
    bank: tuple[ColumnSummary, ...] = ()

    @classmethod
    def read(cls, joined: JoinedFiles, words: TrialDictionaries) -> TrialColumns:
        """Read all accepted rows.

        Raises ``InvalidInput`` naming columns that are neither numbers nor text nearly throughout, unless the
        dictionary states their kind.
        """
        bureau, bank = joined.bureau, joined.bank
        found = cls(
            describe_columns(bureau.features, words.bureau, bureau.accepted_row_numbers),
            describe_columns(bank.features, words.bank, bank.accepted_row_numbers),
        )
        require_decided((*found.bureau, *found.bank))
        return found

    @property
    def parties(self) -> tuple[tuple[str, str, tuple[ColumnSummary, ...]], ...]:
        """The columns by party: its name in both languages, and its columns."""
        return ("数据局", "bureau", self.bureau), ("银行", "bank", self.bank)
