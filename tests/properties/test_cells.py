"""Properties of reading: what is printed is read back, counts agree with values, and each cell is read by itself."""

from __future__ import annotations

import unicodedata

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.tables.cells.column_kinds import ColumnHint, summarise_columns
from lab.tables.cells.column_tally import ColumnTally
from lab.tables.cells.reading import COLUMN_KINDS, CellReading, read_cells
from lab.tables.cells.text import normalise_text
from lab.tables.cells.values.categories import category_keys, normalise_category
from lab.tables.cells.values.dates import parse_dates
from lab.tables.cells.values.numbers import parse_numbers
from models.shared.features import encode_features, infer_features
from tests.support.reading_examples import CELLS, COLUMNS

FULL_WIDTH = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)})
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
ODD = sorted({written for example in CELLS for written in example.written} | {"-999", "99999999", "", "5", "0111"})
cells = st.lists(
    st.one_of(st.sampled_from(ODD), st.sampled_from(COLUMNS["amounts"][2]), st.text(max_size=8)), max_size=60
)
columns = st.tuples(
    st.sampled_from(sorted(COLUMNS)), st.integers(0, 80), st.lists(st.sampled_from(ODD), max_size=8)
).map(lambda drawn: [*COLUMNS[drawn[0]][2][: drawn[1]], *drawn[2]])


def grouped(value: float, mark: str, point: str) -> str:
    sign, text = ("-", repr(value)[1:]) if value < 0 else ("", repr(value))
    whole, _, decimals = text.partition(".")
    return f"{sign}{int(whole):,}".replace(",", mark) + (point + decimals)


@settings(deadline=None, max_examples=150)
@given(st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: "e" not in repr(value)))
def test_any_number_in_any_style_is_read_back_exactly(value: float) -> None:
    plain = repr(value)
    minus = plain.replace("-", "\u2212")
    written = [
        *(plain, f" {plain} ", minus, plain.translate(FULL_WIDTH), plain.translate(ARABIC), f"￥{plain}", f"{plain}元"),
        *(grouped(value, ",", "."), grouped(value, " ", "."), grouped(value, "\u00a0", "."), f"{plain}%"),
        *(f"({plain[1:]})" if value < 0 else plain, f"{plain[1:]}-" if plain.startswith("-") else plain),
    ]
    read = parse_numbers(normalise_text(pl.Series(written))).values.to_list()
    assert read == [value] * len(written)
    comma = [grouped(value, ".", ","), grouped(value, " ", ","), plain.replace(".", ",")]
    assert parse_numbers(normalise_text(pl.Series(comma)), decimal_comma=True).values.to_list() == [value] * 3


@settings(deadline=None, max_examples=150)
@given(st.dates())
def test_any_day_in_any_style_is_read_back(day) -> None:
    written = [
        *(f"{day.year:04}-{day.month:02}-{day.day:02}", f"{day.year:04}/{day.month}/{day.day}"),
        *(f"{day.year:04}年{day.month}月{day.day}日", f"{day.year:04}.{day.month:02}.{day.day:02} 12:30"),
    ]
    read = parse_dates(normalise_text(pl.Series(written))).days.to_list()
    assert read == [day.toordinal() - 719163] * len(written)
    last = pl.Series([f"{day.day:02}/{day.month:02}/{day.year:04}"])
    assert parse_dates(last, day_first=True).days.to_list() == read[:1]


@settings(deadline=None, max_examples=100)
@given(st.one_of(cells, columns), st.sampled_from(["", *COLUMN_KINDS]), st.lists(st.sampled_from(ODD), max_size=2))
def test_counts_agree_with_what_is_read(column: list[str], kind: str, null: list[str]) -> None:
    frame = pl.DataFrame({"a": pl.Series(column, dtype=pl.String)})
    hint = ColumnHint(kind or None, null_words=tuple(null))  # type: ignore[arg-type]
    (summary,) = summarise_columns(frame, {"a": hint})
    read = read_cells(frame["a"], summary.kind, summary.reading)
    assert (summary.rows, summary.missing, summary.unreadable) == (
        frame.height,
        read.missing_count,
        read.unreadable_count,
    )


@settings(deadline=None, max_examples=30)
@given(st.one_of(cells, columns), st.integers(4, 20))
def test_stretches_of_rows_give_the_counts_of_the_whole(column: list[str], step: int) -> None:
    series, whole, parts = pl.Series(column, dtype=pl.String), ColumnTally(), ColumnTally()
    whole.add(series)
    for first in range(0, len(column), step):
        parts.add(series[first : first + step], first)
    assert parts == whole


@settings(deadline=None, max_examples=100)
@given(cells, st.sampled_from(COLUMN_KINDS), st.booleans(), st.data())
def test_a_cell_is_read_by_itself(column: list[str], kind, flag: bool, data: st.DataObject) -> None:
    reading = CellReading(flag, not flag, flag, sentinels=(-999.0,), unit="month")
    series = pl.Series(column, dtype=pl.String)
    chosen = data.draw(st.lists(st.sampled_from(range(len(column))), max_size=20) if column else st.just([]))
    read = read_cells(series, kind, reading)
    some = read_cells(series[chosen], kind, reading)
    assert some.values.equals(read.values[chosen], null_equal=True)
    assert some.unreadable.equals(read.unreadable[chosen])


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=20))
def test_normalised_text_stays_as_it_is(column: list[str]) -> None:
    once = normalise_text(pl.Series(column))
    assert normalise_text(once).equals(once, null_equal=True)
    assert all(text == text.strip() and unicodedata.normalize("NFC", text) for text in once.drop_nulls())
    keys = category_keys(normalise_category(once))
    assert category_keys(keys).equals(keys, null_equal=True)
    assert keys.null_count() == once.null_count()


@settings(deadline=None, max_examples=60)
@given(cells.filter(lambda column: len(column) > 3))
def test_encoding_is_the_same_each_time_and_for_each_part(column: list[str]) -> None:
    frame = pl.DataFrame({"a": pl.Series(column, dtype=pl.String)})
    features = infer_features(frame, "bank")
    whole = encode_features(frame, features)
    assert infer_features(frame, "bank") == features
    assert (encode_features(frame[1:3], features).tobytes(), encode_features(frame, features).tobytes()) == (
        whole[1:3].copy(order="F").tobytes(),
        whole.tobytes(),
    )
