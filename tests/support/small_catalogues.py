"""A small catalogue's files, to change one thing in and see what the reader says."""

from __future__ import annotations

from lab.bureau.data.catalogue.definition import CatalogueFiles

INDEX = """\
title_zh = "小目录"
title_en = "Small catalogue"
domains = ["tax", "signals"]
"""
TAX = """\
code = "tax"
zh = "税务"
en = "Tax"
owner_zh = "税务局"
owner_en = "Tax Service"
frequency = "monthly"
grain = "period"
key = ["period"]
held_from = "period"

[defaults]
grade = "sensitive"
sharing = "conditional"
opening = "not-open"
release_forms = ["verification", "model-input", "portrait"]
legal_basis = "《税收征收管理法》"
retention_years = 10

[items.period]
zh = "所属期"
en = "Period"
definition_zh = "月份的第一天。"
definition_en = "The first day of the month."
type = "date"
required = true

[items.sales]
zh = "销售额"
en = "Sales"
definition_zh = "申报的销售额。"
definition_en = "Sales as declared."
type = "amount"
credit_use = "restricted"

[items.rating]
zh = "信用级别"
en = "Rating"
definition_zh = "最近的级别。"
definition_en = "The latest rating."
type = "code"
grade = "internal"
codes.A = ["甲", "First"]
codes.B = ["乙", "Second"]

[items.payer]
zh = "办税人"
en = "Payer"
definition_zh = "办税人姓名。"
definition_en = "The name of who pays."
type = "text"
personal = true
release_forms = ["verification"]
"""
SIGNALS = """\
code = "signals"
zh = "指标"
en = "Signals"
owner_zh = "数据局"
owner_en = "Data Bureau"
frequency = "monthly"
grain = "event"
key = ["number"]
held_from = "seen_on"

[defaults]
grade = "internal"
sharing = "conditional"
opening = "not-open"
release_forms = ["model-input", "portrait"]
legal_basis = "内部规定"

[items.number]
zh = "编号"
en = "Number"
definition_zh = "编号。"
definition_en = "The number."
type = "text"
required = true

[items.seen_on]
zh = "日期"
en = "Seen on"
definition_zh = "日期。"
definition_en = "The day."
type = "date"
required = true

[items.strength]
zh = "强度"
en = "Strength"
definition_zh = "由销售额和级别得出。"
definition_en = "Made of sales and rating."
type = "integer"
unit = "分 points"
derived_from = ["tax.sales", "tax.rating"]
"""


def small_files(**changed: str) -> CatalogueFiles:
    """The files ``catalogue``, ``tax`` and ``signals``, some replaced."""
    texts = {"catalogue": INDEX, "tax": TAX, "signals": SIGNALS} | changed
    return CatalogueFiles({f"{name}.toml": text for name, text in texts.items()})


def edited(name: str, before: str, after: str) -> CatalogueFiles:
    """The files with one text replaced in one of them; the text must be there."""
    text = {"catalogue": INDEX, "tax": TAX, "signals": SIGNALS}[name]
    if before not in text:
        raise ValueError(before)
    return small_files(**{name: text.replace(before, after, 1)})
