"""The results of a run as a table: one row for each row of the portfolio file, in its order.

Columns: ``row`` (number in the file), ``id`` (as written there), ``code`` (normalised), ``status``, ``reason`` (why set
aside), ``counted_row`` (of a duplicate: the number of the row of the same code that counts); for scored rows
``score``, ``pd``, ``grade``, ``raw`` (log-odds of default), ``near_cutoff``, and ``dimension_<code>`` (0 to 100) where
the contract gives dimensions.

A code is in several rows if the file has duplicates: of these, one has no ``counted_row``. Join on ``row``, or on
``code`` of the rows without ``counted_row``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lab.bank.portfolio import Portfolio
from lab.disk.output_files import check_output_file, write_output_file
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.workbook.writing import check_rows_fit, workbook_bytes
from lab.terms.errors import InvalidInput
from models.shared.dimensions import DIMENSION_CODES
from models.shared.portfolio_scores import PortfolioScores, interpret_sums
from models.shared.sheet import BankSheet

OUTPUT_SUFFIXES = (".parquet", ".csv", ".xlsx")
_ROW_COLUMNS = ("row", "id", "code", "status", "reason", "counted_row")


class RowStatus(StrEnum):
    """The outcome of a row of the portfolio; each row has exactly one."""

    MATCHED = "matched"
    """Matched, in a job that does not score."""
    SCORED = "scored"
    """Matched and scored."""
    NOT_MATCHED = "not-matched"
    """Not among the enterprises that the contract allows this bank to match."""
    SKIPPED = "skipped"
    """Matched, but the bank asked not to score it."""
    NOT_ANSWERED = "not-answered"
    """Matched, but its batch was not answered before the run was cut short."""
    NOT_RESCORED = "not-rescored"
    """Scored in an earlier run; the bureau did not score it again, or refused its batch."""
    SET_ASIDE = "set-aside"
    """No usable code, or a second row of the same code; ``reason`` says which."""


def score_table(
    portfolio: Portfolio,
    matched: NDArray[np.int64],
    scored: NDArray[np.int64],
    sheet: BankSheet,
    values: NDArray[np.int64],
    *,
    step: int = 1,
) -> pl.DataFrame:
    """The table of results.

    ``matched`` and ``scored``: positions in ``portfolio.codes``; ``values``: int64 [outputs, scored] in quanta;
    ``step``: the contract's precision.
    """
    outcome = interpret_sums(sheet, values, step=step)
    table = _rows(portfolio, ((matched, RowStatus.SKIPPED), (scored, RowStatus.SCORED)))
    results = outcome_table(outcome, sheet).with_columns(row=pl.Series(portfolio.row_numbers[scored], dtype=pl.Int64))
    return table.join(results, on="row", how="left").sort("row")


def rescored_table(
    former: pl.DataFrame, codes: pl.Series, sheet: BankSheet, values: NDArray[np.int64], *, step: int = 1
) -> pl.DataFrame:
    """The table of an earlier run with new results: ``values`` int64 [outputs, rows] in quanta, of ``codes`` [rows].

    The other rows that were scored in it become ``not-rescored``. Who was ``not-rescored`` in it may be scored again.
    """
    results = outcome_table(interpret_sums(sheet, values, step=step), sheet).with_columns(code=codes)
    rows = former.select(_ROW_COLUMNS)
    was_sent = pl.col("status").is_in([RowStatus.SCORED.value, RowStatus.NOT_RESCORED.value])
    now = pl.when(pl.col("code").is_in(codes.to_list())).then(pl.lit(RowStatus.SCORED.value))
    sent = rows.filter(was_sent).with_columns(status=now.otherwise(pl.lit(RowStatus.NOT_RESCORED.value)))
    # Only the rows that count are joined: a duplicate carries its code too.
    scored = sent.join(results, on="code", how="left", validate="1:1")
    return pl.concat([scored, rows.filter(~was_sent)], how="diagonal").sort("row")


def unanswered_table(portfolio: Portfolio, matched: NDArray[np.int64], scored: NDArray[np.int64]) -> pl.DataFrame:
    """The table of results before any batch is answered: as ``score_table``, without results."""
    return _rows(portfolio, ((matched, RowStatus.SKIPPED), (scored, RowStatus.NOT_ANSWERED))).sort("row")


def match_table(portfolio: Portfolio, matched: NDArray[np.int64]) -> pl.DataFrame:
    """The table of a job that does not score: ``row``, ``id``, ``code``, ``status``, ``reason``, ``counted_row``."""
    return _rows(portfolio, ((matched, RowStatus.MATCHED),)).sort("row")


def _rows(portfolio: Portfolio, found: Iterable[tuple[NDArray[np.int64], RowStatus]]) -> pl.DataFrame:
    """A row for each row of the file; of several statuses for a position in ``portfolio.codes`` the last one counts."""
    names = [RowStatus.NOT_MATCHED]
    status = np.zeros(len(portfolio.codes), dtype=np.int64)
    for positions, name in found:
        status[positions] = len(names)
        names.append(name)
    words = pl.Series([name.value for name in names], dtype=pl.String)
    accepted = pl.DataFrame(
        {
            "row": portfolio.row_numbers,
            "id": pl.Series(portfolio.codes_as_written, dtype=pl.String),
            "code": pl.Series(portfolio.codes, dtype=pl.String),
            "status": words.gather(status),
        }
    ).with_columns(reason=pl.lit(None, dtype=pl.String), counted_row=pl.lit(None, dtype=pl.Int64))
    aside = pl.DataFrame(
        {
            "row": pl.Series([row.row for row in portfolio.set_aside], dtype=pl.Int64),
            "id": pl.Series([row.code_as_written for row in portfolio.set_aside], dtype=pl.String),
            "code": pl.Series([row.code for row in portfolio.set_aside], dtype=pl.String),
            "status": pl.Series([RowStatus.SET_ASIDE.value] * len(portfolio.set_aside), dtype=pl.String),
            "reason": pl.Series([row.reason.value for row in portfolio.set_aside], dtype=pl.String),
            "counted_row": pl.Series([row.counted_row for row in portfolio.set_aside], dtype=pl.Int64),
        }
    )
    return pl.concat([accepted, aside])


def outcome_table(outcome: PortfolioScores, sheet: BankSheet) -> pl.DataFrame:
    """The scores of a portfolio as columns."""
    grades = np.asarray(sheet.scale.grades, dtype=object)
    columns: dict[str, pl.Series] = {
        "score": pl.Series(outcome.score, dtype=pl.Int64),
        "pd": pl.Series(outcome.pd, dtype=pl.Float64),
        "grade": pl.Series(grades[outcome.grade].tolist(), dtype=pl.String),
        "raw": pl.Series(outcome.raw, dtype=pl.Float64),
        "near_cutoff": pl.Series(outcome.near_cutoff, dtype=pl.Boolean),
    }
    for code in DIMENSION_CODES:
        if code in outcome.dimension_scores:
            columns[f"dimension_{code}"] = pl.Series(outcome.dimension_scores[code], dtype=pl.Float64).fill_nan(None)
    return pl.DataFrame(columns)


def output_names(sheet: BankSheet) -> list[str]:
    """The column names of the sheet's outputs: ``kind:key``."""
    return [f"{output.kind}:{output.key}" for output in sheet.outputs]


def read_outcome(sheet: BankSheet, outputs: pl.DataFrame, *, step: int = 1) -> PortfolioScores:
    """The scores of a finished run, from its table of outputs; raises ``InvalidInput`` if an output is missing."""
    names = output_names(sheet)
    if any(name not in outputs.columns for name in names):
        raise InvalidInput("The run's outputs do not fit its sheet.", next_step="score the portfolio again")
    values = np.stack([outputs[name].to_numpy() for name in names]).astype(np.int64)
    return interpret_sums(sheet, values, step=step)


def check_output_path(out: Path) -> None:
    """Raise unless results can be written to ``out``: what ``check_output_file`` raises, and ``InvalidInput`` for a
    suffix that is no known format."""
    if out.suffix not in OUTPUT_SUFFIXES:
        raise InvalidInput(
            f"Expected a file of results that ends with {', '.join(OUTPUT_SUFFIXES[:-1])} or {OUTPUT_SUFFIXES[-1]}; "
            f"found {out.suffix or 'no suffix'}.",
            next_step="give --out with such a suffix",
        )
    check_output_file(out)


def check_output_rows(out: Path, rows: int) -> None:
    """Raise ``InvalidInput`` if the format of ``out`` does not hold a table of so many rows."""
    if out.suffix == ".xlsx":
        check_rows_fit(rows)


def write_result_table(scores: pl.DataFrame, out: Path) -> None:
    """Write the table in the format of its suffix, complete or not at all, readable by the owner alone.

    CSV and workbooks are written for a spreadsheet: no identifier in them becomes a formula. Raises what
    ``check_output_path`` raises, and ``InvalidInput`` for a table that the format does not hold.
    """
    check_output_path(out)
    buffer = io.BytesIO()
    if out.suffix == ".csv":
        write_csv(scores, buffer)
    elif out.suffix == ".xlsx":
        buffer.write(workbook_bytes(scores))
    else:
        scores.write_parquet(buffer)
    write_output_file(out, buffer.getvalue())
