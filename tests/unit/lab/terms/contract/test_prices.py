"""Prices: exact text in the document, decimal sums, and contracts of the earlier form as they were."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.terms.contract.document import SCHEMA, SCHEMA_WITH_PRICES, contract_form, parse_contract, signing_input
from lab.terms.contract.plain_language import render_clauses
from lab.terms.contract.prices import Prices, PriceUnit, parse_prices, reckon_amount
from lab.terms.errors import InvalidInput
from tests.support.drawn_documents import plain_contract, signed


def test_a_contract_without_prices_keeps_the_bytes_and_the_signatures_of_the_earlier_form() -> None:
    old = plain_contract(schema=SCHEMA, prices=None, request=None)
    assert b'"prices"' not in old.canonical_bytes() and b'"request"' not in old.canonical_bytes()
    assert signing_input(old).startswith(b"shulab contract v2\x00")
    document = json.loads(signed(old).model_dump_json(by_alias=True))
    for name in ("prices", "request"):
        del document["contract"][name]  # as an earlier version of the program wrote it
    parse_contract(json.dumps(document)).verify()


def test_the_form_with_prices_signs_other_bytes_and_verifies() -> None:
    new = plain_contract()
    assert new.schema_ == SCHEMA_WITH_PRICES and signing_input(new).startswith(b"shulab contract v3\x00")
    parse_contract(signed(new).model_dump_json(by_alias=True)).verify()


@pytest.mark.parametrize(
    ("schema", "changes"),
    [(SCHEMA, {}), (SCHEMA_WITH_PRICES, {"prices": None, "request": None}), (SCHEMA, {"prices": None})],
)
def test_a_form_that_does_not_fit_its_clauses_is_refused(schema: str, changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        plain_contract(schema=schema, **changes)


@pytest.mark.parametrize(
    "words",
    [
        *(["job"], ["job=0"], ["job=0.00"], ["job=-1"], ["job=1e9"], ["job=1.0000001"], ["job=NaN"], ["job=１"]),
        *(["job=1", "job=2"], ["day=1"], ["free", "job=1"], ["job=1\n"], ["job=01"], ["job="], ["job=9" + "9" * 12]),
    ],
)
def test_a_price_that_is_no_price_is_refused_without_being_repeated(words: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_prices(words)
    assert "１" not in str(caught.value) and "e9" not in str(caught.value)


def test_free_is_explicit_and_has_no_currency() -> None:
    assert parse_prices(["free"]) == Prices(free=True)
    for wrong in ({"free": True, "currency": "CNY"}, {"free": False}, {"currency": "CNY"}, {}):
        with pytest.raises(ValidationError):
            Prices.model_validate(wrong)
    with pytest.raises(InvalidInput):
        parse_prices(["free"], "CNY")


def test_both_languages_say_the_prices() -> None:
    def told(**changes: object) -> tuple[str, str]:
        clause = next(one for one in render_clauses(plain_contract(**changes)) if one.clause == "prices")
        return clause.zh, clause.en

    assert all("0.50 CNY" in words and "1000 CNY" in words for words in told())
    assert "免费" in told(prices=Prices(free=True))[0]
    assert "nothing about prices" in told(prices=None)[1]


def test_the_form_of_a_document_is_the_earliest_that_has_its_clauses() -> None:
    assert contract_form(None, None) == SCHEMA
    assert contract_form(Prices(free=True), None) == contract_form(None, "r-20260101-1a2b3c4d") == SCHEMA_WITH_PRICES


@given(st.integers(0, 10**18), st.from_regex(r"[1-9][0-9]{0,11}(\.[0-9]{1,6})?", fullmatch=True))
def test_an_amount_is_rounded_once_half_up(count: int, price: str) -> None:
    hundredths = Fraction(price) * count * 100
    expected = int(hundredths + Fraction(1, 2))
    assert reckon_amount(count, Decimal(price)) == Decimal(expected).scaleb(-2)


def test_every_unit_can_be_priced() -> None:
    prices = parse_prices([f"{unit}=0.000001" for unit in PriceUnit], "EUR")
    assert [one.unit for one in prices.units] == list(PriceUnit) and prices.currency == "EUR"
    assert reckon_amount(4_999, Decimal("0.000001")) == Decimal("0.00")
    assert reckon_amount(5_000, Decimal("0.000001")) == Decimal("0.01")
