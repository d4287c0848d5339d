"""Legal representatives of a made-up city: persons who do not exist, some of whom represent several enterprises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from lab.simulation.city.draws import Floats, Integers
from lab.simulation.city.identifier_codes import make_person_numbers
from lab.simulation.city.settings import as_day

DIVISION = 990100
DISTRICTS = 12
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国志文海波宇鹏飞晨欣怡佳琪浩然子轩雨涵梓萱思远"
_FIRST_BIRTH = as_day(1952, 1, 1)
_BIRTH_DAYS = 18_000  # until 2001
_STEP = 7_368_787  # prime, coprime to the number of persons that numbers can tell apart
_PER_DAY = 1000


@dataclass(frozen=True)
class Representatives:
    """Names and identity numbers of persons, [persons], and how each bears on the risk of what is theirs."""

    names: pl.Series
    numbers: pl.Series
    risk: Floats


def make_representatives(persons: int, seed: int) -> Representatives:
    """Persons with names that many share and identity numbers that none share."""
    rng = np.random.default_rng([seed, 20])
    space = _BIRTH_DAYS * _PER_DAY
    places = (int(rng.integers(space)) + np.arange(persons, dtype=np.int64) * _STEP) % space
    born = (_FIRST_BIRTH + places // _PER_DAY).astype("datetime64[D]")
    months = born.astype("datetime64[M]")
    years = born.astype("datetime64[Y]").astype(np.int64) + 1970
    births = years * 10_000 + (months.astype(np.int64) % 12 + 1) * 100 + (born - months).astype(np.int64) + 1
    divisions = DIVISION + 1 + rng.integers(DISTRICTS, size=persons)
    return Representatives(
        _names(persons, rng), make_person_numbers(divisions, births, places % _PER_DAY), rng.normal(size=persons)
    )


def assign_representatives(enterprises: int, persons: int, rng: np.random.Generator) -> Integers:
    """The index of each enterprise's representative: most have one enterprise, a few have many, [enterprises]."""
    own = np.minimum(rng.permutation(enterprises), persons - 1)
    many = (persons * rng.random(enterprises) ** 4).astype(np.int64)
    return np.where(rng.random(enterprises) < 0.15, many, own)


def _names(persons: int, rng: np.random.Generator) -> pl.Series:
    surname, first, second = rng.random((3, persons))
    frame = pl.DataFrame(
        {
            "surname": pl.Series(list(_SURNAMES)).gather(pl.Series((surname**1.6 * len(_SURNAMES)).astype(np.int64))),
            "first": pl.Series(list(_GIVEN)).gather(pl.Series((first * len(_GIVEN)).astype(np.int64))),
            # Three of ten names have a single character.
            "second": pl.Series(["", *_GIVEN]).gather(
                pl.Series(np.maximum(0, (second - 0.3) / 0.7 * (len(_GIVEN) + 1)).astype(np.int64))
            ),
        }
    )
    return frame.select(pl.concat_str("surname", "first", "second").alias("name"))["name"]
