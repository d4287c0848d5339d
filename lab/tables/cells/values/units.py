"""Units and currencies that people write at a number, and the units that a dictionary may state for a column."""

from __future__ import annotations

from typing import Final

CURRENCIES: Final[dict[str, str]] = {
    **dict.fromkeys(("¥", "cny", "rmb", "人民币", "元", "元整", "圆", "圆整", "元人民币"), "cny"),
    **dict.fromkeys(("us$", "usd", "美元", "$"), "usd"),
    **dict.fromkeys(("hk$", "hkd", "港元", "港币"), "hkd"),
    **dict.fromkeys(("€", "eur", "欧元"), "eur"),
    **dict.fromkeys(("£", "gbp", "英镑"), "gbp"),
    **dict.fromkeys(("jpy", "日元"), "jpy"),
    **dict.fromkeys(("₩", "krw"), "krw"),
    **dict.fromkeys(("₹", "inr"), "inr"),
}
"""Words and signs of currencies, in lower case, and the currency of each."""

_SCALES: Final[dict[str, int]] = {"": 0, "千": 3, "万": 4, "百万": 6, "千万": 7, "亿": 8, "万亿": 12}
_SCALED_CURRENCIES: Final = (
    "元",
    "元整",
    "圆",
    "圆整",
    "元人民币",
    "人民币",
    "美元",
    "港元",
    "港币",
    "欧元",
    "日元",
    "英镑",
)

POWERS: Final[dict[str, int]] = {
    **{scale + currency: power for scale, power in _SCALES.items() for currency in ("", *_SCALED_CURRENCIES)},
    **dict.fromkeys(CURRENCIES, 0),
}
"""The power of ten of each unit of money or scale that may follow a number, such as 4 for ``万元``."""
del POWERS[""]

PERCENT: Final[dict[str, int]] = {"%": -2, "‰": -3}
"""The power of ten of a percentage as a fraction."""

COUNTED: Final[dict[str, str]] = {
    **dict.fromkeys(("天", "日", "day", "days"), "day"),
    **dict.fromkeys(("个月", "月", "month", "months"), "month"),
    **dict.fromkeys(("年", "year", "years", "岁"), "year"),
    **dict.fromkeys(("人", "名", "person", "persons"), "person"),
    **{
        unit: unit
        for unit in ("户", "家", "笔", "次", "件", "个", "项", "条", "倍", "吨", "千克", "平方米", "公里", "度")
    },
    **dict.fromkeys(("m2", "㎡"), "平方米"),
    "kwh": "度",
    "kg": "千克",
    "小时": "小时",
    "分": "分",
}
"""Units of which a column has one: 3 years and 3 months are not the same number, and none is turned into another."""

COLUMN_UNITS: Final[dict[str, float]] = {
    **{unit: 10.0**power for unit, power in POWERS.items()},
    **dict.fromkeys(("%", "percent"), 0.01),
    "‰": 0.001,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
    "yuan": 1.0,
    **dict.fromkeys(COUNTED, 1.0),
}
"""Units that a dictionary may name for a column: what its bare numbers are multiplied by."""


def currency_of(unit: str) -> str:
    """The currency of a unit in ``POWERS``, empty if it names none: ``cny`` of ``万元``."""
    for scale in sorted(_SCALES, key=len, reverse=True):
        if unit.startswith(scale) and unit[len(scale) :] in CURRENCIES:
            return CURRENCIES[unit[len(scale) :]]
    return CURRENCIES.get(unit, "")
