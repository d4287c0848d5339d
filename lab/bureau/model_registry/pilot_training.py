"""The pilot: a bank's labelled sample joined to the register in clear, at the bureau, to train a model.

This is the only place where records of both parties meet unencrypted. The parties agree to it for the firms of the
pilot; scoring never needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bureau.data.register.row_validation import CODE, ROW, choose_columns, validate_identifiers
from lab.bureau.data.register.snapshot import Snapshot
from lab.tables.labels import FirmLabels, LabelColumn, merge_labels, read_labels
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason, note_sentences
from lab.terms.text.bilingual import BilingualText
from models.shared.dictionary.dictionary_file import require_described_columns
from models.shared.features import FeatureDescription


@dataclass(frozen=True, slots=True)
class PilotDataset:
    """Joined enterprises, same order in all three: ``public`` and ``bank`` tables of text, ``label`` int8 [firms], 0
    and 1.

    ``row_numbers``, int64 [firms]: the row of each enterprise in the sample. ``sample_rows``: rows of the file;
    ``set_aside``: those without a usable identifier, by reason. Then, of the enterprises: ``firms``, labels merged from
    several rows; ``unmatched``: not in the register; ``unlabelled``: in the register, without a label. ``labels``: how
    the file writes them. ``warnings``: of the reader.
    """

    public: pl.DataFrame
    bank: pl.DataFrame
    label: NDArray[np.int8]
    row_numbers: NDArray[np.int64]
    sample_rows: int
    set_aside: dict[RejectionReason, int]
    firms: FirmLabels
    unmatched: int
    unlabelled: int
    labels: LabelColumn
    warnings: tuple[str, ...]

    def notes(self) -> list[BilingualText]:
        """What was not used or was merged, and how the label was read, in both languages."""
        notes = self.firms.notes()
        if spelling := self.labels.note():
            notes.append(spelling)
        for reason, rows in self.set_aside.items():
            notes.append(
                (f"样本有 {rows:,} 行搁置：{reason.zh}", f"{rows:,} rows of the sample set aside: {reason.en}")
            )
        if self.unmatched:
            notes.append(
                (
                    f"样本有 {self.unmatched:,} 户不在登记库，未用于训练",
                    f"{self.unmatched:,} enterprises of the sample are not in the register and were not used",
                )
            )
        if self.unlabelled:
            notes.append(
                (
                    f"样本有 {self.unlabelled:,} 户没有标签，未用于训练",
                    f"{self.unlabelled:,} enterprises of the sample have no label and were not used",
                )
            )
        return notes


def join_pilot(
    register: pl.DataFrame,
    snapshot: Snapshot,
    sample: Path,
    *,
    id_column: str,
    label_column: str,
    columns: Sequence[str] = (),
    descriptions: Mapping[str, FeatureDescription] | None = None,
) -> PilotDataset:
    """Read the sample and join it to the register. An enterprise of several rows has the features of its first row,
    and defaulted if any of its rows did. ``descriptions``: a dictionary of the sample's columns.

    Raises ``NotFound`` without the file, ``InvalidInput`` for missing columns, an entry of the dictionary that
    describes no column of the sample, an empty join or labels of other words than one pair.
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
    require_described_columns(descriptions or {}, table.frame.columns, what="the sample")
    identified = validate_identifiers(table, id_column, snapshot.id_kind)
    good, reasons = identified.good, identified.reasons
    labels = read_labels(good[label_column], good[ROW].to_numpy())
    first = good.unique(CODE, keep="first", maintain_order=True)
    firms = merge_labels(_places(first[CODE], good[CODE]), labels.values, first.height)
    places = _places(register[snapshot.id_column], first[CODE])
    found, present = places >= 0, firms.values >= 0
    take = found & present
    if not take.any():
        raise InvalidInput(
            f"Expected labelled firms that are in register {snapshot.name}; found none among {table.rows} rows.",
            next_step="check --id, and that sample and register name the same enterprises",
        )
    return PilotDataset(
        public=register[places[take].tolist()].select(snapshot.columns),
        bank=first.select(chosen).filter(pl.Series(take)),
        label=firms.values[take],
        row_numbers=first[ROW].to_numpy()[take],
        sample_rows=table.rows,
        set_aside={RejectionReason(reason): rows for reason, rows in reasons.items()},
        firms=firms,
        unmatched=int((~found).sum()),
        unlabelled=int((found & ~present).sum()),
        labels=labels,
        warnings=(*table.warnings, *note_sentences(identified.notes)),
    )


def _places(register: pl.Series, wanted: pl.Series) -> NDArray[np.int64]:
    """The register row of each identifier, -1 where there is none."""
    rows = pl.DataFrame({"code": register}).with_row_index("place")
    joined = pl.DataFrame({"code": wanted}).join(rows, on="code", how="left", maintain_order="left")
    return np.asarray(joined["place"].cast(pl.Int64).fill_null(-1).to_numpy(), dtype=np.int64)
