"""The product's readers of the examples on the pages about records, features, deliveries, requests and meters."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import rfc8785

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.features.definition_files import parse_features
from lab.bureau.data.ingestion.delivery_list import check_mappings, read_delivery_list
from lab.bureau.data.ingestion.mapping import check_mapping, read_mapping
from lab.bureau.data.records.manifest import parse_manifest
from sandbox.api.people.data.meters import MeterAccountView
from sandbox.api.people.data.requests import DataRequestView
from tests.support.paper_examples import examples


def mapping(path: Path) -> None:
    assert check_mapping(read_mapping(path), default_catalogue()).code == "tax"


def deliveries(path: Path) -> None:
    """The list of the page, beside the mapping of the other page and files of the names it has."""
    (path.parent / "mappings").mkdir()
    (path.parent / "mappings" / "tax.toml").write_text(examples()["mapping"], encoding="utf-8")
    (path.parent / "tax").mkdir()
    for name in ("tax-2026-03.csv", "tax-2026-03-correction.csv"):
        (path.parent / "tax" / name).touch()
    found = read_delivery_list(path, datetime.date(2026, 7, 1))
    check_mappings(found, default_catalogue())
    assert [one.operation for one in found] == ["add", "correct"]


def features(path: Path) -> None:
    found = parse_features({"example.toml": path.read_text("utf-8")}, default_catalogue())
    assert [one.name for one in found.definitions] == ["tax_sales_trend"]


def manifest(path: Path) -> None:
    (segment,) = parse_manifest(rfc8785.dumps(json.loads(path.read_bytes()))).segments
    assert segment.rows == 37_012


def data_request(path: Path) -> None:
    assert DataRequestView.model_validate_json(path.read_bytes()).granted == 1


def meter(path: Path) -> None:
    (line,) = MeterAccountView.model_validate_json(path.read_bytes()).lines
    assert line.amount == "2100.00"


READERS: dict[str, Callable[[Path], object]] = {
    "mapping": mapping,
    "deliveries": deliveries,
    "features": features,
    "records manifest": manifest,
    "request for data": data_request,
    "meter": meter,
}
