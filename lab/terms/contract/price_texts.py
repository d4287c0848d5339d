"""The clauses about prices and the request for data in Chinese and English.

A price changes what use costs and not what is allowed, so no change of it is wider or narrower.
"""

from __future__ import annotations

from collections.abc import Mapping

from lab.terms.contract.document import Contract
from lab.terms.contract.prices import Prices, PriceUnit, UnitPrice
from lab.terms.text.bilingual import BilingualText, join_words

UNIT_TEXTS: Mapping[PriceUnit, BilingualText] = {
    PriceUnit.SCORED_ENTERPRISE: ("每评分一家企业", "for each enterprise scored"),
    PriceUnit.MATCHED_IDENTIFIER: (
        "每匹配一个标识（重复的、随附的校验元素也计入）",
        "for each identifier matched (repeated ones and canaries count too)",
    ),
    PriceUnit.JOB: ("每个任务", "for each job"),
    PriceUnit.MONTH: ("每个合同有效的自然月（UTC）", "for each calendar month (UTC) in which the contract is active"),
}


def describe_prices(contract: Contract) -> BilingualText:
    """What use costs, in both languages."""
    prices = contract.prices
    if prices is None:
        return "本合同未约定价格。", "This contract says nothing about prices."
    if prices.free:
        return "使用免费。", "Use is free of charge."
    words = [words for _, words in price_members(contract)]
    return (
        f"价格：{join_words(words, 0)}。按台账计量，退回的不计；每行金额四舍五入到分；本系统不收付款项。",
        f"Prices: {join_words(words, 1)}. Units are counted from the ledger, without what was returned; each line is "
        "rounded half up to the hundredth; nothing is paid in this system.",
    )


def price_members(contract: Contract) -> list[tuple[str, BilingualText]]:
    """The prices, each by its unit."""
    prices = contract.prices
    return [] if prices is None else [(one.unit.value, _price_words(one, prices)) for one in prices.units]


def describe_request(contract: Contract) -> BilingualText:
    """The request for data that the contract answers, in both languages."""
    if contract.request is None:
        return "本合同不是由需求申请产生的。", "This contract does not come from a request for data."
    return (
        f"本合同落实需求申请 {contract.request}。",
        f"This contract carries out the request for data {contract.request}.",
    )


def _price_words(one: UnitPrice, prices: Prices) -> BilingualText:
    zh, en = UNIT_TEXTS[one.unit]
    return f"{zh} {one.price} {prices.currency}", f"{one.price} {prices.currency} {en}"
