"""A mapping is checked against the catalogue and the file's header before a row is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.ingestion.mapping import check_header, check_mapping, parse_mapping
from lab.terms.errors import InvalidInput
from tests.support.delivering_bureau import COURTS, TAX, TAX_HEADER

OPAQUE = ("[enterprise]\n", '[enterprise]\nkind = "opaque"\n')
COLUMNS = tuple(TAX_HEADER.split(","))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('domain = "tax"', 'domain = "taxes"'), "domain: taxes is no domain of the catalogue (did you mean tax?)"),
        (("[items.arrears]", "[items.arears]"), "items.arears: arears is no item of the domain tax"),
        (('unit = "万元"\n', ""), "items.sales.unit: is missing"),
        (('unit = "万元"', 'unit = "万块"'), "items.sales.unit: 万块 is no unit that is known for this item"),
        (('unit = "万元"', 'unit = "美元"'), "items.sales.unit: 美元 is no unit"),
        (('"A级" = "A"', '"A级" = "AA"'), "items.credit_rating.codes: AA is no code of the catalogue"),
        (('column = "等级"', 'column = "等级"\nunit = "元"'), "items.credit_rating.unit: is stated for an item"),
        (('column = "等级"', 'column = "等级"\nperiod = "month"'), "is no date"),
        (('column = "等级"', 'column = "等级"\nconstant = "A"'), "names a column or a constant"),
        (('[items.sales]\ncolumn = "销售额"\nunit = "万元"\n', ""), "items.sales: is missing, and required"),
    ],
)
def test_a_mapping_that_the_catalogue_contradicts(change: tuple[str, str], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_mapping(parse_mapping(TAX.replace(*change, 1).encode(), "m.toml"), default_catalogue())
    assert words in str(caught.value) and "m.toml" in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    text = TAX.replace('unit = "万元"', 'unit = "万块"').replace('"A级" = "A"', '"A级" = "AA"')
    with pytest.raises(InvalidInput) as caught:
        check_mapping(parse_mapping(text.encode(), "m.toml"), default_catalogue())
    assert "items.sales.unit" in str(caught.value) and "items.credit_rating.codes" in str(caught.value)


def test_a_deletion_needs_the_key_alone() -> None:
    text = 'domain = "courts"\n[enterprise]\ncolumn = "code"\n[items.case_number]\ncolumn = "case"\n'
    mapping = parse_mapping(text.encode(), "m.toml")
    assert check_mapping(mapping, default_catalogue(), partial=True).code == "courts"
    with pytest.raises(InvalidInput, match=r"items\.filed_on: is missing"):
        check_mapping(mapping, default_catalogue())
    assert check_mapping(parse_mapping(COURTS.encode(), "m.toml"), default_catalogue()).code == "courts"


def test_a_changed_header_names_key_and_nearest_column() -> None:
    mapping = parse_mapping(TAX.encode(), "m.toml")
    domain = check_mapping(mapping, default_catalogue())
    assert check_header(mapping, domain, "t.csv", COLUMNS) == ()
    with pytest.raises(InvalidInput) as caught:
        check_header(mapping, domain, "t.csv", [*COLUMNS[:2], "销售额合计", *COLUMNS[3:]])
    for word in ("t.csv", "m.toml", "items.sales.column", "销售额", "nearest column is 销售额合计"):
        assert word in str(caught.value)
    (warning,) = check_header(mapping, domain, "t.csv", [*COLUMNS, "备注"])
    assert "备注" in warning
    assert check_header(mapping, domain, "t.csv", [*COLUMNS, "row", "reason"]) == ()


def test_a_unit_in_the_columns_name_contradicts_the_stated_one() -> None:
    mapping = parse_mapping(
        TAX.replace('column = "销售额"\nunit = "万元"', 'column = "销售额（元）"\nunit = "万元"').encode(), "m"
    )
    domain = check_mapping(mapping, default_catalogue())
    with pytest.raises(InvalidInput, match=r"items.sales.unit: is 万元, and the column's name says 元"):
        check_header(mapping, domain, "t.csv", [*COLUMNS, "销售额（元）"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ("[enterprise]\n", '[enterprise]\nkind = "opaque"\n'),
            "enterprise.kind: is opaque; the catalogue's id_kind is uscc",
        ),
        (('column = "等级"', 'column = "等级"\ndays_since = 1960-01-01'), "is no date"),
    ],
)
def test_codes_and_counts_of_days_where_they_do_not_belong(change: tuple[str, str], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_mapping(parse_mapping(TAX.replace(*change, 1).encode(), "m.toml"), default_catalogue())
    assert words in str(caught.value)


def test_a_catalogue_of_other_numbers_takes_no_unified_codes() -> None:
    catalogue = replace(default_catalogue(), id_kind="opaque")
    with pytest.raises(InvalidInput) as caught:
        check_mapping(parse_mapping(TAX.encode(), "m.toml"), catalogue)
    assert "enterprise.kind: is uscc; the catalogue's id_kind is opaque" in str(caught.value)
    check_mapping(parse_mapping(TAX.replace(*OPAQUE).encode(), "m.toml"), catalogue)
