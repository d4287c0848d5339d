"""The clause about prices: what a unit of use costs. Nothing is paid here; ``lab officer meter`` counts the units.

A price is decimal text, so that the signed bytes hold it as it was agreed, and every sum is decimal arithmetic. A line
of an account is one unit under one version in one month: units times price, rounded once, half up, to the hundredth of
the currency; a total is the sum of rounded lines.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from lab.terms.errors import InvalidInput
from lab.terms.fields.field_types import FrozenDocument

PRICE_PATTERN = r"^(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?$"
CURRENCY_PATTERN = r"^[A-Z]{3}$"
FREE = "free"
_HUNDREDTH = Decimal("0.01")
_EXACT = Context(prec=60)
"""More digits than a count of 19 digits times a price of 18 has, so that only the last step rounds."""


class PriceUnit(StrEnum):
    """What is counted.

    ``SCORED_ENTERPRISE``: an enterprise in a score batch that was charged. ``MATCHED_IDENTIFIER``: an identifier that
    was evaluated for a match or a count; the bureau cannot tell canaries and repeated ones apart, so both count, as
    they do for the ceiling. ``JOB``: a job that was opened. ``MONTH``: a calendar month (UTC) in which the contract was
    active at any moment.
    """

    SCORED_ENTERPRISE = "scored-enterprise"
    MATCHED_IDENTIFIER = "matched-identifier"
    JOB = "job"
    MONTH = "month"


class UnitPrice(FrozenDocument):
    """What one unit costs: more than nothing, with up to six decimals."""

    unit: PriceUnit
    price: Annotated[str, Field(pattern=PRICE_PATTERN, max_length=20)]

    @property
    def amount(self) -> Decimal:
        """The price as a number."""
        return Decimal(self.price)

    @model_validator(mode="after")
    def _check(self) -> UnitPrice:
        if not self.amount:
            raise ValueError("a price is more than 0; a unit without a price is not listed")
        return self


class Prices(FrozenDocument):
    """Either free, which is said explicitly, or the prices of units in one currency (ISO 4217)."""

    free: bool = False
    currency: Annotated[str, Field(pattern=CURRENCY_PATTERN)] | None = None
    units: Annotated[tuple[UnitPrice, ...], Field(max_length=len(PriceUnit))] = ()

    @model_validator(mode="after")
    def _check(self) -> Prices:
        if self.free == bool(self.units) or self.free == (self.currency is not None):
            raise ValueError("use is free, or has a currency and the price of a unit at least")
        if len({one.unit for one in self.units}) != len(self.units):
            raise ValueError("each unit has one price")
        return self

    def find(self, unit: PriceUnit) -> UnitPrice | None:
        """The price of a unit, or None."""
        return next((one for one in self.units if one.unit is unit), None)


def reckon_amount(count: int, price: Decimal) -> Decimal:
    """``count`` units at ``price``, rounded half up to the hundredth."""
    return _EXACT.multiply(Decimal(count), price).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP, context=_EXACT)


def parse_prices(words: list[str], currency: str | None = None) -> Prices:
    """The clause in options such as ``scored-enterprise=0.50``, or the one word ``free``; CNY unless another currency
    is given. Raises ``InvalidInput``."""
    if words == [FREE] and currency is None:
        return Prices(free=True)
    pairs = [word.partition("=") for word in words]
    try:
        units = tuple(UnitPrice(unit=PriceUnit(unit), price=price) for unit, _, price in pairs)
        return Prices(currency=currency or "CNY", units=units)
    except ValueError:
        raise InvalidInput(
            f"Expected prices as UNIT=PRICE with one of the units {', '.join(PriceUnit)} and a decimal number above 0, "
            "each unit once, in a currency of three capital letters; or the word free alone.",
            next_step="for example --price scored-enterprise=0.50 --currency CNY",
        ) from None
