"""How items and features are typed in SQL: money and measures as decimals, so that sums do not depend on the order of
rows."""

from __future__ import annotations

from lab.bureau.data.catalogue.item_definition import Domain, Grain, ItemType
from lab.bureau.data.features.definition import FeatureDefinition, FeatureType, MissingRule

ITEM_SQL_TYPES: dict[ItemType, str] = {
    ItemType.TEXT: "VARCHAR",
    ItemType.CODE: "VARCHAR",
    ItemType.INTEGER: "BIGINT",
    ItemType.NUMBER: "DECIMAL(18,4)",
    ItemType.AMOUNT: "DECIMAL(18,2)",
    ItemType.DATE: "DATE",
    ItemType.YES_NO: "BOOLEAN",
}
FIRM = "INTEGER"
"""Type of ``enterprise`` in a feature's SELECT: its place among all codes in order, so that no code can be read."""
DECIMALS = {FeatureType.NUMBER: 4, FeatureType.SHARE: 4, FeatureType.AMOUNT: 2}
_VALUE_SQL_TYPES = {FeatureType.INTEGER: "BIGINT", FeatureType.YES_NO: "BOOLEAN", FeatureType.CODE: "VARCHAR"}


def quote(name: str) -> str:
    """A checked name as an SQL identifier."""
    if not name.replace("_", "").isalnum() or not name.isascii():
        raise ValueError("an identifier that was not checked")
    return f'"{name}"'


def item_columns(domain: Domain, names: list[str]) -> list[tuple[str, str]]:
    """The columns of a domain's table that a feature may read, each with its SQL type; ``enterprise`` is a number."""
    return [
        ("enterprise", FIRM),
        ("held_from", "DATE"),
        ("held_to", "DATE"),
        *((name, ITEM_SQL_TYPES[domain.item(name).type]) for name in names),
    ]


def one_record_a_day(domain: Domain) -> bool:
    """Whether an enterprise has one record of a day, so that the newest record is one."""
    return domain.grain is not Grain.EVENT


def value_sql(definition: FeatureDefinition, expression: str) -> str:
    """An expression of a feature's values in the type and with the decimals in which they are kept."""
    if (decimals := DECIMALS.get(definition.type)) is not None:
        return f"round(CAST({expression} AS DOUBLE), {decimals}) + 0.0"  # no -0.0
    return f"CAST({expression} AS {_VALUE_SQL_TYPES[definition.type]})"


def absent_sql(definition: FeatureDefinition) -> str:
    """What an enterprise has for which the SELECT gives no row."""
    if definition.missing is MissingRule.MISSING:
        return "NULL"
    return "FALSE" if definition.type is FeatureType.YES_NO else "0"
