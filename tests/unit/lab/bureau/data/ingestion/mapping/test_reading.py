"""A mapping file is read strictly; every fault names file, key and the nearest known word."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bureau.data.ingestion.mapping import parse_mapping, read_mapping
from lab.terms.errors import InvalidInput, NotFound
from tests.support.delivering_bureau import TAX


def fault(text: str) -> str:
    """What the error says of a mapping."""
    with pytest.raises(InvalidInput) as caught:
        parse_mapping(text.encode(), "tax.toml")
    assert "tax.toml" in str(caught.value)
    return str(caught.value)


def test_a_mapping_is_read() -> None:
    found = parse_mapping(TAX.encode(), "tax.toml")
    assert found.document.domain == "tax" and found.items["sales"].unit == "万元" and len(found.sha256) == 64
    assert found.columns()["销售额"] == "items.sales.column"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("domain =", "domian ="), ("domian (did you mean domain?)", "domain: is missing")),
        (('unit = "万元"', 'units = "万元"'), ("items.sales.units (did you mean unit?)",)),
        (('column = "代码"', 'column = "代码"\nkind = "uscd"'), ("enterprise.kind: is none of uscc",)),
        (('column = "所属期"', 'column = "所属期"\nperiod = "week"'), ("items.period.period: is none of month",)),
        (('column = "所属期"', "column = 3"), ("items.period.column: is no text",)),
        (("[enterprise]", "[enterprises]"), ("enterprises (did you mean enterprise?)", "enterprise: is missing")),
        (('domain = "tax"', 'domain = "tax'), ("to be TOML", "line 1")),
    ],
)
def test_a_fault_names_its_key(change: tuple[str, str], words: tuple[str, ...]) -> None:
    found = fault(TAX.replace(*change, 1))
    assert all(word in found for word in words), found


def test_no_value_of_the_file_is_in_an_error() -> None:
    assert "SECRET" not in fault(TAX.replace('column = "代码"', 'column = "代码"\nkind = "SECRET"'))
    assert "SECRET" not in fault(TAX.replace('domain = "tax"', "domain = SECRET"))


def test_a_missing_mapping_names_the_command_that_drafts_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="mapping suggest"):
        read_mapping(tmp_path / "none.toml")
    (tmp_path / "g.toml").write_bytes('domain = "税务局的数据"'.encode("gb18030"))
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_mapping(tmp_path / "g.toml")
