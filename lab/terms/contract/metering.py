"""An account of use: units counted under each version of a contract in each month, and what they come to.

The bureau counts from its ledger (``lab.bureau.data.disclosure``), the bank from its receipts
(``lab.bank.contract.metering``); both make the account here. A unit belongs to the version under which its job was
opened and to the calendar month (UTC) of its ledger entry. Nothing is paid in this system.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lab.terms.contract.prices import CURRENCY_PATTERN, PRICE_PATTERN, Prices, PriceUnit, reckon_amount
from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import VersionNumber
from lab.terms.fields.field_types import ContractId

METER_SCHEMA = "shulab-meter/1"
MONTH_PATTERN = r"^[0-9]{4}-(0[1-9]|1[0-2])$"
MAX_METER_BYTES = 4 * 1024 * 1024


class PriceBasis(StrEnum):
    """Why a line has an amount or none."""

    PRICED = "priced"
    FREE = "free"
    NOT_PRICED = "not-priced"
    """The contract has prices, but none for this unit."""
    UNSTATED = "unstated"
    """The contract says nothing about prices."""


@dataclass(frozen=True, slots=True, order=True)
class MeterKey:
    """What one line counts: the month as ``YYYY-MM``, the version of the contract, the unit."""

    month: str
    version: int
    unit: PriceUnit


class MeterLine(BaseModel):
    """A line of the account. ``price`` and ``amount`` are decimal text; None where nothing is priced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    month: Annotated[str, Field(pattern=MONTH_PATTERN)]
    version: VersionNumber
    unit: PriceUnit
    count: Annotated[int, Field(ge=0, le=2**53 - 1)]
    basis: PriceBasis
    price: Annotated[str, Field(pattern=PRICE_PATTERN)] | None = None
    currency: Annotated[str, Field(pattern=CURRENCY_PATTERN)] | None = None
    amount: Annotated[str, Field(pattern=r"^[0-9]{1,40}\.[0-9]{2}$")] | None = None

    @property
    def key(self) -> MeterKey:
        """What the line counts."""
        return MeterKey(self.month, self.version, self.unit)


class MeterTotal(BaseModel):
    """The sum of the rounded lines in one currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Annotated[str, Field(pattern=CURRENCY_PATTERN)]
    amount: Annotated[str, Field(pattern=r"^[0-9]{1,45}\.[0-9]{2}$")]


class MeterAccount(BaseModel):
    """The account of a contract, of one month or of all."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Annotated[Literal["shulab-meter/1"], Field(alias="schema")] = "shulab-meter/1"
    contract: ContractId
    month: Annotated[str, Field(pattern=MONTH_PATTERN)] | None = None
    """The month asked for; None: all."""
    lines: Annotated[tuple[MeterLine, ...], Field(max_length=20_000)] = ()
    totals: Annotated[tuple[MeterTotal, ...], Field(max_length=100)] = ()

    def as_dict(self) -> dict[str, Any]:
        """The account as a JSON object."""
        return self.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True, slots=True)
class MeterDifference:
    """A line in which two accounts differ: the counts of each, 0 where it has no such line."""

    key: MeterKey
    stated: int
    own: int


def reckon_account(
    contract: str, counts: Mapping[MeterKey, int], prices: Mapping[int, Prices | None], month: str | None = None
) -> MeterAccount:
    """The account of these counts at the prices of each version; only of ``month`` if it is given."""
    lines = [
        _line(key, count, prices.get(key.version))
        for key, count in sorted(counts.items())
        if count and month in (None, key.month)
    ]
    totals: dict[str, Decimal] = {}
    for line in lines:
        if line.currency is not None and line.amount is not None:
            totals[line.currency] = totals.get(line.currency, Decimal(0)) + Decimal(line.amount)
    return MeterAccount(
        contract=contract,
        month=month,
        lines=tuple(lines),
        totals=tuple(MeterTotal(currency=name, amount=f"{amount:.2f}") for name, amount in sorted(totals.items())),
    )


def compare_accounts(stated: MeterAccount, own: MeterAccount, units: Sequence[PriceUnit]) -> list[MeterDifference]:
    """The lines of ``units`` that differ, by month, version and unit."""
    theirs, ours = ({line.key: line.count for line in one.lines if line.unit in units} for one in (stated, own))
    return [
        MeterDifference(key, theirs.get(key, 0), ours.get(key, 0))
        for key in sorted(theirs.keys() | ours.keys())
        if theirs.get(key, 0) != ours.get(key, 0)
    ]


def parse_account(text: bytes) -> MeterAccount:
    """Read an account from JSON strictly; raises ``InvalidInput`` naming the parts that do not fit."""
    if len(text) > MAX_METER_BYTES:
        raise InvalidInput(
            f"Expected an account of use of at most {MAX_METER_BYTES} bytes; found more.",
            next_step="ask the bureau for one month: `lab officer meter CONTRACT --month YYYY-MM --json`",
        )
    try:
        return MeterAccount.model_validate(json.loads(text))
    except (ValueError, RecursionError) as error:
        known = {str(fault["loc"][0]) for fault in getattr(error, "errors", lambda: [])() if fault["loc"]}
        fields = sorted(known & {"schema", *MeterAccount.model_fields})  # another name may be anything
        raise InvalidInput(
            f"Expected an account of use ({METER_SCHEMA}); these parts do not fit: {', '.join(fields) or 'the whole'}.",
            next_step="ask the bureau for it again: `lab officer meter CONTRACT --json`",
        ) from None


def _line(key: MeterKey, count: int, prices: Prices | None) -> MeterLine:
    priced = prices.find(key.unit) if prices is not None else None
    about: dict[str, Any] = {"month": key.month, "version": key.version, "unit": key.unit, "count": count}
    if prices is None or priced is None:
        basis = PriceBasis.UNSTATED if prices is None else PriceBasis.FREE if prices.free else PriceBasis.NOT_PRICED
        return MeterLine(**about, basis=basis)
    amount = f"{reckon_amount(count, priced.amount):.2f}"
    return MeterLine(**about, basis=PriceBasis.PRICED, price=priced.price, currency=prices.currency, amount=amount)
