"""Data contracts: each fits the standard's own schema, as JSON and as YAML, and loses nothing of the catalogue."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from open_data_contract_standard.model import OpenDataContractStandard

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.exports.data_contracts import data_contracts

MADE = data_contracts(default_catalogue(), publisher="示例数据局", version=2)


def schema() -> dict:
    found: dict = json.loads((files("open_data_contract_standard") / "schema.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", MADE)
def test_every_contract_fits_the_standard(name: str) -> None:
    document = json.loads(MADE[name])
    jsonschema.validate(document, schema())
    assert yaml.safe_load(MADE[name]) == document
    parsed = OpenDataContractStandard.from_string(MADE[name].decode())
    assert parsed.schema_ is not None and parsed.schema_[0].name == name.removesuffix(".odcs.yaml")


def test_a_contract_that_is_broken_does_not_fit() -> None:
    document = json.loads(MADE["tax.odcs.yaml"])
    document["schema"][0]["properties"][1]["logicalType"] = "money"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_every_item_is_a_property_with_key_grade_and_codes() -> None:
    for domain in default_catalogue().domains:
        (table,) = json.loads(MADE[f"{domain.code}.odcs.yaml"])["schema"]
        enterprise, *properties = table["properties"]
        assert (enterprise["name"], enterprise["primaryKeyPosition"]) == ("enterprise", 1)
        assert [one["name"] for one in properties] == [item.name for item in domain.items]
        keys = sorted((one["primaryKeyPosition"], one["name"]) for one in properties if one["primaryKey"])
        assert [name for _, name in keys] == list(domain.key)
        for one, item in zip(properties, domain.items, strict=True):
            assert one["classification"] == item.grade and one["required"] is item.required
            custom = {each["property"]: each["value"] for each in one["customProperties"]}
            assert custom["personal"] is item.personal and custom["creditUse"] == item.credit_use
            assert ("quality" in one) == bool(item.codes)
