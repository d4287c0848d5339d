"""What the offices write down: items of the catalogue, lives that fit together, behaviour that risk moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.item_definition import ItemType
from lab.simulation.city.domains import AT, DOMAINS, EVENTS, MONTHLY
from lab.simulation.city.enterprises import NEVER, City, make_city
from lab.simulation.city.settings import CitySettings, as_date
from lab.simulation.city.source_form import AMOUNTS, FLAGS

TYPES = {
    ItemType.TEXT: (pl.String,),
    ItemType.CODE: (pl.Enum,),
    ItemType.INTEGER: (pl.Int64,),
    ItemType.NUMBER: (pl.Float64,),
    ItemType.AMOUNT: (pl.Float64,),
    ItemType.DATE: (pl.Date,),
    ItemType.YES_NO: (pl.Boolean,),
}


@pytest.fixture(scope="module")
def city() -> City:
    return make_city(CitySettings(30_000, 2, 12, Path("unused")))


def rows_of(city: City, domain: str) -> pl.DataFrame:
    if domain in EVENTS:
        return EVENTS[domain].make(city).rows
    return pl.concat(
        [MONTHLY[domain](city, month) for month in range(city.settings.first_month, city.settings.last_month + 1)]
    )


@pytest.mark.parametrize("domain", DOMAINS)
def test_rows_have_the_items_of_the_catalogue_in_its_order(city: City, domain: str):
    items, rows = default_catalogue().domain(domain), rows_of(city, domain)
    assert rows.columns == [AT, *(item.name for item in items.items)]
    for item in items.items:
        dtype = rows.schema[item.name]
        assert isinstance(dtype, TYPES[item.type]), item.name
        if isinstance(dtype, pl.Enum):
            assert set(dtype.categories) == set(item.codes), item.name
        assert (item.type is ItemType.AMOUNT) == (item.name in AMOUNTS), item.name
        assert (item.type is ItemType.YES_NO) == (item.name in FLAGS), item.name
        assert not item.required or rows[item.name].null_count() == 0, item.name
    assert rows.select(AT, *items.key).is_duplicated().sum() == 0


def test_every_enterprise_is_registered_once_before_anything_else(city: City):
    rows = rows_of(city, "registration")
    assert set(rows[AT]) == set(range(len(city.enterprises)))
    assert (rows["established_on"] <= rows["status_changed_on"]).all()
    last = rows.sort("status_changed_on").group_by(AT, maintain_order=True).last()
    gone = last.filter(pl.col("status").is_in(["revoked", "struck_off"]))
    assert gone.height == int((city.enterprises.closed < NEVER).sum()) > 0


def test_representatives_form_chains(city: City):
    rows = rows_of(city, "registration").sort(AT, "status_changed_on")
    by_person = rows.group_by("legal_representative_id").agg(pl.col(AT).n_unique().alias("enterprises"))
    assert by_person["enterprises"].max() > 10  # type: ignore[operator]
    changed = np.flatnonzero(city.enterprises.changed < NEVER)
    assert len(changed) > 200
    names = city.representatives.numbers
    for at in changed[:50]:
        held = rows.filter(pl.col(AT) == at)["legal_representative_id"].to_list()
        assert names[int(city.enterprises.person[at])] in held and names[int(city.enterprises.successor[at])] in held


def test_who_is_gone_does_no_more_but_for_the_planted_few(city: City):
    for domain in DOMAINS:
        if domain == "registration":
            continue
        rows = rows_of(city, domain)
        start = "period" if domain in MONTHLY else EVENTS[domain].make(city).start
        after = city.enterprises.closed[rows[AT].to_numpy()] < rows[start].to_physical().to_numpy()
        assert (after.any() and after.mean() < 0.01) if domain == "tax" else not after.any(), domain


def test_one_risk_moves_all_domains(city: City):
    one = city.enterprises
    weak = one.strain(city.settings.end, np.arange(len(one))) > 1.2
    for domain, bad in {
        "tax": pl.col("arrears") > 0,
        "social_insurance": pl.col("months_overdue") > 0,
        "housing_fund": pl.col("arrears") > 0,
        "utilities": pl.col("arrears") > 0,
        "courts": pl.col("role") == "executed",
        "penalties": pl.col("seriousness") == "serious",
        "environment": pl.col("exceeded"),
        "public_credit": pl.col("list") != "red",
        "registration": ~pl.col("annual_report_filed"),
    }.items():
        rows = rows_of(city, domain).select(AT, bad=bad.fill_null(value=False).cast(pl.Float64))
        is_weak = weak[rows[AT].to_numpy()]
        share = [float(rows["bad"].filter(pl.Series(flags)).mean() or 0.0) for flags in (is_weak, ~is_weak)]  # type: ignore[arg-type]
        assert share[0] > 1.2 * share[1], (domain, share)


def test_sales_have_seasons(city: City):
    sales = rows_of(city, "tax").group_by("period").agg(pl.col("sales").median()).sort("period")
    by_month = {day.month: value for day, value in sales.iter_rows()}
    assert by_month[2] < 0.9 * by_month[12]


def test_of_an_event_only_the_past_is_known(city: City):
    table = EVENTS["courts"].make(city)
    day = city.settings.start + 100
    known = table.known(table.between(0, day + 1), day)
    assert (known["decided_on"].drop_nulls() <= as_date(day)).all()
    undecided = known.filter(pl.col("decided_on").is_null())
    assert set(undecided["outcome"].cast(pl.String)) == {"pending"}
    news = table.changed(day, day, day + 90)
    assert news.height > 0 and (news["filed_on"] < as_date(day)).all()
