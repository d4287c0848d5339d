"""Which amounts of an enterprise are another's ten thousandfold, as if yuan and ten thousand yuan were mixed.

The amounts of one item of one enterprise, those held and those of the file, lie in groups of like magnitude: between
neighbours of one group there is less than a factor of 300. So steady growth, however long, is one group, and so is a
jump by a factor of a hundred. A group of the file's rows of which nothing is held is in doubt if its middle is about
ten thousand times (2,000 to 50,000), or as small a part of, that of the enterprise's main group; where that is no
steady group of three or more (within a factor of ten), 3,200 to 32,000 times.

Some columns vary as much by themselves: claims in court. There, factors of 80 to 2,000 are more frequent than those
about 10,000; where units were mixed it is the other way round. So an enterprise whose other amounts are not steady is
in doubt only if there are more like it than enterprises with such smaller jumps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

LOG: Final = " log"
HELD: Final = " held"
_GROUP, _GAP, _MIDDLE, _POSITION = " group", " gap", " middle", " position"
_SPLIT: Final = 2.5
_FOLD, _TOLERANCE, _UNSTEADY_TOLERANCE = 4.0, 0.7, 0.5
_NATURAL: Final = (1.9, 3.3)
_STEADY_ROWS: Final = 3
_STEADY_RANGE: Final = 1.0
_FEWEST_FIRMS: Final = 5


@dataclass(frozen=True, slots=True)
class WholeFactor:
    """A file whose amounts are as a whole another unit's: ``larger`` or smaller, of how many of the enterprises."""

    larger: bool
    enterprises: int
    compared: int


def find_whole_factor(amounts: pl.DataFrame) -> WholeFactor | None:
    """Whether the middle enterprise's amounts are about ten thousand times, or a ten-thousandth of, those held.

    ``amounts``: ``enterprise``, LOG (log10 of the amount) and HELD (Boolean), [amounts of one item]. None with fewer
    than five enterprises of which something is held: their rows are looked at one by one.
    """
    middle = amounts.group_by("enterprise").agg(
        pl.col(LOG).filter(HELD).median().alias("before"), pl.col(LOG).filter(~pl.col(HELD)).median().alias("now")
    )
    factors = middle.select(pl.col("now") - pl.col("before"))["now"].drop_nulls()
    middle_factor = factors.median()
    if factors.len() < _FEWEST_FIRMS or not isinstance(middle_factor, float):
        return None
    if abs(abs(middle_factor) - _FOLD) > _TOLERANCE:
        return None
    larger = middle_factor > 0
    alike = (((factors if larger else -factors) - _FOLD).abs() <= _TOLERANCE).sum()
    return WholeFactor(larger, int(alike), factors.len())


@dataclass(frozen=True, slots=True)
class DoubtfulAmounts:
    """``rows``: places (in ``amounts``) in doubt. ``alike``: how many others are as far off, in a column that varies as
    much by itself."""

    rows: pl.Series
    alike: int


def find_doubtful(amounts: pl.DataFrame) -> DoubtfulAmounts:
    """The file's amounts that are about ten thousand times, or a ten-thousandth of, the enterprise's others.

    ``amounts`` as for ``find_whole_factor``.
    """
    table = amounts.with_row_index(_POSITION).sort("enterprise", LOG)
    table = table.with_columns(pl.col(LOG).diff().over("enterprise").fill_null(0.0).alias(_GAP))
    table = table.with_columns((pl.col(_GAP) >= _SPLIT).cast(pl.Int32).cum_sum().over("enterprise").alias(_GROUP))
    widest = table.group_by("enterprise").agg(pl.col(_GAP).max())[_GAP]
    natural = int(widest.is_between(*_NATURAL, closed="left").sum())
    doubtful = _doubtful_groups(table.filter(pl.col(_GROUP).max().over("enterprise") > 0))
    several = doubtful["enterprise"].n_unique() > natural
    chosen = doubtful.filter(pl.lit(several) | pl.col("steady"))
    rows = _places(table, chosen)
    return DoubtfulAmounts(rows, _places(table, doubtful).len() - rows.len())


def _doubtful_groups(table: pl.DataFrame) -> pl.DataFrame:
    """``enterprise``, the group that is in doubt, and whether the enterprise's other amounts are ``steady``."""
    groups = (
        table.group_by("enterprise", _GROUP)
        .agg(
            pl.col(LOG).median().alias(_MIDDLE),
            pl.col(HELD).sum().cast(pl.Int64).alias("held"),
            pl.len().cast(pl.Int64).alias("amounts"),
            (pl.col(LOG).max() - pl.col(LOG).min()).alias("range"),
        )
        .sort("enterprise", "held", "amounts", _GROUP, descending=[False, True, True, False])
    )
    main = groups.group_by("enterprise", maintain_order=True).first()
    rest = groups.join(main, on="enterprise", suffix=" main").filter(pl.col(_GROUP) != pl.col(f"{_GROUP} main"))
    rest = rest.with_columns(steady=(pl.col("amounts main") >= _STEADY_ROWS) & (pl.col("range main") <= _STEADY_RANGE))
    off = ((pl.col(_MIDDLE) - pl.col(f"{_MIDDLE} main")).abs() - _FOLD).abs()
    near = off <= pl.when("steady").then(_TOLERANCE).otherwise(_UNSTEADY_TOLERANCE)
    rest = rest.filter(near & (pl.col("held") == 0))
    # With nothing held and as many amounts on both sides nobody can tell which are right.
    equal = rest.filter((pl.col("held main") == 0) & (pl.col("amounts") == pl.col("amounts main")))
    both = equal.select("enterprise", pl.col(f"{_GROUP} main").alias(_GROUP), "steady")
    return pl.concat([rest.select("enterprise", _GROUP, "steady"), both]).unique(["enterprise", _GROUP])


def _places(table: pl.DataFrame, groups: pl.DataFrame) -> pl.Series:
    rows = table.join(groups, on=["enterprise", _GROUP], how="semi")
    return rows.filter(~pl.col(HELD))[_POSITION].sort()
