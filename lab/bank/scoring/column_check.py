"""Compares the bank's columns with what the model was trained on, before anything is sent or charged.

Every column that the model asks about is read here once as a whole: its kind, the cells without a value, those that
could not be read, those with a category unknown to the model, and the drift from the pilot sample, as the sheet states
it. Columns that are too far from it stop the job, unless a person accepted that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.bank.portfolio import Portfolio
from lab.terms.errors import InvalidInput
from models.shared.drift.column_drift import ColumnDrift, count_outliers, measure_all_drift, require_acceptable_drift
from models.shared.drift.reading_changes import ReadingChange, compare_readings
from models.shared.features import Feature, FeatureCells, read_features
from models.shared.sheet import BankSheet


@dataclass(frozen=True)
class CheckedColumn:
    """One column of the portfolio: the feature it is, what was found in it, and its drift if that could be measured.

    ``rows_unreadable``: numbers, in the file, of the first rows that could not be read.
    """

    feature: Feature
    cells: FeatureCells
    drift: ColumnDrift | None
    rows_unreadable: tuple[int, ...]
    reading: ReadingChange
    outliers: int = 0
    """Values far outside those of the training, which a few rows in another unit would be."""

    @property
    def warnings(self) -> list[str]:
        """Sentences for the bank, which may name its own column."""
        lines = []
        if self.cells.unreadable:
            rows = ", ".join(map(str, self.rows_unreadable))
            lines.append(
                f"column {self.feature.name}: {self.cells.unreadable:,} cells could not be read as "
                f"{self.feature.kind} and count as missing (rows {rows}{', …' if self._more_rows else ''})"
            )
        if self.cells.contrary:
            what = "day and month" if self.feature.kind == "date" else "decimal point and comma"
            lines.append(
                f"column {self.feature.name}: {self.cells.contrary:,} of these cells have {what} the other way round "
                "than in training, so other cells of the column may be read wrongly"
            )
        if self.drift is not None and self.drift.level != "stable":
            lines.append(f"column {self.feature.name}: {self.drift.text[1]}")
        if self.outliers:
            lines.append(
                f"column {self.feature.name}: {self.outliers:,} values lie far outside those of the training; "
                "are they in the same unit?"
            )
        found = [en for _, en in self.reading.changes] + [note.text[1] for note in self.reading.notes]
        return lines + [f"column {self.feature.name}: {text}" for text in found]

    @property
    def _more_rows(self) -> bool:
        return self.cells.unreadable > len(self.rows_unreadable)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        found: dict[str, Any] = asdict(self.cells) | {
            "outliers": self.outliers,
            "notes": [{"kind": note.kind.value, "count": note.count} for note in self.reading.notes],
            "kind": self.feature.kind,
            "unreadable_rows": self.rows_unreadable,
        }
        del found["unreadable_places"]
        if self.drift is not None:
            before = self.drift.missing_before
            found |= {"drift": self.drift.level, "psi": self.drift.index, "missing_in_training": before}
        return found


@dataclass(frozen=True)
class ColumnCheck:
    """All columns that the model asks about. ``drift_accepted``: a person accepted columns that would stop the job."""

    columns: tuple[CheckedColumn, ...]
    drift_accepted: bool

    @property
    def warnings(self) -> list[str]:
        """Sentences for the bank."""
        found = [warning for column in self.columns for warning in column.warnings]
        if self.drift_accepted:
            found.append("columns far from those of the training were accepted with --accept-drift")
        return found

    def describe(self) -> dict[str, Any]:
        """What the manifest says of the columns."""
        return {
            "column_report": [column.as_dict() for column in self.columns],
            "drift_accepted": self.drift_accepted,
        }


def check_columns(portfolio: Portfolio, sheet: BankSheet, *, accept_drift: bool) -> ColumnCheck:
    """Read and compare all columns.

    Raises ``InvalidInput`` naming columns that are missing, or that are far from those of the training if that was not
    accepted.
    """
    values, cells = read_features(portfolio.frame, sheet.features)
    drifts = {drift.name: drift for drift in measure_all_drift(sheet.features, sheet.profiles, values)}
    unmeasured = len(drifts) < len(sheet.features)
    if unmeasured and not accept_drift:
        raise InvalidInput(
            "Expected the model's sheet to say how each column was distributed in training; it does not, so the "
            "portfolio can't be compared with it.",
            next_step="ask the bureau to train the model again, or say --accept-drift to go without the comparison",
        )
    require_acceptable_drift(list(drifts.values()), accepted=accept_drift)
    profiles = {profile.name: profile for profile in sheet.profiles}
    readings = compare_readings(portfolio.frame, sheet.features)
    _require_known_readings(readings, accepted=accept_drift)
    columns = tuple(
        CheckedColumn(
            feature,
            found,
            drifts.get(feature.name),
            _row_numbers(portfolio, found.unreadable_places),
            readings[place],
            count_outliers(profiles.get(feature.name), values[:, place]),
        )
        for place, (feature, found) in enumerate(zip(sheet.features, cells, strict=True))
    )
    far = any(drift.level == "stop" for drift in drifts.values()) or any(reading.changes for reading in readings)
    far = far or unmeasured
    return ColumnCheck(columns, accept_drift and far)


def _require_known_readings(readings: Sequence[ReadingChange], *, accepted: bool) -> None:
    changed = [reading for reading in readings if reading.changes]
    if changed and not accepted:
        listed = "; ".join(f"{one.name}: {', '.join(en for _, en in one.changes)}" for one in changed[:10])
        raise InvalidInput(
            f"Expected columns written as those that the model was trained on; found {len(changed)} others ({listed}).",
            next_step="write the columns as in the pilot sample, or say --accept-drift if the model reads them right",
        )


def _row_numbers(portfolio: Portfolio, places: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(portfolio.row_numbers[place]) for place in places)


def describe_moved_items(codes: Sequence[str]) -> list[str]:
    """A sentence on the bureau's items that moved since the training; none if none did."""
    if not codes:
        return []
    return [
        f"{len(codes)} public items of the model moved since it was trained, as the bureau says: "
        f"{', '.join(codes[:10])}{', …' if len(codes) > 10 else ''}"
    ]
