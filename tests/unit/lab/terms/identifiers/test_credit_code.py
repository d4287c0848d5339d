"""GB 32100-2015 for many codes at once, against the rules written out for the tests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lab.terms.identifiers.credit_code import (
    ALPHABET,
    LEGAL_FORMS,
    as_letters,
    check_character_fits,
    form_is_listed,
    organisation_check_fits,
)
from tests.support import credit_codes as rules


def test_the_table_of_departments_and_categories() -> None:
    assert sorted(a + b for a, categories in LEGAL_FORMS.items() for b in categories) == sorted(rules.PAIRS)
    assert len(rules.PAIRS) == 36
    pairs = [first + second for first in ALPHABET for second in ALPHABET]
    listed = form_is_listed(as_letters([pair + "0" * 16 for pair in pairs]))
    assert [pair for pair, found in zip(pairs, listed, strict=True) if found] == sorted(rules.PAIRS)


@given(st.lists(st.text(ALPHABET, min_size=18, max_size=18)))
def test_both_check_characters(codes: list[str]) -> None:
    letters = as_letters(codes)
    assert letters.shape == (len(codes), 18)
    assert check_character_fits(letters).tolist() == [code[17] == rules.check_character(code[:17]) for code in codes]
    bodies = [code[8:16] for code in codes]
    expected = [rules.organisation_code(body)[-1] == code[16] for body, code in zip(bodies, codes, strict=True)]
    assert organisation_check_fits(letters).tolist() == expected
