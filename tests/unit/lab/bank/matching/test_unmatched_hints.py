"""What is said of codes of which none is usable, or none matched."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bank.matching.unmatched_hints import find_hints, hint_sentences, require_usable_codes
from lab.bank.portfolio import Portfolio, read_portfolio
from lab.terms.errors import InvalidInput
from lab.terms.names import IdKind
from tests.support.credit_codes import PAIRS, with_checks

CODES = [with_checks(PAIRS[0], "110101", f"MA{number:06d}") for number in range(30)]


def portfolio(folder: Path, kind: IdKind, codes: list[str], other: list[str] | None = None) -> Portfolio:
    rows = zip(codes, other or ["x"] * len(codes), strict=True)
    path = folder / "p.csv"
    path.write_text("id,other\n" + "".join(f"{code},{more}\n" for code, more in rows))
    return read_portfolio(path, kind=kind, id_column="id")


@pytest.mark.parametrize(
    ("kind", "codes", "said"),
    [
        ("opaque", [f"{number}.0" for number in range(1, 31)], "end in .0"),
        ("opaque", [str(number) for number in range(1, 31)], "different lengths"),
        ("opaque", [f"{number}.5E+17" for number in range(1, 31)], "with an exponent"),
        ("opaque", CODES, "look like unified social credit codes"),
        ("uscc", [f"firm-{number}" for number in range(30)], "look like other codes"),
    ],
)
def test_the_likely_mistake_is_named(tmp_path: Path, kind: IdKind, codes: list[str], said: str) -> None:
    read = portfolio(tmp_path, kind, codes)
    assert any(said in en for _, en in find_hints(read, kind))
    text = " ".join(hint_sentences(read, kind))
    assert not any(code in text for code in codes if len(code) > 3)


def test_another_column_that_holds_codes_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="found none in 30 rows") as found:
        require_usable_codes(portfolio(tmp_path, "uscc", [f"firm-{n}" for n in range(30)], CODES), "uscc")
    assert "column other looks like the column of codes" in found.value.next_step and "firm-" not in str(found.value)


def test_nothing_odd_has_the_general_hint_alone_and_an_empty_file_none(tmp_path: Path) -> None:
    read = portfolio(tmp_path, "uscc", CODES)
    require_usable_codes(read, "uscc")
    assert find_hints(read, "uscc") == [] and len(hint_sentences(read, "uscc")) == 1
    require_usable_codes(portfolio(tmp_path, "uscc", []), "uscc")
