"""Codes of the made-up city are right by python-stdnum and by our own rules."""

from __future__ import annotations

import numpy as np
from stdnum.cn import ric, uscc
from stdnum.iso7064 import mod_11_10

from lab.simulation.city.identifier_codes import (
    LEGAL_FORM_PAIRS,
    make_credit_codes,
    make_person_numbers,
    make_registration_numbers,
    organisation_codes,
)
from lab.terms.identifiers import IdentifierNote, normalise_identifiers

ROWS = 4_000


def test_codes_of_every_kind_are_valid_and_distinct():
    pairs = np.arange(ROWS) % len(LEGAL_FORM_PAIRS)
    codes = make_credit_codes(pairs, np.full(ROWS, 990_101), np.arange(ROWS) % 3 == 0, seed=1)
    assert codes.n_unique() == ROWS
    found = normalise_identifiers(codes.to_list(), "uscc")
    assert list(found.codes) == codes.to_list()
    assert not found.notes.get(IdentifierNote.ORGANISATION_CHECK) and not found.notes.get(IdentifierNote.UNKNOWN_FORM)
    assert {code[:2] for code in codes} == set(LEGAL_FORM_PAIRS)
    for code in codes:
        if code[0].isdigit():
            assert uscc.validate(code) == code  # stdnum demands digits in the first eight places
        assert uscc.calc_check_digit(code[:17]) == code[17]


def test_codes_outside_the_city_are_others():
    usual, place, new = np.full(ROWS, LEGAL_FORM_PAIRS.index("91")), np.full(ROWS, 990_101), np.zeros(ROWS, dtype=bool)
    inside = make_credit_codes(usual, place, new, seed=1)
    outside = make_credit_codes(usual, place, new, seed=1, outside=True)
    assert not set(inside) & set(outside)


def test_legacy_numbers_have_their_check_digits():
    numbers = make_registration_numbers(np.full(ROWS, 990_102), seed=1)
    assert numbers.n_unique() == ROWS
    assert all(len(number) == 15 and mod_11_10.is_valid(number) for number in numbers)
    codes = make_credit_codes(np.full(ROWS, 20), np.full(ROWS, 990_101), np.ones(ROWS, dtype=bool), seed=1)
    old = organisation_codes(codes)
    assert old.n_unique() == ROWS and all(code[:8].isdigit() and len(code) == 9 for code in old)


def test_persons_have_valid_numbers_of_no_division_that_exists():
    births = np.array([19_800_131, 19_991_231])
    numbers = make_person_numbers(np.array([990_101, 990_112]), births, np.array([7, 999]))
    for number in numbers:
        assert ric.compact(number)[:17] + ric.calc_check_digit(number) == number
        assert number.startswith("99")
