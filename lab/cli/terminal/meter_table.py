"""An account of use on a terminal, the same for the bureau's officers and the bank."""

from __future__ import annotations

from lab.cli.terminal.output import CommandOutput
from lab.terms.contract.metering import MeterAccount, PriceBasis
from lab.terms.contract.prices import PriceUnit

UNIT_LABELS = {
    PriceUnit.SCORED_ENTERPRISE: "评分企业 scored enterprises",
    PriceUnit.MATCHED_IDENTIFIER: "匹配标识 matched identifiers",
    PriceUnit.JOB: "任务 jobs",
    PriceUnit.MONTH: "有效月 active months",
}
_WITHOUT_AMOUNT = {
    PriceBasis.FREE: "免费 free",
    PriceBasis.NOT_PRICED: "未定价 not priced",
    PriceBasis.UNSTATED: "合同未约定 not stated",
    PriceBasis.PRICED: "",
}


def show_account(out: CommandOutput, account: MeterAccount) -> None:
    """The lines and totals of an account."""
    about = account.month or "全部月份 all months"
    out.table(
        f"计量 Use under contract {account.contract}, {about}",
        ("月 month", "版本 version", "单位 unit", "数量 count", "单价 price", "金额 amount"),
        [
            (
                line.month,
                line.version,
                UNIT_LABELS[line.unit],
                f"{line.count:,}",
                line.price or _WITHOUT_AMOUNT[line.basis],
                f"{line.amount} {line.currency}" if line.amount is not None else "",
            )
            for line in account.lines
        ],
    )
    for total in account.totals:
        out.say(f"合计 Total: {total.amount} {total.currency} (本系统不收付 nothing is paid here)")
    if not account.totals:
        out.say("无应计金额 Nothing is owed.")
