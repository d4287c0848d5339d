"""Every feature that comes with the program, reckoned in plain Python from the records of one enterprise.

Slow and obvious on purpose: what the compiled SQL is compared with. Sums are of exact fractions, as the SQL's are of
decimals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from lab.bureau.data.features.definition import months_before

Rows = Sequence[Mapping[str, Any]]
Rule = Callable[["Firm"], Any]
ABSENT = object()
"""No row met the condition: the missing rule decides."""


class Firm:
    """The records of one enterprise on a day."""

    def __init__(self, records: Mapping[str, Rows], held_from: Mapping[str, str], as_of: date) -> None:
        self.records, self.held_from, self.as_of = records, held_from, as_of

    def rows(self, domain: str, months: int = 0) -> list[Mapping[str, Any]]:
        """Rows that held by the day, in the window."""
        start = months_before(self.as_of, months) if months else date.min
        day = self.held_from[domain]
        return [row for row in self.records.get(domain, ()) if start < row[day] <= self.as_of]

    def latest(self, domain: str, item: str) -> Any:
        """The newest value that is there."""
        rows = sorted(self.rows(domain), key=lambda row: row[self.held_from[domain]])
        values = [row[item] for row in rows if row[item] is not None]
        return values[-1] if values else (None if rows else ABSENT)


def total(rows: Rows, item: str) -> Fraction | None:
    """The exact sum; None without a value."""
    values = [Fraction(str(row[item])) for row in rows if row[item] is not None]
    return sum(values, Fraction(0)) if values else None


def ratio(above: Any, below: Any) -> Any:
    """A quotient; None without one of its parts, or over zero."""
    return None if above is None or not below else Fraction(above) / Fraction(below)


def latest(domain: str, item: str, made: Callable[[Any], Any] = lambda value: value) -> Rule:
    """The newest value."""

    def rule(firm: Firm) -> Any:
        found = firm.latest(domain, item)
        return found if found is ABSENT or found is None else made(found)

    return rule


def over(
    domain: str, months: int, made: Callable[[list[Any], Firm], Any], keep: Callable[..., Any] | None = None
) -> Rule:
    """Something of the rows of a window that meet ``keep`` (row, as-of day)."""

    def rule(firm: Firm) -> Any:
        rows = [row for row in firm.rows(domain, months) if keep is None or keep(row, firm.as_of)]
        return made(rows, firm) if rows else ABSENT

    return rule


def summed(domain: str, item: str, months: int, keep: Callable[..., Any] | None = None, *, empty: Any = None) -> Rule:
    """A sum over a window; ``empty`` if no row has a value."""

    def made(rows: list[Any], _: Firm) -> Any:
        found = total(rows, item)
        return empty if found is None else found

    return over(domain, months, made, keep)


def counted(domain: str, months: int, keep: Callable[..., Any] | None = None) -> Rule:
    """How many rows."""
    return over(domain, months, lambda rows, _: len(rows), keep)


def counted_if(domain: str, months: int, test: Callable[[Any], Any]) -> Rule:
    """How many rows of a window meet a test; 0 if rows are there and none does."""
    return over(domain, months, lambda rows, _: sum(bool(test(row)) for row in rows))


def any_of(domain: str, months: int, test: Callable[[Any], Any], keep: Callable[..., Any] | None = None) -> Rule:
    """Whether one of the rows meets a test; None if it is known of none."""

    def made(rows: list[Any], _: Firm) -> Any:
        known = [test(row) for row in rows if test(row) is not None]
        return any(known) if known else None

    return over(domain, months, made, keep)


def shares(domain: str, above: str, below: str, months: int) -> Rule:
    """The quotient of two sums."""
    return over(domain, months, lambda rows, _: ratio(total(rows, above), total(rows, below)))


def trend(domain: str, item: str) -> Rule:
    """The last six months to the six before."""

    def made(rows: list[Any], firm: Firm) -> Any:
        def age(row: Any) -> int:
            return (firm.as_of.year - row["period"].year) * 12 + firm.as_of.month - row["period"].month

        recent = [row for row in rows if age(row) < 6]
        return ratio(total(recent, item), total([row for row in rows if age(row) >= 6], item))

    return over(domain, 12, made)


def is_open(item: str) -> Callable[[Any, date], bool]:
    """Whether a day is not there, or is still to come."""
    return lambda row, day: row[item] is None or row[item] > day


def until(item: str) -> Callable[[Any, date], bool]:
    """Whether a day is not there, or is not past."""
    return lambda row, day: row[item] is None or row[item] >= day


def within(value: Any, words: Sequence[str]) -> bool | None:
    """Whether a code is one of these; None for no code."""
    return None if value is None else value in words


def late(start: str, end: str) -> Callable[[Any], bool]:
    """More than 46 days after the first of the month."""
    return lambda row: row[end] is not None and (row[end] - row[start]).days > 46


def span(domain: str, item: str) -> Rule:
    """The newest value less the oldest of the window."""

    def made(rows: list[Any], firm: Firm) -> Any:
        known = sorted((row[firm.held_from[domain]], row[item]) for row in rows if row[item] is not None)
        return known[-1][1] - known[0][1] if known else None

    return over(domain, 12, made)


def peak(rows: list[Any], _: Firm) -> Any:
    """The highest to the mean."""
    values = [Fraction(str(row["sales"])) for row in rows if row["sales"] is not None]
    return ratio(max(values), sum(values) / len(values)) if values else None


def longest(rows: list[Any], _: Firm) -> Any:
    """The most months overdue."""
    return max((row["months_overdue"] for row in rows if row["months_overdue"] is not None), default=None)


def across(left: tuple[str, str], right: tuple[str, str], factor: int = 1) -> Rule:
    """A quotient of sums of two domains, where both have rows."""

    def rule(firm: Firm) -> Any:
        above, below = firm.rows(left[0], 12), firm.rows(right[0], 12)
        if not above or not below:
            return ABSENT
        found = total(above, left[1])
        return None if found is None else ratio(found * factor, total(below, right[1]))

    return rule


def lost(rows: list[Any], _: Firm) -> Any:
    """Lost of those decided."""
    decided = [row for row in rows if row["outcome"] in ("won", "lost")]
    return ratio(sum(row["outcome"] == "lost" for row in decided), len(decided))


def paid_in(firm: Firm) -> Any:
    """Paid in to registered."""
    above, below = firm.latest("registration", "paid_in_capital"), firm.latest("registration", "registered_capital")
    if above is None or below is None:
        return None
    return ratio(Fraction(str(above)), Fraction(str(below)))


def late_deliveries(rows: list[Any], _: Firm) -> Any:
    """Late of those that say so."""
    known = [row for row in rows if row["on_time"] is not None]
    return ratio(sum(not row["on_time"] for row in known), len(known))


def has(item: str) -> Callable[[Any], bool]:
    """Whether there is a value."""
    return lambda row: row[item] is not None


ADVERSE = ("focus", "dishonest", "anomaly")
_OPEN_REAL = is_open("cancelled_on")
_PERSONNEL = "social_insurance"


def _honoured(row: Any, day: date) -> bool:
    return until("valid_until")(row, day) and is_open("withdrawn_on")(row, day)


def _between(item: str, months: int) -> Callable[[Any, date], bool]:
    return lambda row, day: row[item] is not None and months_before(day, months) < row[item] <= day


NAIVE: dict[str, Rule] = {
    "firm_age_days": lambda firm: _age(firm),
    "registered_capital_now": latest("registration", "registered_capital"),
    "paid_in_share": paid_in,
    "status_not_active": latest("registration", "status", lambda value: value != "active"),
    "status_changes_36m": counted("registration", 36),
    "annual_report_missing": latest("registration", "annual_report_filed", lambda value: not value),
    "industry_section": latest("registration", "industry"),
    "enterprise_type_now": latest("registration", "enterprise_type"),
    "size_class": latest("registration", "employees_size"),
    "tax_sales_12m": summed("tax", "sales", 12),
    "tax_sales_trend": trend("tax", "sales"),
    "tax_vat_burden_12m": shares("tax", "vat_paid", "sales", 12),
    "tax_income_12m": summed("tax", "income_tax_paid", 12),
    "tax_arrears_now": latest("tax", "arrears"),
    "tax_arrears_months_12m": counted_if("tax", 12, lambda row: (row["arrears"] or 0) > 0),
    "tax_late_filings_12m": counted_if("tax", 12, late("period", "filed_on")),
    "tax_filed_months_12m": counted_if("tax", 12, has("filed_on")),
    "tax_rating": latest("tax", "credit_rating"),
    "tax_idle_months_12m": counted_if("tax", 12, lambda row: row["sales"] == 0),
    "tax_voided_share_12m": shares("tax", "invoices_voided", "invoices_issued", 12),
    "tax_sales_peak_12m": over("tax", 12, peak),
    "insured_staff_now": latest(_PERSONNEL, "insured_staff"),
    "insured_staff_change_12m": span(_PERSONNEL, "insured_staff"),
    "insurance_paid_share_12m": shares(_PERSONNEL, "contribution_paid", "contribution_due", 12),
    "insurance_overdue_max_12m": over(_PERSONNEL, 12, longest),
    "insurance_arrears_now": latest(_PERSONNEL, "arrears"),
    "insurance_base_per_head_12m": shares(_PERSONNEL, "contribution_base", "insured_staff", 12),
    "insurance_late_months_12m": counted_if(_PERSONNEL, 12, late("period", "paid_on")),
    "fund_contributors_now": latest("housing_fund", "contributors"),
    "fund_paid_per_head_12m": shares("housing_fund", "contribution_paid", "contributors", 12),
    "fund_arrears_now": latest("housing_fund", "arrears"),
    "fund_account_not_normal": latest("housing_fund", "account_status", lambda value: value != "normal"),
    "fund_paid_months_12m": counted_if("housing_fund", 12, lambda row: (row["contribution_paid"] or 0) > 0),
    "suits_defendant_24m": counted("courts", 24, lambda row, _: row["role"] == "defendant"),
    "suits_plaintiff_24m": counted("courts", 24, lambda row, _: row["role"] == "plaintiff"),
    "enforcements_36m": counted(
        "courts", 36, lambda row, _: row["case_kind"] == "enforcement" or row["role"] == "executed"
    ),
    "claims_against_24m": summed(
        "courts", "claimed_amount", 24, lambda row, _: row["role"] in ("defendant", "executed")
    ),
    "unfulfilled_now": summed("courts", "unfulfilled_amount", 0, is_open("closed_on")),
    "dishonest_listed_60m": over("courts", 60, lambda rows, _: any(row["dishonest_listed"] for row in rows)),
    "suits_lost_share_36m": over("courts", 36, lost),
    "labour_suits_24m": counted("courts", 24, lambda row, _: row["case_kind"] == "labour"),
    "bankruptcy_filed_60m": any_of("courts", 60, lambda row: row["case_kind"] == "bankruptcy"),
    "penalties_24m": counted("penalties", 24),
    "penalties_serious_36m": counted("penalties", 36, lambda row, _: row["seriousness"] == "serious"),
    "fines_24m": summed("penalties", "fine_amount", 24, empty=0),
    "fines_unpaid_36m": counted(
        "penalties", 36, lambda row, day: (row["fine_amount"] or 0) > 0 and is_open("paid_on")(row, day)
    ),
    "penalties_uncorrected_36m": counted("penalties", 36, is_open("corrected_on")),
    "suspended_36m": any_of("penalties", 36, lambda row: row["kind"] in ("suspension", "licence_revoked")),
    "permits_valid_now": counted(
        "permits", 0, lambda row, day: row["status"] == "valid" and until("valid_until")(row, day)
    ),
    "permits_revoked_36m": counted("permits", 0, _between("revoked_on", 36)),
    "permits_ending_6m": counted(
        "permits",
        0,
        lambda row, day: (
            row["status"] == "valid" and row["valid_until"] is not None and 0 <= (row["valid_until"] - day).days <= 180
        ),
    ),
    "electricity_12m": summed("utilities", "electricity_kwh", 12),
    "electricity_trend": trend("utilities", "electricity_kwh"),
    "water_12m": summed("utilities", "water_m3", 12),
    "gas_12m": summed("utilities", "gas_m3", 12),
    "electricity_price_12m": shares("utilities", "electricity_charge", "electricity_kwh", 12),
    "utility_arrears_now": latest("utilities", "arrears"),
    "utility_cut_off_12m": over("utilities", 12, lambda rows, _: any(row["cut_off"] for row in rows)),
    "premises_area_now": summed("real_estate", "area_m2", 0, _OPEN_REAL),
    "mortgage_amount_now": summed("real_estate", "mortgage_amount", 0, _OPEN_REAL, empty=0),
    "mortgaged_share_now": over(
        "real_estate", 0, lambda rows, _: Fraction(sum(bool(row["mortgaged"]) for row in rows), len(rows)), _OPEN_REAL
    ),
    "real_estate_seized": over("real_estate", 0, lambda rows, _: any(row["seized"] for row in rows), _OPEN_REAL),
    "exports_12m": summed("customs", "exports", 12),
    "exports_trend": trend("customs", "exports"),
    "imports_12m": summed("customs", "imports", 12),
    "declarations_rejected_12m": shares("customs", "rejected_declarations", "declarations", 12),
    "customs_rating_now": latest("customs", "customs_rating"),
    "patents_now": counted(
        "intellectual_property",
        0,
        lambda row, day: row["kind"] in ("invention", "utility", "design") and is_open("expires_on")(row, day),
    ),
    "trademarks_now": counted(
        "intellectual_property",
        0,
        lambda row, day: row["kind"] in ("trademark", "software") and is_open("expires_on")(row, day),
    ),
    "rights_granted_36m": counted("intellectual_property", 36),
    "rights_pledged": over(
        "intellectual_property", 0, lambda rows, _: any(row["pledged"] for row in rows), is_open("expires_on")
    ),
    "emissions_exceeded_36m": counted("environment", 36, lambda row, _: row["exceeded"]),
    "environment_bad_36m": counted("environment", 36, lambda row, _: row["rating"] in ("red", "black")),
    "environment_open_36m": counted(
        "environment", 36, lambda row, day: row["exceeded"] and is_open("rectified_on")(row, day)
    ),
    "environment_incidents_60m": counted("environment", 60, lambda row, _: row["kind"] == "incident"),
    "procurement_24m": summed("procurement", "amount", 24),
    "procurement_late_36m": over("procurement", 36, late_deliveries),
    "procurement_poor_36m": counted("procurement", 36, lambda row, _: row["rating"] == "poor"),
    "honours_now": counted("honours", 0, _honoured),
    "high_tech_now": any_of(
        "honours", 0, lambda row: within(row["kind"], ("high_tech", "specialised", "little_giant")), _honoured
    ),
    "honours_withdrawn_36m": counted("honours", 0, _between("withdrawn_on", 36)),
    "honours_national_now": counted(
        "honours", 0, lambda row, day: row["level"] == "national" and until("valid_until")(row, day)
    ),
    "red_listed_now": any_of("public_credit", 0, lambda row: row["list"] == "red", is_open("removed_on")),
    "adverse_lists_now": counted(
        "public_credit", 0, lambda row, day: row["list"] in ADVERSE and is_open("removed_on")(row, day)
    ),
    "adverse_listings_36m": counted("public_credit", 36, lambda row, _: row["list"] in ADVERSE),
    "dishonest_now": any_of("public_credit", 0, lambda row: row["list"] == "dishonest", is_open("removed_on")),
    "sales_per_head_12m": across(("tax", "sales"), (_PERSONNEL, "insured_staff")),
    "electricity_per_sales_12m": across(("utilities", "electricity_kwh"), ("tax", "sales"), 10_000),
}


def _age(firm: Firm) -> Any:
    found = firm.latest("registration", "established_on")
    return found if found is ABSENT or found is None else (firm.as_of - found).days
