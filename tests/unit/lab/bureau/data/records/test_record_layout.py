"""Columns of stored records and what names a record."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from hashlib import sha256

import polars as pl
import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.item_definition import ItemType
from lab.bureau.data.records import RECORD_COLUMNS, personal_schema, record_ids, record_schema
from lab.terms.errors import InvalidInput
from tests.support.small_catalogue import COURTS, TAX


def named(*parts: object) -> str:
    return sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()[:32]


def test_an_id_is_the_hash_of_domain_enterprise_and_key() -> None:
    frame = pl.DataFrame({"enterprise": ["a", "b"], "period": [date(2025, 3, 1), None], "sales": [1.0, 2.0]})
    assert record_ids(TAX, frame).to_list() == [named("tax", "a", "2025-03-01"), named("tax", "b", None)]


@pytest.mark.parametrize("key", ["(2025) 闽01民初1号", 'a"b', "a\\b", "tab\there", "\x01", "", "😀", None])
def test_texts_are_escaped_as_json_does(key: str | None) -> None:
    frame = pl.DataFrame({"enterprise": ["a", "a"], "case_number": ["plain", key]})
    assert record_ids(COURTS, frame).to_list() == [named("courts", "a", "plain"), named("courts", "a", key)]


@pytest.mark.parametrize(("kind", "value"), [(ItemType.INTEGER, 7), (ItemType.YES_NO, True)])
def test_whole_numbers_and_yes_no_may_be_keys(kind: ItemType, value: object) -> None:
    items = tuple(replace(one, type=kind) if one.name == "case_number" else one for one in COURTS.items)
    frame = pl.DataFrame({"enterprise": ["a"], "case_number": [value]})
    assert record_ids(replace(COURTS, items=items), frame).to_list() == [named("courts", "a", value)]


@pytest.mark.parametrize("change", [{"type": ItemType.NUMBER}, {"personal": True}])
def test_numbers_with_decimals_and_personal_items_are_no_keys(change: dict[str, object]) -> None:
    items = tuple(replace(one, **change) if one.name == "case_number" else one for one in COURTS.items)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"courts\.case_number"):
        record_ids(replace(COURTS, items=items), pl.DataFrame({"enterprise": ["a"], "case_number": [1.5]}))


def test_personal_items_are_no_column_of_a_segment() -> None:
    for domain in default_catalogue().domains:
        stored, personal = record_schema(domain), personal_schema(domain)
        assert tuple(stored)[: len(RECORD_COLUMNS)] == RECORD_COLUMNS
        assert set(stored) & set(personal) == set()
        assert {*stored, *personal} - set(RECORD_COLUMNS) == {item.name for item in domain.items}
