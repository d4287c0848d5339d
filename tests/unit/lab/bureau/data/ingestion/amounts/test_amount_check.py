"""Amounts in yuan and ten thousand yuan mixed: planted faults are found, honest amounts pass."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from lab.bureau.data.ingestion import delivery_blocks
from lab.tables import table_file
from lab.tables.table_reader import read_table
from lab.terms.errors import InvalidInput
from tests.support.delivering_bureau import FIRMS, TAX, TAX_HEADER, DeliveringBureau

MONTHS = [f"2025-{month:02d}-01" for month in range(1, 13)]


def rows(sales: Sequence[float], period: str, arrears: Sequence[float] | None = None) -> list[str]:
    """One row an enterprise, in the mapping's units (ten thousand yuan, yuan)."""
    owed = arrears or [0.0] * len(sales)
    return [
        f"{firm},{period},{one},{debt},A级" for firm, one, debt in zip(FIRMS[: len(sales)], sales, owed, strict=True)
    ]


def usual(rng: random.Random) -> list[float]:
    """Monthly sales of all firms: of all sizes, in ten thousand yuan."""
    return [round(10 ** rng.uniform(0.5, 3.5), 2) for _ in FIRMS]


def test_a_whole_file_in_another_unit_stops_and_says_where(city: DeliveringBureau) -> None:
    rng = random.Random(1)
    sizes = usual(rng)
    city.tax("jan.csv", rows(sizes, MONTHS[0]))
    for name, factor, words in (("yuan.csv", 1e4, "10,000 times what"), ("small.csv", 1e-4, "1/10,000 of what")):
        wrong = [round(one * factor * rng.uniform(0.3, 3), 6) for one in sizes]
        with pytest.raises(InvalidInput) as refusal:
            city.tax(name, rows(wrong, MONTHS[1]), day=1)
        said = str(refusal.value)
        assert name in said and "tax.sales" in said and words in said and "rows 2, 3, 4, 5, 6, …" in said
        assert "--accept-amounts" in said and not any(firm in said for firm in FIRMS)
    assert len(city.held()) == len(FIRMS)
    file = city.folder / "yuan.csv"
    done = city.deliver(file, day=1, accept_amounts=True)
    assert done.counts.stored == len(FIRMS)


def test_single_rows_in_another_unit_are_set_aside_and_can_be_accepted(city: DeliveringBureau) -> None:
    rng = random.Random(2)
    sizes = usual(rng)
    city.tax("jan.csv", rows(sizes, MONTHS[0]))
    later = [round(one * rng.uniform(0.3, 3), 2) for one in sizes]
    for place in (3, 17, 40):
        later[place] *= 10_000
    later[50] = round(later[50] / 10_000, 6)
    found = city.tax("feb.csv", rows(later, MONTHS[1]), day=1)
    assert found.counts.reasons == {"other-scale:sales": 4} and found.counts.stored == len(FIRMS) - 4
    assert found.rejected_file is not None
    table = read_table(found.rejected_file).frame
    assert table["row"].to_list() == ["5", "19", "42", "52"]
    assert "sales" in table["reason"][0] and "--accept-amounts" in table["reason"][0]
    assert city.deliver(found.rejected_file, day=1).counts.reasons == {"other-scale:sales": 4}  # still
    done = city.deliver(found.rejected_file, day=1, accept_amounts=True)
    assert (done.counts.stored, done.counts.set_aside) == (4, 0)


def test_units_mixed_within_one_file_without_anything_held(city: DeliveringBureau) -> None:
    rng = random.Random(3)
    sizes, lines = usual(rng), []
    for number, month in enumerate(MONTHS):
        later = [round(one * rng.uniform(0.3, 3), 2) for one in sizes]
        if number in (4, 5):  # two months, of twenty firms
            later[:20] = [one * 10_000 for one in later[:20]]
        lines += rows(later, month)
    found = city.tax("year.csv", lines)
    assert found.counts.reasons == {"other-scale:sales": 40}
    assert max(float(str(row["sales"])) for row in city.held()) < 10**9


def test_with_as_many_on_both_sides_nobody_can_tell_and_both_are_set_aside(city: DeliveringBureau) -> None:
    lines = rows([5.0, 7.0], MONTHS[0]) + rows([50_000.0, 8.0], MONTHS[1])
    assert city.tax("two.csv", lines).counts.reasons == {"other-scale:sales": 2}
    assert {row["enterprise"] for row in city.held()} == {FIRMS[1]}


def test_mixed_files_are_found_in_every_block(city: DeliveringBureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "CHUNK_CHARACTERS", 300)
    monkeypatch.setattr(delivery_blocks, "BLOCK_ROWS", len(FIRMS))
    rng = random.Random(4)
    sizes, lines = usual(rng), []
    for number, month in enumerate(MONTHS[:4]):
        later = [round(one * rng.uniform(0.3, 3), 2) for one in sizes]
        if number == 2:
            later[7] *= 10_000
        lines += rows(later, month)
    assert city.tax("months.csv", lines).counts.reasons == {"other-scale:sales": 1}


@pytest.mark.parametrize("growth", [1.0, 1.9, 3.0])
def test_honest_growth_over_a_year_passes(city: DeliveringBureau, growth: float) -> None:
    """Up to 3 times each month, so 177,000 times in a year, in one file and month by month; down too."""
    rng = random.Random(5)
    sizes = [10 ** rng.uniform(-1, 1) for _ in FIRMS]
    sizes[30:] = [one * growth**11 for one in sizes[30:]]
    lines: list[list[str]] = []
    for _ in MONTHS:
        noisy = [round(one * rng.uniform(0.5, 2), 4) for one in sizes]
        lines.append(rows(noisy, MONTHS[len(lines)]))
        sizes = [one * growth if place < 30 else one / growth for place, one in enumerate(sizes)]
    for number, month in enumerate(lines[:6]):
        found = city.tax(f"{number}.csv", month, day=number)
        assert (found.counts.set_aside, found.counts.stored) == (0, len(FIRMS))
    rest = city.tax("rest.csv", [line for month in lines[6:] for line in month], day=7)
    assert (rest.counts.set_aside, rest.warnings) == (0, ())


def test_a_firm_that_grows_a_hundredfold_at_once_and_noughts_pass(city: DeliveringBureau) -> None:
    city.tax("jan.csv", rows([1.0, 0.0, 500.0], MONTHS[0], [0.0, 3.0, 0.0]))
    found = city.tax("feb.csv", rows([120.0, 40_000.0, 0.0], MONTHS[1], [9.0, 0.0, 80_000.0]), day=1)
    assert (found.counts.stored, found.counts.set_aside) == (3, 0)


def test_a_column_that_varies_by_itself_is_taken_and_said(city: DeliveringBureau) -> None:
    """Arrears from a few yuan to millions: jumps of every size, the smaller ones more often."""
    rng = random.Random(6)
    debts = [[round(10 ** rng.triangular(0.5, 6.5, 3), 2) for _ in FIRMS] for _ in range(3)]
    for number, debt in enumerate(debts):
        sizes = [5.0] * len(FIRMS)
        found = city.tax(f"{number}.csv", rows(sizes, MONTHS[number], debt), day=number)
        assert found.counts.set_aside == 0
    assert any("tax.arrears" in word for word in found.warnings)


def test_a_correction_of_the_unit_itself_passes_and_a_wrong_one_is_set_aside(city: DeliveringBureau) -> None:
    rng = random.Random(7)
    sizes = usual(rng)
    city.tax("jan.csv", rows(sizes, MONTHS[0]))
    wrong = list(sizes)
    wrong[0] *= 10_000
    file = city.write("feb.csv", TAX_HEADER, rows(wrong, MONTHS[1]))
    city.deliver(file, TAX, day=1, accept_amounts=True)  # the fault got in
    right = city.tax("right.csv", rows(sizes[:1], MONTHS[1]), "correct", day=2)
    assert (right.counts.stored, right.counts.set_aside) == (1, 0)
    again = city.tax("again.csv", rows(wrong[:1], MONTHS[1]), "correct", day=3)
    assert again.counts.reasons == {"other-scale:sales": 1}


def test_what_is_corrected_or_deleted_is_not_what_new_amounts_are_compared_with(city: DeliveringBureau) -> None:
    city.tax("jan.csv", rows([5.0, 5.0], MONTHS[0]))
    city.deliver(city.write("feb.csv", TAX_HEADER, rows([50_000.0, 50_000.0], MONTHS[1])), accept_amounts=True)
    city.tax("fix.csv", rows([5.0], MONTHS[1]), "correct", day=1)
    city.tax("gone.csv", [rows([1.0, 1.0], MONTHS[1])[1]], "delete", day=1)
    found = city.tax("mar.csv", rows([50_000.0, 50_000.0], MONTHS[2]), day=2)
    assert found.counts.reasons == {"other-scale:sales": 2}
