"""Codes in texts, however they are spaced."""

from __future__ import annotations

import pytest

from lab.simulation.synthetic.credit_codes import make_codes
from lab.terms.identifiers.code_search import contains_enterprise_code

(CODE,) = make_codes(1, seed=3)


@pytest.mark.parametrize(
    "text", [CODE, f"about {CODE}.", CODE.lower(), "-".join(CODE), f"{CODE[:8]} {CODE[8:]}", f"9{CODE}"]
)
def test_a_valid_code_is_found(text: str) -> None:
    assert contains_enterprise_code(text)


@pytest.mark.parametrize("text", ["", "申请 2026-0007", CODE[:-1], CODE[:-1] + ("0" if CODE[-1] != "0" else "1")])
def test_what_is_no_code_is_not(text: str) -> None:
    assert not contains_enterprise_code(text)


def test_one_s_own_opaque_code_is_found_unless_it_is_short() -> None:
    assert contains_enterprise_code("see firm-0001", "firm 0001")
    assert not contains_enterprise_code("see a-1", "a1")
