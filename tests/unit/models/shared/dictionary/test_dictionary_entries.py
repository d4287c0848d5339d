"""Every key and word of a dictionary is known, or is named with the nearest known one."""

from __future__ import annotations

import tomllib

import pytest

from lab.terms.errors import InvalidInput
from models.shared.catalogue_words import DOMAINS, GRADE_WORDS, parse_grade
from models.shared.dictionary.dictionary_entries import parse_dictionary


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[NAICS]\nzh = 'x'\n", r"NAICS is not known \(a column is \[items.NAICS\]\)"),
        ("[item.a]\n", r"item is not known \(nearest: items\)"),
        ("[items.a]\nlevel = 2\n", r"items.a.level is not known \(known: code, zh, en, dimension, domain, grade"),
        ("[items.a]\ndimention = 'tax'\n", r"items.a.dimention is not known \(nearest: dimension\)"),
        ("[items.a]\ndimension = 'taxes'\n", r'items.a.dimension = "taxes" is not known \(nearest: tax\)'),
        ("[items.a]\ngrade = 9\n", r'items.a.grade = "9" is not known \(known: public, 公开, 1, '),
        ("[items.a]\ngrade = 'sensitve'\n", r"nearest: sensitive"),
        ("[items.a]\ngrade = ''\n", r'items.a.grade = "" is not known'),
        ("[items.a]\ngrade = true\n", "items.a.grade: found no text"),
        ("[items.a]\ndomain = 'nonsense'\n", r'items.a.domain = "nonsense" is not known'),
        ("[items.a]\ndomain = 'court'\n", r"nearest: courts"),
        ("[items.a]\nkind = 'number'\n", r"nearest: numeric"),
        ("[items.a]\nunit = 'furlong'\n", r'items.a.unit = "furlong" is not known'),
        ("[items.a]\nzh = 5\n", "items.a.zh: found no text"),
        ("[items.a]\ncode = 'x y'\n", "a code has 1 to 100 characters without spaces"),
        (f"[items.{'a' * 201}]\n", "a column's name has at most 200 characters"),
        (f"[items.a]\nzh = '{'字' * 201}'\n", "zh at items.a in the dictionary of 0 to 200 characters"),
        ("items = 3\n", "found no tables"),
        ("[items]\na = 3\n", "items.a: found no table"),
        ("domains = 'tax'\n", "list of texts"),
        ("domains = ['']\n", "list of texts"),
        ("[items.a]\nnull = [[1]]\n", "null at items.a"),
        (f"[items.a]\nnull = ['{'x' * 201}']\n", "100 words of at most 200 characters"),
        (f"[items.a]\nnull = {list(range(101))}\n", "100 words of at most 200 characters"),
    ],
)
def test_what_is_not_known_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        parse_dictionary(tomllib.loads(text))


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_dictionary(tomllib.loads("[b]\n[items.a]\nlevel = 1\ngrade = 9\n[items.c]\ndimention = 'tax'\n"))
    assert "found 4 faults" in caught.value.detail
    assert all(name in caught.value.detail for name in ("b is", "a.level", "a.grade", "c.dimention"))
    many = "".join(f"[items.a{i}]\nlevel = 1\n" for i in range(30))
    with pytest.raises(InvalidInput, match="and 10 more"):
        parse_dictionary(tomllib.loads(many))


def test_a_domain_of_ones_own_is_declared() -> None:
    found = parse_dictionary(tomllib.loads("domains = ['free-port']\n[items.a]\ndomain = 'free-port'\ngrade = 3\n"))
    assert (found["a"].domain, found["a"].grade) == ("free-port", "3")


def test_every_word_of_the_lists_is_accepted() -> None:
    for word in GRADE_WORDS:
        assert parse_grade(parse_dictionary({"items": {"a": {"grade": word.upper()}}})["a"].grade) is not None
    for domain in DOMAINS:
        assert parse_dictionary({"items": {"a": {"domain": domain}}})["a"].domain == domain
