"""A draft finds the columns of real headers, and marks every guess."""

from __future__ import annotations

import polars as pl

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.ingestion.drafting.draft_text import write_draft
from lab.bureau.data.ingestion.drafting.suggestion import required_without_column, suggest_mapping
from lab.bureau.data.ingestion.mapping import check_mapping, parse_mapping
from tests.support.delivering_bureau import FIRMS


def sample(**columns: list[str]) -> pl.DataFrame:
    """Rows of as many firms as there are cells in each column."""
    return pl.DataFrame({"纳税人识别号": list(FIRMS[: len(next(iter(columns.values())))]), **columns})


def test_chinese_and_english_headers_are_found() -> None:
    table = sample(
        所属期=["2026年3月", "2026年4月"], Arrears=["0", "1"], 备注=["a", "b"], **{"应税销售额（万元）": ["1.2", "3"]}
    )
    draft = suggest_mapping(default_catalogue().domain("tax"), table)
    found = {one.item.name: one for one in draft.items}
    assert draft.enterprise is not None and draft.enterprise.column == "纳税人识别号"
    assert found["period"].column == "所属期" and found["arrears"].column == "Arrears"
    assert (found["sales"].column, found["sales"].unit, found["sales"].sure) == ("应税销售额（万元）", "万元", True)
    assert "备注" in draft.unused and not required_without_column(draft)


def test_a_draft_is_a_mapping_in_which_each_guess_is_marked() -> None:
    domain = default_catalogue().domain("tax")
    table = sample(所属期=["2026年3月", "2026年4月"], 销售额=["1.2", "3"], 申报日期=["13/04/2026", "02/05/2026"])
    text = write_draft(suggest_mapping(domain, table), "t.csv", "utf-8")
    mapping = parse_mapping(text.encode(), "draft.toml")
    assert check_mapping(mapping, default_catalogue()).code == "tax"
    assert mapping.items["filed_on"].date_order == "day-first"
    for line in text.splitlines():
        if line.startswith("column ="):
            assert "guess" in line
    assert "nothing states the unit" in text and "# [items.arrears]" in text


def test_words_that_no_code_list_has_must_be_filled_in() -> None:
    domain = default_catalogue().domain("penalties")
    table = sample(
        决定书文号=[f"深罚{n}号" for n in range(40)],
        处罚种类=["警告类", "罚款类"] * 20,
        处罚决定日期=["2026-03-04"] * 40,
    )
    text = write_draft(suggest_mapping(domain, table), "t.csv", "utf-8")
    assert '"罚款类" = "?"' in text and "fine" in text


def test_a_file_without_codes_gets_no_enterprise_column() -> None:
    draft = suggest_mapping(
        default_catalogue().domain("tax"), pl.DataFrame({"名称": ["甲", "乙"], "所属期": ["2026", "2027"]})
    )
    assert draft.enterprise is None
    assert 'column = "?"' in write_draft(draft, "t.csv", "utf-8")


def test_a_header_with_line_breaks_stays_in_its_comment() -> None:
    table = sample(所属期=["2026年3月"], **{'销售"额\n[items.x]': ["1"]})
    text = write_draft(suggest_mapping(default_catalogue().domain("tax"), table), "t\n.csv", "utf-8")
    assert parse_mapping(text.encode(), "d").document.domain == "tax"
