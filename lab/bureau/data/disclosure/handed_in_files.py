"""The disclosure and the forms as files that a bureau hands in: CSV, one Excel workbook, and JSON, in a new folder."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from lab.bureau.data.disclosure.registration_form import SCHEMA as FORM_SCHEMA
from lab.bureau.data.disclosure.registration_form import RegistrationForm
from lab.bureau.data.disclosure.yearly import SCHEMA as YEARLY_SCHEMA
from lab.bureau.data.disclosure.yearly import YearlyDisclosure
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.workbook.writing import workbook_of_sheets
from lab.terms.text.bilingual import BilingualText

_SHEETS: Mapping[str, BilingualText] = {
    "summary": ("汇总", "summary"),
    "resources": ("数据资源", "resources"),
    "products": ("产品服务", "products"),
    "recipients": ("使用单位", "recipients"),
    "prices": ("价格", "prices"),
}
COLUMN_WORDS: Mapping[str, BilingualText] = {
    "year": ("年度", "year"),
    "contracts": ("合同数", "contracts"),
    "recipients": ("使用单位数", "recipients"),
    "resources": ("数据项数", "resources"),
    "products": ("产品", "products"),
    "calls": ("调用次数", "calls"),
    "scored_enterprises": ("评分企业数", "scored enterprises"),
    "matched_identifiers": ("匹配标识数", "matched identifiers"),
    "item": ("数据项代码", "item"),
    "zh": ("名称", "name (Chinese)"),
    "en": ("英文名", "name (English)"),
    "domain": ("领域", "domain"),
    "owner_zh": ("数源部门", "owner (Chinese)"),
    "owner_en": ("数源部门英文名", "owner (English)"),
    "grade": ("分级", "grade"),
    "form_zh": ("使用形式", "form of use (Chinese)"),
    "form_en": ("使用形式英文", "form of use (English)"),
    "product": ("产品", "product"),
    "services_zh": ("服务", "services (Chinese)"),
    "services_en": ("服务英文", "services (English)"),
    "contract": ("合同编号", "contract"),
    "versions": ("版本", "versions"),
    "version": ("版本", "version"),
    "request": ("需求申请", "request"),
    "recipient": ("使用单位", "recipient"),
    "purpose_zh": ("用途", "purpose (Chinese)"),
    "purpose_en": ("用途英文", "purpose (English)"),
    "items": ("数据项数", "items"),
    "starts": ("生效日", "starts"),
    "expires": ("到期日", "expires"),
    "active_months": ("有效月数", "active months"),
    "jobs": ("任务数", "jobs"),
    "score_calls": ("评分调用", "score calls"),
    "match_calls": ("匹配调用", "match calls"),
    "prices_zh": ("合同价格", "prices (Chinese)"),
    "prices_en": ("合同价格英文", "prices (English)"),
    "stated": ("约定", "stated"),
    "unit": ("单位", "unit"),
    "price": ("单价", "price"),
    "currency": ("币种", "currency"),
    "type": ("类型", "type"),
    "required": ("必填", "required"),
    "personal": ("个人信息", "personal"),
    "sharing": ("共享类型", "sharing"),
    "opening": ("开放类型", "opening"),
    "forms": ("提供形式", "forms"),
    "legal_basis": ("依据", "legal basis"),
    "retention_years": ("保存年限", "retention (years)"),
}
"""What each column is called in both languages."""


def yearly_files(found: YearlyDisclosure, bureau: str) -> dict[str, bytes]:
    """The disclosure by file name: a CSV a table, one workbook, one JSON document."""
    facts = asdict(found)
    tables = {name: _table([facts[name]] if name == "summary" else facts[name]) for name in _SHEETS}
    files = {f"disclosure-{found.year}-{name}.csv": _as_csv(table) for name, table in tables.items()}
    sheets = {" ".join(_SHEETS[name]): table for name, table in tables.items()}
    files[f"disclosure-{found.year}.xlsx"] = _workbook(sheets)
    files[f"disclosure-{found.year}.json"] = _as_json({"schema": YEARLY_SCHEMA, "bureau": bureau} | facts)
    return files


def registration_files(form: RegistrationForm) -> dict[str, bytes]:
    """The form of one resource by file name: its facts and its items as CSV, one workbook, one JSON document."""
    facts = pl.DataFrame(
        [(f"{zh} {en}", str(value)) for _, (zh, en), value in form.facts],
        schema=["项目 field", "内容 value"],
        orient="row",
    )
    items, name = _table(form.items), f"registration-{form.domain}"
    document = {"schema": FORM_SCHEMA, **{fact: value for fact, _, value in form.facts}, "items": list(form.items)}
    return {
        f"{name}.csv": _as_csv(facts),
        f"{name}-items.csv": _as_csv(items),
        f"{name}.xlsx": _workbook({"登记表 form": facts, "数据项 items": items}),
        f"{name}.json": _as_json(document),
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The rows with bilingual columns; without rows, one column that says so."""
    if not rows:
        return pl.DataFrame({"无 none": pl.Series([], dtype=pl.String)})
    columns = {name: " ".join(COLUMN_WORDS[name]) for name in rows[0]}
    words = {True: "是 yes", False: "否 no"}
    return pl.DataFrame(
        {
            columns[name]: [words[row[name]] if isinstance(row[name], bool) else row[name] for row in rows]
            for name in columns
        }
    )


def _as_csv(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    write_csv(table, buffer)
    return buffer.getvalue()


def _workbook(sheets: Mapping[str, pl.DataFrame]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="shulab-disclosure-") as folder:
        return workbook_of_sheets(sheets, Path(folder))


def _as_json(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
