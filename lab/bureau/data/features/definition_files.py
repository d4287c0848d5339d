"""Reading feature definitions: TOML files of ``[features.NAME]``, strict, checked against the catalogue."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.bureau.data.catalogue.item_definition import Catalogue, Item, ItemReleaseForm, ItemType
from lab.bureau.data.catalogue.natural_persons import may_be_weighed
from lab.bureau.data.features.columns import item_columns, one_record_a_day
from lab.bureau.data.features.definition import FeatureDefinition, FeatureSet, FeatureType, MissingRule
from lab.bureau.data.features.sql import check_binding, check_tree, parse_select, refuse
from lab.bureau.data.features.sql.scope import Scope
from lab.terms.errors import InvalidInput
from lab.terms.text.escaping import escape_hidden
from lab.terms.text.nearest_name import nearest_name
from lab.terms.text.visible_line import check_visible_line
from models.shared.dimensions import find_dimension

MOST_FEATURES = 1_000
LONGEST_FILE = 1 << 20
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_STEP = "correct the feature's file; docs/formats/features.md lists keys and words"
Line = Annotated[str, Field(min_length=1, max_length=200)]


class _StrictFeatureTable(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _FeatureReason(_StrictFeatureTable):
    zh: Line
    en: Line


class _FeatureEntry(_StrictFeatureTable):
    zh: Line
    en: Line
    dimension: Line
    items: Annotated[list[Line], Field(min_length=1, max_length=20)]
    window_months: Annotated[int, Field(ge=0, le=1_200)]
    sql: Annotated[str, Field(min_length=1, max_length=8_000)]
    type: Literal["integer", "number", "share", "amount", "yes-no", "code"]
    unit: Annotated[str, Field(max_length=40)] = ""
    monotonic: Annotated[int, Field(ge=-1, le=1)]
    missing: Literal["zero", "missing"]
    reason: _FeatureReason


class _FeatureFile(_StrictFeatureTable):
    features: dict[str, _FeatureEntry]


_DEFAULTS: dict[str, FeatureSet] = {}


def default_features(catalogue: Catalogue) -> FeatureSet:
    """The features that come with the program, checked against ``catalogue``."""
    if catalogue.sha256 not in _DEFAULTS:
        _DEFAULTS[catalogue.sha256] = parse_features(_default_texts(), catalogue)
    return _DEFAULTS[catalogue.sha256]


def _default_texts() -> dict[str, str]:
    folder = files("lab.bureau.data.features") / "default"
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".toml")}


def read_features_folder(folder: Path, catalogue: Catalogue) -> FeatureSet:
    """The features of a folder's ``*.toml`` files, by name of file; raises ``InvalidInput`` naming file and feature."""
    try:
        found = sorted(folder.glob("*.toml"))
        if large := [file.name for file in found if file.stat().st_size > LONGEST_FILE]:
            raise InvalidInput(
                f"Expected feature files of at most 1 MiB; found more in {large[0]}.", next_step="divide the file"
            )
        texts = {file.name: file.read_text(encoding="utf-8") for file in found}
    except (OSError, UnicodeDecodeError):
        raise InvalidInput("The feature files cannot be read as UTF-8.", next_step="check the folder") from None
    return parse_features(texts, catalogue)


def parse_features(texts: Mapping[str, str], catalogue: Catalogue) -> FeatureSet:
    """Definitions from the texts of files, by file name; raises ``InvalidInput`` for whatever is not known."""
    found: dict[str, FeatureDefinition] = {}
    for file in sorted(texts):
        for name, entry in _parse(file, texts[file]).features.items():
            if name in found:
                raise InvalidInput(f"Feature {name} is defined twice, the second time in {file}.", next_step=_STEP)
            found[name] = _definition(file, name, entry)
            check_definition(found[name], catalogue)
    if not 0 < len(found) <= MOST_FEATURES:
        raise InvalidInput(
            f"Expected 1 to {MOST_FEATURES:,} features; found {len(found):,}.", next_step="check the folder of features"
        )
    return FeatureSet(tuple(found.values()))


def check_definition(definition: FeatureDefinition, catalogue: Catalogue) -> None:
    """Raise ``InvalidInput`` unless the items may enter a model, and the SELECT reads them and nothing else."""
    name = definition.name
    find_dimension(definition.dimension)
    by_code = {item.code: item for item in catalogue.items}
    for code in definition.items:
        item = _find_item(name, code, by_code)
        _check_item(name, item, by_code)
        if definition.type is FeatureType.CODE and item.type is ItemType.TEXT:
            raise refuse(name, f"a code cannot come from {code}, which is free text: its values would be in the model")
    if not definition.type.is_ordered and (definition.monotonic or definition.missing is MissingRule.ZERO):
        raise refuse(name, "a code has neither a direction nor a zero")
    domains = {code: catalogue.domain(code) for code in definition.domains}
    columns = {code: list(definition.columns(code)) for code in domains}
    select = parse_select(name, definition.sql)
    scope = Scope(
        feature=name,
        domains=frozenset(domains),
        columns=frozenset(column for listed in columns.values() for column in listed),
        by_time=all(one_record_a_day(domain) for domain in domains.values()),
    )
    check_tree(select, scope)
    groups = select.tree.get("group_expressions") or []
    if select.is_plain and [one.get("column_names", [""])[-1] for one in groups] != ["enterprise"]:
        raise refuse(name, "it does not group by enterprise, so that an enterprise could have several values")
    if ("$window_start" in definition.sql) != (definition.window_months > 0):
        raise refuse(name, "window_months and $window_start do not go together")
    tables = {code: item_columns(domain, columns[code]) for code, domain in domains.items()}
    check_binding(name, definition.sql, definition.type.value, tables)


def _find_item(feature: str, code: str, by_code: Mapping[str, Item]) -> Item:
    if code not in by_code:
        nearest = nearest_name(code, by_code)
        raise InvalidInput(
            f"Feature {feature} names item {code[:100]}, which the catalogue does not have"
            + (f" (nearest: {nearest})." if nearest else "."),
            next_step=_STEP,
        )
    return by_code[code]


def _check_item(feature: str, item: Item, by_code: dict[str, Item]) -> None:
    if not may_be_weighed(item, by_code):
        raise InvalidInput(
            f"Feature {feature} names item {item.code}, which is personal, or which credit-reporting rules keep out of "
            "a model.",
            next_step="leave the item out",
        )
    if ItemReleaseForm.MODEL_INPUT not in item.release_forms:
        raise InvalidInput(
            f"Feature {feature} names item {item.code}, which the catalogue does not release as an input of models.",
            next_step="leave the item out, or have a steward allow it in the catalogue",
        )


def _parse(file: str, text: str) -> _FeatureFile:
    try:
        return _FeatureFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{file} is no TOML: {error}.", next_step=_STEP) from None
    except ValidationError as error:
        named = [(escape_hidden(".".join(map(str, one["loc"]))[:200]), one["msg"]) for one in error.errors()[:10]]
        faults = "; ".join(f"{key}: {message}" for key, message in named)
        raise InvalidInput(f"{file} does not fit the schema of features: {faults}.", next_step=_STEP) from None


def _definition(file: str, name: str, entry: _FeatureEntry) -> FeatureDefinition:
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"Expected names of features of lower-case letters, digits and _; found another in {file}.", next_step=_STEP
        )
    if len(set(entry.items)) != len(entry.items):
        raise InvalidInput(f"Feature {name} names an item twice.", next_step=_STEP)
    lines: dict[str, Any] = {"zh": entry.zh, "en": entry.en, "reason.zh": entry.reason.zh, "reason.en": entry.reason.en}
    for key, line in lines.items():
        check_visible_line(line, f"{key} of feature {name}", longest=200)
    return FeatureDefinition(
        name=name,
        label=(entry.zh, entry.en),
        reason=(entry.reason.zh, entry.reason.en),
        dimension=entry.dimension,
        items=tuple(entry.items),
        window_months=entry.window_months,
        sql=entry.sql.strip(),
        type=FeatureType(entry.type),
        unit=entry.unit,
        monotonic=entry.monotonic,
        missing=MissingRule(entry.missing),
    )
