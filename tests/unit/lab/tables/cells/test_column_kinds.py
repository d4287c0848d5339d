"""The kind of a column, and what stops a training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from lab.tables.cells.column_kinds import ColumnHint, ColumnSummary, require_decided, summarise_columns
from lab.tables.cells.column_notes import NoteKind
from lab.tables.cells.reading import read_cells
from lab.terms.errors import InvalidInput


def summarise(cells: Sequence[str | None], hint: ColumnHint | None = None) -> ColumnSummary:
    frame = pl.DataFrame({"a": pl.Series(cells, dtype=pl.String)})
    return summarise_columns(frame, {"a": hint} if hint else None)[0]


def notes(summary: ColumnSummary) -> dict[NoteKind, int]:
    return {note.kind: note.count for note in summary.notes}


def test_a_mixed_column_stops_and_the_message_names_column_counts_and_next_step() -> None:
    mixed = summarise([str(n) if n % 3 else f"secret{n}" for n in range(300)])
    with pytest.raises(InvalidInput, match=r"column a: 200 of 300 cells are numbers or dates") as caught:
        require_decided([mixed])
    assert "kind =" in str(caught.value.next_step)
    assert "secret" not in str(caught.value) + str(caught.value.next_step)
    require_decided([summarise([str(n) if n % 3 else f"x{n}" for n in range(300)], ColumnHint("categorical"))])


def test_a_stated_kind_that_most_cells_do_not_fit_stops() -> None:
    with pytest.raises(InvalidInput, match="column a: 2 of 3 cells cannot be read as date"):
        require_decided([summarise(["x", "2021-03-04", "5", ""], ColumnHint("date"))])


def test_identifiers_beyond_the_exact_numbers_are_never_merged() -> None:
    cells = ["9007199254740992", "9007199254740993"] * 50
    summary = summarise(list(cells))
    assert summary.kind == "categorical" and summary.levels == 2
    assert NoteKind.IDENTIFIERS in notes(summary)
    typed = summarise_columns(pl.DataFrame({"a": [2**53, 2**53 + 1]}))[0]
    assert typed.kind == "categorical"


def test_one_cell_does_not_change_how_the_others_are_read() -> None:
    points = [f"{n}.{n % 900 + 100}" for n in range(1, 400)]
    assert not summarise([*points, "1.200,50"]).reading.decimal_comma
    assert notes(summarise([*points, "1.200,50"])) == {
        NoteKind.UNREADABLE: 1,
        NoteKind.STYLED: 1,
        NoteKind.OTHER_MARK: 1,
        NoteKind.MAYBE_THOUSANDS: 399,
    }
    assert summarise([*(f"{n},{n % 90 + 10}" for n in range(400)), "1.5"]).reading.decimal_comma


def test_an_odd_cell_among_thousands_is_unreadable_and_counted() -> None:
    summary = summarise([*["850,772"] * 1_999, "12,5"])
    assert not summary.reading.decimal_comma and summary.unreadable == 1
    assert notes(summary)[NoteKind.OTHER_MARK] == 1
    assert summary.notes[0].places == (1_999,)
    read = read_cells(pl.Series(["850,772", "12,5"]), "numeric", summary.reading)
    assert read.values.to_list() == [850_772.0, None]
    assert (read.unreadable_count, read.contrary.to_list()) == (1, [False, True])


def test_notes_name_rows_of_the_file() -> None:
    frame = pl.DataFrame({"a": [*["1"] * 40, "x"]})
    (summary,) = summarise_columns(frame, row_numbers=np.arange(41) * 2 + 9)
    assert summary.notes[0].places == (89,)
    (summary,) = summarise_columns(frame.head(0), row_numbers=np.arange(0))
    assert not summary.notes


def test_dates_in_the_other_order_are_unreadable_and_counted() -> None:
    summary = summarise([*["03/14/2021"] * 99, "14/03/2021", "31/12/9999"])
    assert (summary.reading.day_first, summary.unreadable, summary.missing) == (False, 1, 1)
    assert notes(summary)[NoteKind.BOTH_ORDERS] == 1


def test_three_decimals_beside_small_integers_stay_what_is_written() -> None:
    summary = summarise([*["12.345"] * 200, *(str(n) for n in range(100, 200))])
    assert not summary.reading.decimal_comma
    assert notes(summary)[NoteKind.MAYBE_THOUSANDS] == 200


def test_a_sentinel_is_far_and_frequent_or_unmistakable() -> None:
    values = [str(n % 300) for n in range(1000)]
    assert notes(summarise([*values, "-999"]))[NoteKind.SENTINEL] == 1
    assert notes(summarise([*values, "999"]))[NoteKind.MAYBE_SENTINEL] == 1
    assert notes(summarise(values + ["999"] * 6))[NoteKind.SENTINEL] == 6
    assert not notes(summarise([str(n) for n in range(-1000, 1000)] + ["-999"] * 20))


def test_later_data_may_have_sentinels_that_the_first_had_not() -> None:
    reading = summarise([str(n % 300) for n in range(1000)]).reading
    later = read_cells(pl.Series(["-999", "-99", "99999999", "5"]), "numeric", reading)
    assert later.values.to_list() == [None, None, None, 5.0]
    days = summarise([f"2020-01-{n % 28 + 1:02d}" for n in range(100)])
    assert read_cells(pl.Series(["9999-12-31", "1900-01-01"]), "date", days.reading).values.to_list() == [None, None]


def test_what_a_column_does_not_show_is_not_guessed_later() -> None:
    days = summarise([f"2020-01-{n % 28 + 1:02d}" for n in range(100)])
    later = read_cells(pl.Series(["03/04/2021", "13/04/2021", "04/04/2021"]), "date", days.reading)
    assert later.unreadable.to_list() == [True, False, False]
    points = summarise([str(n) for n in range(100)])
    assert read_cells(pl.Series(["12%"]), "numeric", points.reading).unreadable_count == 1
    fractions = summarise([f"0.{n}" for n in range(10, 99)])
    assert read_cells(pl.Series(["12%"]), "numeric", fractions.reading).values.to_list() == [0.12]


def test_percentages_are_fractions_unless_the_other_numbers_show_that_they_are_not() -> None:
    assert not summarise([f"{n}%" for n in range(100)]).reading.percent_points
    assert summarise([f"{n}%" if n % 2 else str(n) for n in range(100)]).reading.percent_points
    assert not summarise(["0.5%", *(f"0.{n}" for n in range(10, 99))]).reading.percent_points


def test_a_stated_unit_and_words() -> None:
    summary = summarise(["1", "2", "-1", "待核实"], ColumnHint(unit="万元", null_words=("-1", "待核实")))
    assert summary.reading.factor == 1e4 and (summary.missing, summary.unreadable) == (2, 0)


@pytest.mark.parametrize("cell", ["2021/3/14", "14/03/2021", "20210314", "44269"])
def test_a_stated_day_is_counted_however_it_is_written(cell: str) -> None:
    summary = summarise([*["03/15/2021"] * 40, cell], ColumnHint("date", null_words=("2021-03-14",)))
    read = read_cells(pl.Series([cell]), "date", summary.reading)
    assert (summary.missing, summary.unreadable, read.missing_count, read.unreadable_count) == (1, 0, 1, 0)


def test_columns_without_rows_or_values() -> None:
    assert summarise([]).kind == "numeric" and not summarise([]).notes
    assert notes(summarise([None, "N/A"])) == {NoteKind.EMPTY: 2}
    require_decided([summarise([]), summarise([None])])


def test_a_few_amounts_that_look_like_months_are_numbers() -> None:
    assert summarise(["0"] * 50 + ["200110"]).kind == "numeric"
    assert summarise([f"{2000 + n // 12}{n % 12 + 1:02d}" for n in range(60)]).kind == "date"


def test_text_that_begins_with_digits_is_noted() -> None:
    assert notes(summarise([f"{n}.5k" for n in range(100)]))[NoteKind.NUMBER_LIKE] == 100
    assert NoteKind.NUMBER_LIKE not in notes(summarise([f"公司{n}" for n in range(100)]))


@pytest.mark.parametrize(("words", "value"), [(("是", "否"), None), (("有", "无"), 0.0)])
def test_nothing_is_no_beside_its_own_pair_alone(words: tuple[str, str], value: float | None) -> None:
    column = pl.Series("a", [*words] * 400 + ["无"] * 4)
    (summary,) = summarise_columns(column.to_frame(), {"a": ColumnHint(kind="boolean")})
    found = read_cells(column, summary.kind, summary.reading)
    assert found.values[-1] == value
    assert (summary.missing, summary.unreadable) == (found.missing_count, found.unreadable_count)
    assert summary.missing == (4 if value is None else 0)
