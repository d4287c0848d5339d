"""The pilot: a bank's labelled sample joined to the register in clear, at the bureau, to train a model.

This is the only place where records of both parties meet unencrypted. The parties agree to it for the firms of the
pilot; scoring never needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bureau.data.register.row_validation import choose_columns, validate_rows
from lab.bureau.data.register.snapshot import Snapshot
from lab.tables.cells.text import NULL_WORDS, is_word
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import describe_notes
from lab.terms.text.bilingual import BilingualText


@dataclass(frozen=True, slots=True)
class PilotDataset:
    """Joined rows, same order in all three: ``public`` and ``bank`` tables of text, ``label`` float64 [rows], 0 and 1.

    ``sample_rows``: rows of the file; ``set_aside``: bad or repeated identifiers; ``unmatched``: not in the register;
    ``unlabelled``: in the register, without a label; ``warnings``: about the identifiers.
    """

    public: pl.DataFrame
    bank: pl.DataFrame
    label: NDArray[np.float64]
    sample_rows: int
    set_aside: int
    unmatched: int
    unlabelled: int
    warnings: tuple[BilingualText, ...] = ()


def join_pilot(
    register: pl.DataFrame,
    snapshot: Snapshot,
    sample: Path,
    *,
    id_column: str,
    label_column: str,
    columns: Sequence[str] = (),
) -> PilotDataset:
    """Read the sample and join it to the register; the first row of an enterprise counts.

    Raises ``NotFound`` without the file, ``InvalidInput`` for missing columns, an empty join or a label that is no
    number.
    """
    table = read_table(sample)
    if label_column not in table.frame.columns or label_column == id_column:
        raise InvalidInput(
            "Expected the label in a column of its own; the sample's header does not have it.",
            next_step="check --label against the header",
        )
    wanted = [column for column in (columns or table.frame.columns) if column not in (id_column, label_column)]
    if not wanted:
        raise InvalidInput(
            "Expected at least one feature column in the sample; found none.", next_step="check the file"
        )
    chosen = choose_columns(table.frame.columns, id_column, wanted)
    kind = snapshot.id_kind
    rows = validate_rows(table, id_column, kind, [*chosen, label_column])
    places = _places(register[snapshot.id_column], rows.kept[id_column])
    label, present = _labels(rows.kept[label_column])
    found = places >= 0
    take = found & present
    if not take.any():
        raise InvalidInput(
            f"Expected labelled firms that are in register {snapshot.name}; found none among {table.rows} rows.",
            next_step="check --id, and that sample and register name the same enterprises",
        )
    return PilotDataset(
        public=register[places[take].tolist()].select(snapshot.columns),
        bank=rows.kept.select(chosen).filter(pl.Series(take)),
        label=label[take],
        sample_rows=table.rows,
        set_aside=rows.set_aside.height,
        unmatched=int((~found).sum()),
        unlabelled=int((found & ~present).sum()),
        warnings=describe_notes(rows.notes),
    )


def _places(register: pl.Series, wanted: pl.Series) -> NDArray[np.int64]:
    """The register row of each identifier, -1 where there is none."""
    rows = pl.DataFrame({"code": register}).with_row_index("place")
    joined = pl.DataFrame({"code": wanted}).join(rows, on="code", how="left", maintain_order="left")
    return np.asarray(joined["place"].cast(pl.Int64).fill_null(-1).to_numpy(), dtype=np.int64)


def _labels(column: pl.Series) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    text = column.cast(pl.String).str.strip_chars()
    present = ~(text.is_null() | is_word(text, NULL_WORDS))
    numbers = text.cast(pl.Float64, strict=False)
    if bool((present & numbers.is_null()).any()):
        raise InvalidInput("Expected a label of 0 and 1; found text.", next_step="write the label as 0 and 1")
    return numbers.fill_null(0.0).to_numpy().astype(np.float64), present.to_numpy()
