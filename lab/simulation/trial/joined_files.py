"""Reads two parties' files, joins them in clear, and splits the joined rows into pilot and test rows.

Only a trial does this, where both files are on one machine. Later each party reads its own file by the same rules (the
first row of a code counts), so the counts here are the ones they will find. The label of an enterprise with several
rows is 1 if that of any row is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.tables.labels import merge_labels, read_labels
from lab.tables.table_file import TextTable
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason, describe_notes, normalise_identifiers
from lab.terms.names import IdKind
from lab.terms.text.bilingual import BilingualText

PILOT_SHARE = 0.7
LONGEST_COLUMN = 200
"""As an import and a model limit the names of columns."""


@dataclass(frozen=True)
class PartyFile:
    """One party's file. ``accepted_rows`` (all text) are in file order; ``codes`` are their identifiers,
    ``accepted_row_numbers`` their numbers in the file. ``firms``, int64 [rows of ``all_rows``]: the accepted row of
    each row's identifier, -1 without a usable one; ``row_numbers``, [rows of ``all_rows``]: their numbers in the file.
    ``warnings``: of the reader; ``notes``: what is odd about the identifiers.
    """

    name: str
    rows: int
    accepted_rows: pl.DataFrame
    accepted_row_numbers: NDArray[np.int64]
    codes: tuple[str, ...]
    columns: tuple[str, ...]
    set_aside: dict[RejectionReason, int]
    all_rows: pl.DataFrame
    firms: NDArray[np.int64]
    row_numbers: NDArray[np.int64]
    warnings: tuple[str, ...] = ()
    notes: tuple[BilingualText, ...] = ()

    @property
    def features(self) -> pl.DataFrame:
        """The feature columns of the accepted rows."""
        return self.accepted_rows.select(self.columns)


@dataclass(frozen=True)
class JoinedFiles:
    """Both files joined. ``bureau_rows`` and ``bank_rows``, [joined], index accepted rows; ``pilot`` and ``test`` index
    joined rows. ``labels``, [joined]: 0, 1, or -1 for no label.
    """

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


@dataclass(frozen=True)
class JoinOptions:
    """How two files are joined; empty columns mean all columns of that file."""

    id_column: str
    label: str
    id_kind: IdKind
    bureau_columns: Sequence[str] = ()
    bank_columns: Sequence[str] = ()
    seed: int = 1


def read_joined_files(bureau: Path, bank: Path, options: JoinOptions) -> JoinedFiles:
    """Read both files, join them by identifier and draw the pilot (70 % of the labelled rows, by label value).

    Raises ``InvalidInput`` if columns are missing, no row joins, the labels are not of one pair of words, or the joined
    rows have only one label value.
    """
    label = options.label
    warnings: list[tuple[str, str]] = []
    bureau_table, bank_table = read_table(bureau), read_table(bank)
    if label in bureau_table.frame.columns:
        warnings.append(
            (
                "数据局文件中也有与标签同名的列，已排除，以免泄露答案",
                "the bureau's file also has a column with the label's name; it was left out, as it may be the label",
            )
        )
    register = _read_party_file(bureau_table, bureau.name, "bureau", options, options.bureau_columns, ())
    portfolio = _read_party_file(bank_table, bank.name, "bank", options, options.bank_columns, (label,))
    warnings += [
        (f"{file.name}：{zh}", f"{file.name}: {en}") for file in (register, portfolio) for zh, en in file.notes
    ]
    row_of = {code: row for row, code in enumerate(register.codes)}
    joined = [(row_of[code], row) for row, code in enumerate(portfolio.codes) if code in row_of]
    if not joined:
        raise InvalidInput(
            f"Expected enterprises that are in both files; of {len(register.codes):,} and {len(portfolio.codes):,} "
            "identifiers none is.",
            next_step="check --id and --id-kind, and that both files write the identifiers alike",
        )
    bureau_rows, bank_rows = np.asarray(joined, dtype=np.int64).T
    firm_labels, notes = _read_firm_labels(portfolio, label)
    warnings += notes
    labels = firm_labels[bank_rows]
    pilot, test = _split(labels, np.flatnonzero(labels >= 0), options.seed)
    return JoinedFiles(
        bureau=register,
        bank=portfolio,
        bureau_rows=bureau_rows,
        bank_rows=bank_rows,
        labels=labels,
        pilot=pilot,
        test=test,
        unlabelled=tuple(portfolio.codes[i] for i in bank_rows[np.flatnonzero(labels < 0)]),
        warnings=tuple(warnings),
    )


def _read_party_file(
    table: TextTable, name: str, party: str, options: JoinOptions, columns: Sequence[str], required: Sequence[str]
) -> PartyFile:
    frame = table.frame
    absent = [column for column in (options.id_column, *required, *columns) if column not in frame.columns]
    if absent:
        raise InvalidInput(
            f"Expected the columns {', '.join(absent)} in {name}; its header does not have them.",
            next_step=f"check --id, --label and {f'--{party}-columns'} against the file's first line",
        )
    features = [column for column in (columns or frame.columns) if column not in (options.id_column, options.label)]
    if not features:
        raise InvalidInput(f"Expected at least one feature column in {name}; found none.", next_step="add columns")
    if any(len(column) > LONGEST_COLUMN for column in features):
        raise InvalidInput(
            f"Expected column names of at most {LONGEST_COLUMN} characters in {name}; found a longer one.",
            next_step="shorten the header",
        )
    first, firms, reasons, notes = _first_rows(table, options)
    return PartyFile(
        name=name,
        rows=table.rows,
        accepted_rows=frame[list(first.values())] if first else frame.clear(),
        accepted_row_numbers=table.row_numbers[list(first.values())],
        codes=tuple(first),
        columns=tuple(features),
        set_aside=dict(reasons),
        all_rows=frame,
        firms=firms,
        row_numbers=table.row_numbers,
        warnings=table.warnings,
        notes=notes,
    )


def _first_rows(
    table: TextTable, options: JoinOptions
) -> tuple[dict[str, int], NDArray[np.int64], Counter[RejectionReason], tuple[BilingualText, ...]]:
    """The first row of each identifier; the place of each row's identifier among these, or -1; rejected rows by reason;
    notes about the identifiers.

    A repeated identifier counts as rejected: later the party sets such a row aside.
    """
    read = normalise_identifiers(table.frame[options.id_column].to_list(), options.id_kind)
    first: dict[str, int] = {}
    places: dict[str, int] = {}
    firms = np.full(table.frame.height, -1, dtype=np.int64)
    reasons: Counter[RejectionReason] = Counter(entry.reason for entry in table.rejected)
    for row, (code, reason) in enumerate(zip(read.codes, read.reasons, strict=True)):
        if code is None:
            reasons[RejectionReason(str(reason))] += 1
            continue
        if code in first:
            reasons[RejectionReason.DUPLICATE] += 1
        else:
            first[code], places[code] = row, len(places)
        firms[row] = places[code]
    return first, firms, reasons, describe_notes(read.notes)


def _read_firm_labels(file: PartyFile, label: str) -> tuple[NDArray[np.int8], list[BilingualText]]:
    """The label of each accepted row's enterprise, int8 [accepted rows], and notes on how it was read."""
    usable = np.flatnonzero(file.firms >= 0)
    column = read_labels(file.all_rows[label][usable], file.row_numbers[usable])
    merged = merge_labels(file.firms[usable], column.values, len(file.codes))
    notes = merged.notes()
    if spelling := column.note():
        notes.append(spelling)
    return merged.values, notes


def _split(
    labels: NDArray[np.int8], known: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw 70 % of each label value for the pilot; the rest is for the test. Both are in row order."""
    rng = np.random.default_rng([seed, 3])
    pilot = []
    for value in (0, 1):
        rows = known[labels[known] == value]
        if len(rows) == 0:
            raise InvalidInput(
                f"Expected both label values, 0 and 1, among the {len(known):,} joined rows; all are {1 - value}.",
                next_step="give a file with both outcomes",
            )
        pilot.append(rng.permutation(rows)[: round(PILOT_SHARE * len(rows))])
    chosen = np.sort(np.concatenate(pilot))
    return chosen, np.setdiff1d(known, chosen)
