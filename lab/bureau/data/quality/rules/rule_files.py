"""Reading the rules: two TOML files, strict, with defaults in the program that a bureau's own files replace whole.

``rules.toml``: joined tables, rules, which optional items are expected when, which dates may lie ahead and which
numbers below zero. ``thresholds.toml``: limits, weights, days of grace. A bureau's own lie in ``quality/`` of its
folder. A key that is not known, a repeated code or SQL that could reach a file is refused.
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import rfc8785
from pydantic import TypeAdapter, ValidationError

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.quality.rules.file_schema import QualityRuleFile, QualityThresholdFile
from lab.bureau.data.quality.rules.rule_definition import QualityRules
from lab.bureau.data.quality.rules.sql_guard import check_condition, check_query
from lab.disk.private_files import write_private
from lab.terms.errors import InvalidInput

RULE_FILES = ("rules.toml", "thresholds.toml")
CHECKS_VERSION = 1
"""Counted up when the program's own checks change, so that an assessment of before is not taken for one of now."""
_LARGEST = 1 << 20


@cache
def default_rules() -> QualityRules:
    """The rules that come with the program."""
    texts = [(files(__package__) / "default" / name).read_bytes() for name in RULE_FILES]
    return _parse(texts[0], texts[1], RULE_FILES)


def current_rules(home: BureauHome) -> QualityRules:
    """The bureau's rules: its own ``quality/rules.toml`` and ``quality/thresholds.toml`` where they exist, else the
    program's. Raises ``InvalidInput`` naming what does not fit."""
    return read_rules(home.folder / "quality")


def read_rules(folder: Path) -> QualityRules:
    """The rules of a folder; a file that it lacks is the program's own."""
    texts = []
    for name in RULE_FILES:
        own = folder / name
        if own.exists():
            if own.stat().st_size > _LARGEST:
                raise InvalidInput(f"Expected {name} of at most 1 MiB; found more.", next_step=f"correct {name}")
            texts.append(own.read_bytes())
        else:
            texts.append((files(__package__) / "default" / name).read_bytes())
    return _parse(texts[0], texts[1], RULE_FILES)


def write_default_rules(folder: Path) -> list[Path]:
    """Write the program's two files into ``folder``, to be changed there; raises ``Conflict`` where one exists."""
    written = []
    for name in RULE_FILES:
        write_private(folder / name, (files(__package__) / "default" / name).read_bytes())
        written.append(folder / name)
    return written


@lru_cache(maxsize=8)
def _parse(rules: bytes, thresholds: bytes, names: tuple[str, str]) -> QualityRules:
    rule_values, threshold_values = _load(rules, names[0]), _load(thresholds, names[1])
    rule_file = _fit(TypeAdapter(QualityRuleFile), rule_values, names[0])
    threshold_file = _fit(TypeAdapter(QualityThresholdFile), threshold_values, names[1])
    stated = {"checks": CHECKS_VERSION, "rules": _plain(rule_values), "thresholds": _plain(threshold_values)}
    made = QualityRules(
        tables=tuple(one.as_table() for one in rule_file.tables),
        rules=tuple(one.as_rule() for one in rule_file.rules),
        expected=dict(rule_file.expected),
        due_from=dict(rule_file.due_from),
        may_be_future=frozenset(rule_file.may_be_future),
        may_be_negative=frozenset(rule_file.may_be_negative),
        thresholds=threshold_file.as_thresholds(),
        sha256=hashlib.sha256(rfc8785.dumps(stated)).hexdigest(),
    )
    _check_whole(made)
    return made


def _check_whole(rules: QualityRules) -> None:
    known = {table.name for table in rules.tables}
    codes = [rule.code for rule in rules.rules]
    if len(known) != len(rules.tables) or len(set(codes)) != len(codes):
        raise InvalidInput(
            "Expected each rule and each table of the rules once; found one twice.", next_step="correct rules.toml"
        )
    for rule in rules.rules:
        if not set(rule.uses) <= known:
            raise InvalidInput(
                f"The rule {rule.code} uses a table that rules.toml does not define.", next_step="correct rules.toml"
            )
        check_condition(rule.faulty, f"rule {rule.code}")
        if rule.applies:
            check_condition(rule.applies, f"rule {rule.code}")
    for table in rules.tables:
        check_query(table.sql, table.reads, f"table {table.name}")
    for domain, day in rules.due_from.items():
        check_condition(day, f"domain {domain}")
    for item, when in rules.expected.items():
        check_condition(when, f"item {item}")


def _load(text: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise InvalidInput(f"Expected {name} to be TOML; it is not.", next_step=f"correct {name}") from None


def _fit(adapter: TypeAdapter[Any], values: dict[str, Any], name: str) -> Any:
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        parts = sorted({".".join(str(part) for part in one["loc"]) for one in error.errors()})
        raise InvalidInput(
            f"Expected quality rules that fit; these of {name} do not: {', '.join(parts[:8])}.",
            next_step=f"correct {name}",
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, bool | int | float | str) else str(value)
