"""An account of use in Chinese and English, as rows of a table: the same for the bureau's officers and the bank."""

from __future__ import annotations

from collections.abc import Mapping

from lab.terms.contract.metering import MeterAccount, MeterDifference, PriceBasis
from lab.terms.contract.prices import PriceUnit

UNIT_LABELS: Mapping[PriceUnit, str] = {
    PriceUnit.SCORED_ENTERPRISE: "评分企业 scored enterprises",
    PriceUnit.MATCHED_IDENTIFIER: "匹配标识 matched identifiers",
    PriceUnit.JOB: "任务 jobs",
    PriceUnit.MONTH: "有效月 active months",
}
_WITHOUT_AMOUNT: Mapping[PriceBasis, str] = {
    PriceBasis.FREE: "免费 free",
    PriceBasis.NOT_PRICED: "未定价 not priced",
    PriceBasis.UNSTATED: "合同未约定 not stated",
    PriceBasis.PRICED: "",
}
ACCOUNT_COLUMNS = ("月 month", "版本 version", "单位 unit", "数量 count", "单价 price", "金额 amount")
DIFFERENCE_COLUMNS = ("月 month", "版本 version", "单位 unit", "数据局 bureau", "本行回执 receipts")


def account_title(account: MeterAccount) -> str:
    """The title of the table."""
    return f"计量 Use under contract {account.contract}, {account.month or '全部月份 all months'}"


def account_rows(account: MeterAccount) -> list[tuple[object, ...]]:
    """A row for each line, by ``ACCOUNT_COLUMNS``."""
    return [
        (
            line.month,
            line.version,
            UNIT_LABELS[line.unit],
            f"{line.count:,}",
            line.price or _WITHOUT_AMOUNT[line.basis],
            f"{line.amount} {line.currency}" if line.amount is not None else "",
        )
        for line in account.lines
    ]


def account_totals(account: MeterAccount) -> list[str]:
    """A sentence for each total, or one that says that there is none."""
    if not account.totals:
        return ["无应计金额 Nothing is owed."]
    return [f"合计 Total: {one.amount} {one.currency} (本系统不收付 nothing is paid here)" for one in account.totals]


def difference_rows(found: list[MeterDifference]) -> list[tuple[object, ...]]:
    """A row for each difference, by ``DIFFERENCE_COLUMNS``."""
    return [(one.key.month, one.key.version, UNIT_LABELS[one.key.unit], one.stated, one.own) for one in found]
