"""The three lists of a public data office: what is gathered, what offices may have, what is open to the public."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from lab.bureau.data.catalogue.exports.words import (
    FREQUENCY_WORDS,
    OPENING_WORDS,
    SHARING_WORDS,
    TYPE_WORDS,
    describe_forms,
    describe_grade,
    yes_or_no,
)
from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Item
from lab.tables.spreadsheet_csv import write_csv
from lab.tables.workbook.writing import workbook_of_sheets

_Column = Callable[[Domain, Item], object]

_COMMON: Mapping[str, _Column] = {
    "代码 code": lambda _, item: item.code,
    "数据项 item": lambda _, item: item.zh,
    "英文名 English name": lambda _, item: item.en,
    "领域 domain": lambda domain, _: domain.zh,
    "数源部门 owner": lambda domain, _: domain.owner_zh,
    "owner department": lambda domain, _: domain.owner_en,
    "分级 grade (GB/T 43697-2024)": lambda _, item: describe_grade(item.grade),
    "个人信息 personal": lambda _, item: yes_or_no(item.personal),
    "更新频率 frequency": lambda domain, _: " ".join(FREQUENCY_WORDS[domain.frequency]),
}
_LISTS: Mapping[str, tuple[str, Mapping[str, _Column]]] = {
    "aggregation": (
        "归集清单 aggregation",
        {
            "定义 definition (zh)": lambda _, item: item.definition[0],
            "definition (en)": lambda _, item: item.definition[1],
            "类型 type": lambda _, item: " ".join(TYPE_WORDS[item.type]),
            "单位 unit": lambda _, item: item.unit,
            "代码表 code list": lambda _, item: "; ".join(f"{c}={w[0]} {w[1]}" for c, w in item.codes.items()),
            "必填 required": lambda _, item: yes_or_no(item.required),
            "依据 legal basis": lambda _, item: item.legal_basis,
            "保存年限 retention (years)": lambda _, item: item.retention_years,
        },
    ),
    "sharing": (
        "共享清单 sharing",
        {
            "共享类型 sharing": lambda _, item: " ".join(SHARING_WORDS[item.sharing]),
            "提供形式 forms": lambda _, item: describe_forms(item.release_forms),
            "依据 legal basis": lambda _, item: item.legal_basis,
        },
    ),
    "opening": (
        "开放清单 opening",
        {
            "开放类型 opening": lambda _, item: " ".join(OPENING_WORDS[item.opening]),
            "提供形式 forms": lambda _, item: describe_forms(item.release_forms),
            "依据 legal basis": lambda _, item: item.legal_basis,
        },
    ),
}


def resource_lists(catalogue: Catalogue) -> dict[str, pl.DataFrame]:
    """The aggregation, sharing and opening list by name; each has a row for every item, whatever is decided of it."""
    return {name: _make_list(catalogue, columns) for name, (_, columns) in _LISTS.items()}


def lists_as_csv(catalogue: Catalogue) -> dict[str, bytes]:
    """The three lists as CSV that spreadsheets open, by file name."""
    return {f"{name}.csv": _as_csv(table) for name, table in resource_lists(catalogue).items()}


def lists_as_workbook(catalogue: Catalogue, folder: Path) -> dict[str, bytes]:
    """The three lists as one Excel workbook; ``folder`` holds rows meanwhile."""
    sheets = {_LISTS[name][0]: table for name, table in resource_lists(catalogue).items()}
    return {"catalogue.xlsx": workbook_of_sheets(sheets, folder)}


def _make_list(catalogue: Catalogue, columns: Mapping[str, _Column]) -> pl.DataFrame:
    rows = [(domain, item) for domain in catalogue.domains for item in domain.items]
    return pl.DataFrame({name: [column(*row) for row in rows] for name, column in {**_COMMON, **columns}.items()})


def _as_csv(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    write_csv(table, buffer)
    return buffer.getvalue()
