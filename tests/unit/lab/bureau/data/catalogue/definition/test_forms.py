"""A catalogue of another country: who its enterprises are, how they are told apart, its rules for natural persons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.compatibility import find_reshaped
from lab.bureau.data.catalogue.definition import CatalogueFiles, build_catalogue
from lab.bureau.data.catalogue.differences import compare_catalogues
from lab.bureau.data.catalogue.natural_persons import is_natural_person, items_withheld_from, rules_of
from lab.terms.errors import InvalidInput
from tests.support.small_catalogues import INDEX, small_files

RULES = """
[natural_persons]
regulation_zh = "另一国的法律"
regulation_en = "Law of another country"
individual_code_prefixes = ["P-"]

[[natural_persons.classes]]
code = "rating"
zh = "级别"
en = "rating"
credit_use = "restricted"
words_zh = ["级别"]
words_en = ["rating"]
"""


def files(extra: str) -> CatalogueFiles:
    return CatalogueFiles({**small_files().texts, "catalogue.toml": INDEX + extra})


def refusal(extra: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        build_catalogue(files(extra))
    return caught.value.detail


def test_a_catalogue_that_states_nothing_is_what_it_was() -> None:
    found = build_catalogue(files(""))
    assert (found.id_kind, found.natural_persons) == ("uscc", None)
    stated = build_catalogue(files('id_kind = "uscc"\n'))
    assert stated.sha256 == found.sha256
    assert default_catalogue().enterprises == "registration"


def test_the_domain_of_enterprises_is_the_stated_one_or_the_first_of_states() -> None:
    found = build_catalogue(files('enterprises = "signals"\n'))
    assert found.enterprises == "signals"
    assert found.sha256 != build_catalogue(files("")).sha256
    domains = tuple(one for one in default_catalogue().domains if one.code in ("tax", "registration"))
    assert replace(default_catalogue(), domains=domains[::-1]).enterprises == "registration"
    assert replace(default_catalogue(), domains=domains[1:]).enterprises == domains[1].code


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ('enterprises = "signal"\n', "enterprises: no domain signal (did you mean signals?)"),
        ('id_kind = "opaqe"\n', "id_kind: unknown word opaqe (did you mean opaque?)"),
        ('enterprise = "signals"\n', "unknown key enterprise (did you mean enterprises?)"),
        (RULES.replace("individual_code_prefixes", "individual_prefixes"), "natural_persons: unknown key"),
        (RULES.replace("words_en", "words"), "natural_persons.classes.0: unknown key words"),
        (RULES.replace("restricted", "sometimes"), "natural_persons.classes.0.credit_use: unknown word"),
    ],
)
def test_what_is_misspelt_is_refused_with_the_nearest_name(extra: str, words: str) -> None:
    assert words in refusal(extra)


def test_the_rules_of_another_country_replace_those_of_the_program() -> None:
    words = refusal(RULES)
    assert "items.rating: credit_use restricted expected by its name" in words
    texts = files(RULES).texts
    allowed = texts["tax.toml"].replace('en = "Rating"\n', 'en = "Rating"\ncredit_use = "restricted"\n')
    found = build_catalogue(CatalogueFiles({**texts, "tax.toml": allowed}))
    assert rules_of(found).regulation == ("另一国的法律", "Law of another country")
    person, firm = "P-77", "92350100MA00000000"
    assert is_natural_person(person, rules_of(found)) and not is_natural_person(firm, rules_of(found))
    assert is_natural_person(firm) and not is_natural_person(person)
    assert "tax.rating" in items_withheld_from(found, person)
    assert "tax.rating" not in items_withheld_from(found, firm)


def test_a_class_without_words_names_nothing() -> None:
    extra = RULES.replace('["级别"]', "[]").replace('["rating"]', "[]")
    assert rules_of(build_catalogue(files(extra))).classes_of("级别", "Rating") == ()


def test_what_differs_is_shown_field_by_field() -> None:
    extra = RULES.replace('["级别"]', "[]").replace('["rating"]', "[]")
    before, after = build_catalogue(files("")), build_catalogue(files('id_kind = "opaque"\n' + extra))
    found = {one.field: (one.before, one.after) for one in compare_catalogues(before, after).changed if not one.code}
    assert found["id_kind"] == ("", "opaque")
    assert found["natural_persons.individual_code_prefixes"] == ("", "P-")
    assert "natural_persons.classes.rating" in found


def test_other_numbers_for_enterprises_reshape_every_domain() -> None:
    before, after = build_catalogue(files("")), build_catalogue(files('id_kind = "opaque"\n'))
    assert find_reshaped([before], after) == ("tax", "signals")
    assert find_reshaped([before], before) == ()
