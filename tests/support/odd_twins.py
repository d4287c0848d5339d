"""A clean pair of files, and twins of it in which people wrote the same things differently."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

ROWS: Final = 1_500
Cells = list[str | None]
_NULLS: Final = ("#N/A", "\\N", "None", "-", "--", "无", "#DIV/0!", "NULL", "暂无", "—", "nan", "", "未知", "*")


@dataclass(frozen=True)
class OddTwin:
    """How one column of one party is written in the twin. ``same``: each cell means what it means in the clean file."""

    name: str
    party: str
    column: str
    write: Callable[[Cells], Cells]
    same: bool = True


@cache
def clean_pair() -> dict[str, pl.DataFrame]:
    """The clean tables of ``bureau`` and ``bank``, all text, with a strong signal on both sides."""
    rng = np.random.default_rng(13)
    tax, used = rng.lognormal(9, 1.2, ROWS).round(2), rng.beta(2, 3, ROWS).round(4)
    founded = rng.integers(0, 7_000, ROWS)
    code = rng.choice(["0111", "0112", "5311", "2614", "3330"], ROWS)
    sued, overdraft = rng.random(ROWS) < 0.3, rng.poisson(2, ROWS)
    kind = rng.choice(["A类", "B类", "C类"], ROWS)
    signal = -1.2 * (np.log(tax) - 9) + 4 * (used - 0.4) + 1.2 * sued + 0.5 * (overdraft - 2)
    signal += np.select([code == "0111", code == "3330"], [1.0, -1.0]) + (kind == "C类") - founded / 5_000
    label = (signal + rng.logistic(size=ROWS) > 0.5).astype(int)
    ids = [f"E{number:05d}" for number in rng.permutation(ROWS)]
    first = datetime.date(2001, 1, 1)
    gaps = rng.random(ROWS) < 0.05
    text = {
        "tax": [None if gap else f"{value:.2f}" for value, gap in zip(tax, gaps, strict=True)],
        "founded": [
            None if gap else str(first + datetime.timedelta(int(day)))
            for day, gap in zip(founded, gaps[::-1], strict=True)
        ],
        "code": code.tolist(),
        "sued": ["是" if yes else "否" for yes in sued],
    }
    bank = {
        "used": [None if gap else repr(float(value)) for value, gap in zip(used, np.roll(gaps, 9), strict=True)],
        "overdraft": [str(days) for days in overdraft],
        "grade": kind.tolist(),
    }
    return {
        "bureau": pl.DataFrame({"id": ids, **text}),
        "bank": pl.DataFrame({"id": ids, **bank, "y": [str(value) for value in label]}),
    }


def write_pair(folder: Path, *twins: OddTwin) -> tuple[Path, Path]:
    """Write both files, with what ``twins`` change; the bureau's, the bank's."""
    tables = dict(clean_pair())
    for twin in twins:
        cells = twin.write(tables[twin.party][twin.column].to_list())
        tables[twin.party] = tables[twin.party].with_columns(pl.Series(twin.column, cells, dtype=pl.String))
    for party, table in tables.items():
        table.write_csv(folder / f"{party}.csv")
    return folder / "bureau.csv", folder / "bank.csv"


def _each(change: Callable[[str], str]) -> Callable[[Cells], Cells]:
    return lambda cells: [None if cell is None else change(cell) for cell in cells]


def _some(change: Callable[[str], str], every: int, offset: int = 3) -> Callable[[Cells], Cells]:
    return lambda cells: [
        change(cell) if cell is not None and place % every == offset else cell for place, cell in enumerate(cells)
    ]


def _blanks(*words: str) -> Callable[[Cells], Cells]:
    return lambda cells: [words[place % len(words)] if cell is None else cell for place, cell in enumerate(cells)]


def _wide(cell: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in cell)


def _serial(cell: str) -> str:
    return str((datetime.date.fromisoformat(cell) - datetime.date(1899, 12, 30)).days)


def _percent(cell: str) -> str:
    whole = f"{round(float(cell) * 10_000):03d}"
    return f"{whole[:-2]}.{whole[-2:]}%"


def _day(form: str) -> Callable[[str], str]:
    return lambda cell: datetime.date.fromisoformat(cell).strftime(form)


TWINS: Final = (
    OddTwin("one thousands mark", "bureau", "tax", _some(lambda cell: f"{float(cell):,.2f}", ROWS)),
    OddTwin("thousands marks", "bureau", "tax", _each(lambda cell: f"{float(cell):,.2f}")),
    OddTwin("decimal commas", "bureau", "tax", _each(lambda cell: cell.replace(".", ","))),
    OddTwin(
        "points and commas", "bureau", "tax", _each(lambda c: f"{float(c):,.2f}".translate(str.maketrans(",.", ".,")))
    ),
    OddTwin("currency", "bureau", "tax", _each(lambda cell: f"￥{cell}")),
    OddTwin("yuan", "bureau", "tax", _some(lambda cell: f"{cell}元", 7)),
    OddTwin("full width", "bureau", "tax", _each(_wide)),
    OddTwin("text guards", "bureau", "tax", _each(lambda cell: f'="{cell}"')),
    OddTwin("words for nothing", "bureau", "tax", _blanks(*_NULLS)),
    OddTwin("sentinels", "bureau", "tax", _blanks("-999")),
    OddTwin("large sentinels", "bureau", "tax", _blanks("99999999")),
    OddTwin("percentages", "bank", "used", _each(_percent)),
    OddTwin("some percentages", "bank", "used", _some(_percent, 9)),
    OddTwin("one percentage", "bank", "used", _some(_percent, ROWS)),
    OddTwin("dates with slashes", "bureau", "founded", _each(_day("%Y/%m/%d"))),
    OddTwin("Chinese dates", "bureau", "founded", _each(_day("%Y年%m月%d日"))),
    OddTwin("dates in digits", "bureau", "founded", _each(_day("%Y%m%d"))),
    OddTwin("dates and times", "bureau", "founded", _each(_day("%Y-%m-%d %H:%M:%S"))),
    OddTwin("days first", "bureau", "founded", _each(_day("%d/%m/%Y"))),
    OddTwin("half of the days counted", "bureau", "founded", _some(_serial, 2, 1)),
    OddTwin("the end of the calendar", "bureau", "founded", _blanks("9999-12-31")),
    OddTwin("TRUE and FALSE", "bureau", "sued", _each(lambda cell: {"是": "TRUE", "否": "False"}[cell])),
    OddTwin("Y and N", "bureau", "sued", _each(lambda cell: {"是": "Y", "否": "n"}[cell])),
    OddTwin("1 and 0", "bureau", "sued", _each(lambda cell: {"是": "1", "否": "0"}[cell])),
    OddTwin("guarded codes", "bureau", "code", _each(lambda cell: f"'{cell}")),
    OddTwin("codes with a decimal", "bureau", "code", _some(lambda cell: f"{cell}.0", 3)),
    OddTwin("full-width categories", "bank", "grade", _some(_wide, 2)),
    OddTwin("spaces and case", "bank", "grade", _some(lambda cell: f" {cell[0].lower()} {cell[1]} ", 3)),
    OddTwin("counts with a unit", "bank", "overdraft", _each(lambda cell: f"{cell} 天")),
    OddTwin("unreadable cells", "bureau", "tax", _some(lambda _: "3-5", 100), same=False),
    OddTwin("some words", "bank", "used", _some(lambda _: "约一半", 150), same=False),
    OddTwin("infinity", "bureau", "tax", _some(lambda _: "inf", ROWS), same=False),
    OddTwin("1e39", "bureau", "tax", _some(lambda _: "1e39", ROWS), same=False),
)
"""Each kind of oddity once."""
MIXED: Final = OddTwin("mixed", "bureau", "tax", _some(lambda cell: f"约{cell}", 2, 1), same=False)
"""A column that must stop a training."""
EVERY_PARTY: Final = tuple(
    next(twin for twin in TWINS if twin.name == name)
    for name in ("thousands marks", "Chinese dates", "Y and N", "guarded codes", "percentages", "spaces and case")
)
"""Twins of different columns, which can stand in one pair of files."""
