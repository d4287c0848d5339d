"""The yearly disclosure of authorised public data: which resources, in which products, to whom, how often, at what
price.

It is drawn from contracts and ledger. A contract is in it if it was active, or used, in a month of the year (UTC).
Items and models are those of the versions that were so; calls and units are what was delivered in the year. It has
counts and names of items, models and banks, and nothing of an enterprise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.disclosure.metering import ContractUse, count_usage, read_documents
from lab.bureau.data.requests.available_items import AvailableItem, find_available_items
from lab.bureau.store.tables import ContractRow
from lab.terms.contract.choice_texts import OPERATION_TEXTS, PURPOSE_TEXTS, RELEASE_FORM_TEXTS
from lab.terms.contract.document import Contract, Operation, ReleaseForm
from lab.terms.contract.price_texts import describe_prices
from lab.terms.contract.prices import PriceUnit

SCHEMA = "shulab-disclosure/1"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DisclosedContract:
    """A contract of the year: its versions that were active or used in it, newest last, and what was delivered.

    ``calls`` and ``counts`` are by version and unit.
    """

    versions: tuple[Contract, ...]
    calls: Mapping[tuple[int, PriceUnit], int]
    counts: Mapping[tuple[int, PriceUnit], int]
    months: int

    @property
    def newest(self) -> Contract:
        """The newest of its versions in the year."""
        return self.versions[-1]

    def total(self, amounts: Mapping[tuple[int, PriceUnit], int], unit: PriceUnit) -> int:
        """The sum over versions of one unit."""
        return sum(amount for (_, one), amount in amounts.items() if one is unit)


@dataclass(frozen=True, slots=True)
class YearlyDisclosure:
    """The tables of the disclosure: rows with the same members each."""

    year: int
    summary: Row
    resources: tuple[Row, ...]
    products: tuple[Row, ...]
    recipients: tuple[Row, ...]
    prices: tuple[Row, ...]


def disclose_year(session: Session, catalogue: Catalogue, year: int, now: datetime) -> YearlyDisclosure:
    """The disclosure of one year, as far as it has passed."""
    contracts = _contracts_of(session, year, now)
    codes = {item.code for one in contracts for version in one.versions for item in version.items}
    known = find_available_items(session, catalogue, codes)
    resources = _resources(contracts, known, {domain.code: domain.owner_zh for domain in catalogue.domains}, catalogue)
    products, prices = _products(contracts), [row for one in contracts for row in _prices(one)]
    recipients = [_recipient(one) for one in contracts]
    summary = {
        "year": year,
        "contracts": len(contracts),
        "recipients": len({one.newest.bank.name for one in contracts}),
        "resources": len(resources),
        "products": len(products),
        "calls": sum(row["calls"] for row in recipients),
        "scored_enterprises": sum(row["scored_enterprises"] for row in recipients),
        "matched_identifiers": sum(row["matched_identifiers"] for row in recipients),
    }
    return YearlyDisclosure(year, summary, tuple(resources), tuple(products), tuple(recipients), tuple(prices))


def _contracts_of(session: Session, year: int, now: datetime) -> list[DisclosedContract]:
    found = []
    for contract_id in session.scalars(select(ContractRow.id).order_by(ContractRow.created_at, ContractRow.id)).all():
        documents = read_documents(session, contract_id)
        used = count_usage(session, contract_id, documents, now)
        numbers = {key.version for key in used.counts if key.month.startswith(f"{year:04d}-")}
        numbers |= {version for month, version in used.active if month.startswith(f"{year:04d}-")}
        if numbers:
            found.append(_disclosed(used, [documents[one] for one in sorted(numbers)], year))
    return found


def _disclosed(used: ContractUse, versions: Sequence[Contract], year: int) -> DisclosedContract:
    def of_year(amounts: Mapping[Any, int]) -> dict[tuple[int, PriceUnit], int]:
        sums: dict[tuple[int, PriceUnit], int] = {}
        for key, amount in amounts.items():
            if key.month.startswith(f"{year:04d}-"):
                sums[key.version, key.unit] = sums.get((key.version, key.unit), 0) + amount
        return sums

    months = sum(month.startswith(f"{year:04d}-") for month in used.months)
    return DisclosedContract(tuple(versions), of_year(used.calls), of_year(used.counts), months)


def _resources(
    contracts: Sequence[DisclosedContract],
    known: Mapping[str, AvailableItem],
    owners: Mapping[str, str],
    catalogue: Catalogue,
) -> list[Row]:
    """A row for each item that a contract of the year allows to be used."""
    owners_en = {domain.code: domain.owner_en for domain in catalogue.domains}
    uses: dict[str, list[tuple[DisclosedContract, ReleaseForm]]] = {}
    for one in contracts:
        forms: dict[str, ReleaseForm] = {}
        for version in one.versions:
            forms |= {item.code: item.form for item in version.items if item.form is not ReleaseForm.NONE}
        for code, form in forms.items():
            uses.setdefault(code, []).append((one, form))
    rows = []
    for code in sorted(uses):
        about, used = known.get(code), uses[code]
        widest = max((form for _, form in used), key=list(ReleaseForm).index)
        rows.append(
            {
                "item": code,
                "zh": about.zh if about else "",
                "en": about.en if about else "",
                "domain": about.domain if about else "",
                "owner_zh": owners.get(about.domain, "") if about else "",
                "owner_en": owners_en.get(about.domain, "") if about else "",
                "grade": about.grade if about else "",
                "form_zh": RELEASE_FORM_TEXTS[widest][0],
                "form_en": RELEASE_FORM_TEXTS[widest][1],
                "contracts": len(used),
                "recipients": len({one.newest.bank.name for one, _ in used}),
            }
        )
    return rows


def _products(contracts: Sequence[DisclosedContract]) -> list[Row]:
    """A row for each model version that a contract of the year allows."""
    uses: dict[tuple[str, int], list[DisclosedContract]] = {}
    for one in contracts:
        for model in {(model.name, model.version) for version in one.versions for model in version.models}:
            uses.setdefault(model, []).append(one)
    rows = []
    for name, version in sorted(uses):
        used = uses[name, version]
        operations = [op for op in Operation if any(op in v.operations for one in used for v in one.versions)]
        rows.append(
            {
                "product": f"{name}@{version}",
                "services_zh": "；".join(OPERATION_TEXTS[one][0] for one in operations),
                "services_en": "; ".join(OPERATION_TEXTS[one][1] for one in operations),
                "contracts": len(used),
                "recipients": len({one.newest.bank.name for one in used}),
            }
        )
    return rows


def _recipient(one: DisclosedContract) -> Row:
    contract = one.newest
    score, match, job = PriceUnit.SCORED_ENTERPRISE, PriceUnit.MATCHED_IDENTIFIER, PriceUnit.JOB
    zh, en = describe_prices(contract)
    return {
        "contract": contract.id,
        "versions": ", ".join(str(version.version) for version in one.versions),
        "request": contract.request or "",
        "recipient": contract.bank.name,
        "purpose_zh": PURPOSE_TEXTS[contract.purpose][0],
        "purpose_en": PURPOSE_TEXTS[contract.purpose][1],
        "products": ", ".join(str(model) for model in contract.models),
        "items": len(contract.items),
        "starts": contract.starts.date().isoformat(),
        "expires": contract.expires.date().isoformat(),
        "active_months": one.months,
        "jobs": one.total(one.counts, job),
        "calls": one.total(one.calls, score) + one.total(one.calls, match),
        "score_calls": one.total(one.calls, score),
        "match_calls": one.total(one.calls, match),
        "scored_enterprises": one.total(one.counts, score),
        "matched_identifiers": one.total(one.counts, match),
        "prices_zh": zh,
        "prices_en": en,
    }


def _prices(one: DisclosedContract) -> list[Row]:
    """The prices as each version states them; a version that is free, or says nothing, has a row that says so."""
    rows = []
    for version in one.versions:
        prices = version.prices
        about = {"contract": version.id, "version": version.version, "recipient": version.bank.name}
        stated = "unstated" if prices is None else "free" if prices.free else "priced"
        units = prices.units if prices is not None else ()
        rows += [
            about | {"stated": stated, "unit": unit.unit.value, "price": unit.price, "currency": prices.currency}
            for unit in units
            if prices is not None
        ] or [about | {"stated": stated, "unit": "", "price": "", "currency": ""}]
    return rows
