"""Portfolios: every row of the file ends as accepted or set aside."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.portfolio import read_portfolio
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason
from tests.support.credit_codes import with_checks

GOOD, OTHER = "91110000600037341L", "914403001922038216"


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "portfolio.csv"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_first_row_of_a_code_counts_and_nothing_is_lost(tmp_path: Path, encoding: str) -> None:
    rows = [f"{GOOD},1", f"{OTHER},2", f" {GOOD.lower()} ,3", "9111OOOO600037341L,4", ",5", f"{OTHER},6,7", "x,8"]
    path = write(tmp_path, "统一社会信用代码,余额\n" + "\n".join(rows), encoding)
    found = read_portfolio(path, kind="uscc")
    assert found.codes == (GOOD, OTHER)
    assert found.frame["余额"].to_list() == ["1", "2"]
    assert found.row_numbers.tolist() == [2, 3]
    assert [(row.row, row.reason) for row in found.set_aside] == [
        (4, RejectionReason.DUPLICATE),
        (5, RejectionReason.LOOK_ALIKE),
        (6, RejectionReason.EMPTY),
        (7, RejectionReason.RAGGED),
        (8, RejectionReason.LENGTH),
    ]
    assert found.rows == len(found.codes) + len(found.set_aside) == 7
    assert found.set_aside_counts == {"duplicate": 1, "look-alike": 1, "empty": 1, "ragged": 1, "length": 1}


def test_empty_portfolio_and_all_bad(tmp_path: Path) -> None:
    empty = read_portfolio(write(tmp_path, "id,x\n"), kind="uscc")
    assert empty.codes == () and empty.rows == 0
    bad = read_portfolio(write(tmp_path, "id,x\na,1\nb,2\n"), kind="uscc")
    assert bad.codes == () and len(bad.set_aside) == 2


def test_code_column_is_named_or_found(tmp_path: Path) -> None:
    path = write(tmp_path, f"firm,x\n{GOOD},1\n")
    assert read_portfolio(path, kind="uscc").id_column == "firm"
    assert read_portfolio(path, kind="opaque", id_column="x").codes == ("1",)
    with pytest.raises(InvalidInput, match="no column has a usual name"):
        read_portfolio(path, kind="opaque")
    with pytest.raises(InvalidInput, match="--id"):
        read_portfolio(path, kind="uscc", id_column="code")


def test_a_duplicate_carries_its_code_and_the_row_that_counts(tmp_path: Path) -> None:
    path = write(tmp_path, f"id,x\n{GOOD},1\n{OTHER},2\n{GOOD.lower()},3\nbad,4\n{GOOD},5\n")
    found = read_portfolio(path, kind="uscc")
    assert [(row.row, row.code, row.counted_row) for row in found.set_aside] == [
        (4, GOOD, 2),
        (5, None, None),
        (6, GOOD, 2),
    ]


def test_what_is_odd_about_identifiers_is_a_warning(tmp_path: Path) -> None:
    decimals = read_portfolio(write(tmp_path, "id,x\n101600.0,1\n101601,2\n"), kind="opaque")
    assert decimals.codes == ("101600", "101601")
    assert [warning.split(" · ")[0] for warning in decimals.warnings] == [
        "1 identifiers were written as decimal numbers; read without .0"
    ]
    unknown = read_portfolio(write(tmp_path, f"id,x\n{with_checks('E5', '110101', 'MF000000')},1\n"), kind="uscc")
    assert len(unknown.codes) == 1 and len(unknown.warnings) == 1
    assert "GB 32100-2015 does not list" in unknown.warnings[0]
