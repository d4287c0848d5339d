"""Two parties' files side by side: read, brought to one form, joined in clear, and split into pilot and test rows.

Only a trial does this, where both files lie on one machine. Each party reads its own file by the same code and the same
rules again (first row of a code wins); what is counted here is what they will find.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason, normalise_identifiers
from lab.terms.names import IdKind

PILOT_SHARE = 0.7
_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


@dataclass(frozen=True)
class PartyFile:
    """One party's file: ``frame`` holds accepted rows (all text) in file order, ``codes`` their identifiers."""

    name: str
    rows: int
    accepted_rows: pl.DataFrame
    codes: tuple[str, ...]
    columns: tuple[str, ...]
    set_aside: dict[RejectionReason, int]
    all_rows: pl.DataFrame

    @property
    def features(self) -> pl.DataFrame:
        """The feature columns of the accepted rows."""
        return self.accepted_rows.select(self.columns)


@dataclass(frozen=True)
class JoinedFiles:
    """Both sides joined. Row numbers index the sides' accepted rows; ``pilot`` and ``rest`` index the joined rows."""

    bureau: PartyFile
    bank: PartyFile
    bureau_rows: NDArray[np.int64]
    bank_rows: NDArray[np.int64]
    labels: NDArray[np.int8]
    pilot: NDArray[np.int64]
    test: NDArray[np.int64]
    unlabelled: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...]

    def bureau_features(self, rows: NDArray[np.int64]) -> pl.DataFrame:
        """The bureau's features of joined ``rows``."""
        return self.bureau.features[self.bureau_rows[rows]]

    def bank_features(self, rows: NDArray[np.int64]) -> pl.DataFrame:
        """The bank's features of joined ``rows``."""
        return self.bank.features[self.bank_rows[rows]]

    def codes(self, rows: NDArray[np.int64]) -> list[str]:
        """The identifiers of joined ``rows``."""
        return [self.bank.codes[i] for i in self.bank_rows[rows]]


def read_joined_files(
    bureau: Path,
    bank: Path,
    *,
    id_column: str,
    label: str,
    id_kind: IdKind,
    bureau_columns: Sequence[str] = (),
    bank_columns: Sequence[str] = (),
    seed: int = 1,
) -> JoinedFiles:
    """Read both files, join them by identifier and draw the pilot (70 % of the labelled rows, by label value).

    Raises ``InvalidInput`` when columns are missing, nothing joins, too little joins, or the label has one class.
    """
    warnings: list[tuple[str, str]] = []
    register = _read_side(bureau, "bureau", id_column, id_kind, bureau_columns, (label,), warnings)
    portfolio = _read_side(bank, "bank", id_column, id_kind, bank_columns, (label,), warnings, wanted=(label,))
    place = {code: row for row, code in enumerate(register.codes)}
    joined = [(place[code], row) for row, code in enumerate(portfolio.codes) if code in place]
    if not joined:
        raise InvalidInput(
            f"Wanted enterprises that are in both files; of {len(register.codes):,} and {len(portfolio.codes):,} "
            "identifiers none is.",
            next_step="check --id and --id-kind, and that both files write the identifiers alike",
        )
    bureau_rows, bank_rows = np.asarray(joined, dtype=np.int64).T
    labels = _read_labels(portfolio.accepted_rows[label])[bank_rows]
    known = np.flatnonzero(labels >= 0)
    blank = np.flatnonzero(labels < 0)
    pilot, rest = _split(labels, known, seed)
    return JoinedFiles(
        bureau=register,
        bank=portfolio,
        bureau_rows=bureau_rows,
        bank_rows=bank_rows,
        labels=labels,
        pilot=pilot,
        test=rest,
        unlabelled=tuple(portfolio.codes[i] for i in bank_rows[blank]),
        warnings=tuple(warnings),
    )


def _read_side(
    path: Path,
    name: str,
    id_column: str,
    id_kind: IdKind,
    columns: Sequence[str],
    left_out: Sequence[str],
    warnings: list[tuple[str, str]],
    wanted: Sequence[str] = (),
) -> PartyFile:
    table = read_table(path)
    frame = table.frame
    absent = [column for column in (id_column, *wanted, *columns) if column not in frame.columns]
    if absent:
        raise InvalidInput(
            f"Wanted the columns {', '.join(absent)} in {path.name}; its header does not have them.",
            next_step=f"check --id, --label and --{name}-columns against the file's first line",
        )
    if name == "bureau" and any(column in frame.columns for column in left_out):
        warnings.append(
            (
                "数据局文件中也有与标签同名的列，已排除，以免泄露答案",
                "the bureau's file has a column of the label's name too; left out, as it may give the answer away",
            )
        )
    kept = [column for column in (columns or frame.columns) if column not in (id_column, *left_out)]
    if not kept:
        raise InvalidInput(f"Wanted at least one feature column in {path.name}; found none.", next_step="add columns")
    read = normalise_identifiers(frame[id_column].to_list(), id_kind)
    first: dict[str, int] = {}
    reasons: Counter[RejectionReason] = Counter(entry.reason for entry in table.rejected)
    for row, (code, reason) in enumerate(zip(read.codes, read.reasons, strict=True)):
        if code is None:
            reasons[RejectionReason(str(reason))] += 1
        elif code in first:
            reasons[RejectionReason.DUPLICATE] += 1
        else:
            first[code] = row
    return PartyFile(
        name=path.name,
        rows=table.rows,
        accepted_rows=frame[list(first.values())] if first else frame.clear(),
        codes=tuple(first),
        columns=tuple(kept),
        set_aside=dict(reasons),
        all_rows=frame,
    )


def _read_labels(column: pl.Series) -> NDArray[np.int8]:
    text = column.str.strip_chars()
    labels = text.replace_strict(list(_LABELS), list(_LABELS.values()), default=None, return_dtype=pl.Int8)
    missing = text.is_null() | text.str.to_lowercase().is_in(["", "na", "n/a", "nan", "null"])
    strange = int((labels.is_null() & ~missing).sum())
    if strange:
        raise InvalidInput(
            f"Wanted a label of 0 or 1 (1: the bad outcome), or nothing; {strange:,} rows hold something else.",
            next_step="write the label as 0 and 1",
        )
    return labels.fill_null(-1).to_numpy().astype(np.int8)


def _split(
    labels: NDArray[np.int8], known: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """70 % of each label value for the pilot, the rest for the test; both in row order."""
    rng = np.random.default_rng([seed, 3])
    pilot = []
    for value in (0, 1):
        rows = known[labels[known] == value]
        if len(rows) == 0:
            raise InvalidInput(
                f"Wanted both label values, 0 and 1, among the {len(known):,} joined rows; all are {1 - value}.",
                next_step="give a file with both outcomes",
            )
        pilot.append(rng.permutation(rows)[: round(PILOT_SHARE * len(rows))])
    chosen = np.sort(np.concatenate(pilot))
    return chosen, np.setdiff1d(known, chosen)
