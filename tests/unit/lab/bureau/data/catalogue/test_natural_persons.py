"""What may never enter a model or a portrait, and what only with a natural person's consent: tried to get in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.bureau.data.catalogue import check_model_items, default_catalogue
from lab.bureau.data.catalogue.definition import build_catalogue
from lab.bureau.data.catalogue.item_definition import Catalogue, CreditUse, Domain, Item, ItemReleaseForm
from lab.bureau.data.catalogue.natural_persons import (
    is_natural_person,
    items_withheld_from,
    natural_person_rules,
)
from lab.terms.errors import InvalidInput, NotAllowed
from tests.support.small_catalogues import edited, small_files

COMPANY, INDIVIDUAL = "91350100M000100Y43", "92350100MA00000000"


def with_item(catalogue: Catalogue, code: str, **changes: object) -> Catalogue:
    """The catalogue with one item changed, past the reader's checks."""

    def change(item: Item) -> Item:
        return replace(item, **changes) if item.code == code else item  # type: ignore[arg-type]

    domains: list[Domain] = [replace(one, items=tuple(map(change, one.items))) for one in catalogue.domains]
    return replace(catalogue, domains=tuple(domains))


def test_every_item_of_the_embedded_catalogue_enters_but_the_personal_ones() -> None:
    catalogue = default_catalogue()
    for item in catalogue.items:
        if item.personal:
            with pytest.raises(NotAllowed, match=item.code):
                check_model_items(catalogue, [item.code])
        else:
            assert check_model_items(catalogue, [item.code]).codes == (item.code,)


def test_one_personal_item_among_many_is_found_and_named() -> None:
    codes = [item.code for item in default_catalogue().items]
    with pytest.raises(NotAllowed) as caught:
        check_model_items(default_catalogue(), codes)
    assert "registration.legal_representative, registration.legal_representative_id" in caught.value.detail


def test_a_forbidden_item_enters_in_no_way() -> None:
    catalogue = with_item(default_catalogue(), "tax.sales", credit_use=CreditUse.FORBIDDEN)
    with pytest.raises(NotAllowed, match=r"tax\.sales"):
        check_model_items(catalogue, ["tax.arrears", "tax.sales"])


def test_what_derives_from_a_personal_or_forbidden_item_enters_in_no_way() -> None:
    """Past the reader, which refuses such a catalogue already: the check looks at sources of sources itself."""
    catalogue = build_catalogue(small_files())
    hidden = with_item(catalogue, "tax.rating", derived_from=("tax.payer",))
    assert not hidden.item("signals.strength").personal
    with pytest.raises(NotAllowed, match=r"signals\.strength"):
        check_model_items(hidden, ["signals.strength"])


def test_an_item_that_is_not_released_as_input_does_not_enter() -> None:
    for form in set(ItemReleaseForm) - {ItemReleaseForm.MODEL_INPUT}:
        kept = with_item(default_catalogue(), "tax.arrears", release_forms=frozenset({form}))
        with pytest.raises(NotAllowed):
            check_model_items(kept, ["tax.arrears"])


def test_an_unknown_item_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidInput, match=r"tax\.arears \(did you mean tax\.arrears\?\)"):
        check_model_items(default_catalogue(), ["tax.arears"])


def test_income_tax_and_real_estate_are_restricted_for_natural_persons() -> None:
    codes = [item.code for item in default_catalogue().items if not item.personal]
    restricted = check_model_items(default_catalogue(), codes).restricted
    assert {"tax.sales", "tax.vat_paid", "tax.income_tax_paid", "social_insurance.contribution_base"} <= set(restricted)
    assert {item.code for item in default_catalogue().domain("real_estate").items} <= set(restricted)
    assert "penalties.fine_amount" not in restricted


def test_an_individual_business_is_a_natural_person() -> None:
    assert is_natural_person(INDIVIDUAL) and not is_natural_person(COMPANY)
    catalogue = default_catalogue()
    personal = {item.code for item in catalogue.items if item.personal}
    assert items_withheld_from(catalogue, COMPANY) == personal
    withheld = items_withheld_from(catalogue, INDIVIDUAL)
    assert personal | {"tax.sales", "real_estate.area_m2"} <= withheld and "courts.outcome" not in withheld


def test_the_rules_name_the_regulation_and_all_its_classes() -> None:
    rules = natural_person_rules()
    assert "征信业管理条例" in rules.regulation[0]
    by_use = {use: {one.code for one in rules.classes if one.credit_use is use} for use in CreditUse}
    assert by_use[CreditUse.FORBIDDEN] == {"religion", "genes", "fingerprints", "blood_type", "illness"}
    assert by_use[CreditUse.RESTRICTED] == {
        *("income", "deposits", "securities", "commercial_insurance", "real_estate", "tax_amounts"),
    }


FORBIDDEN_NAMES = ("宗教信仰", "基因检测结果", "法定代表人指纹", "血型", "既往病史", "疾病诊断")


@pytest.mark.parametrize("name", FORBIDDEN_NAMES)
def test_a_catalogue_cannot_call_such_an_item_allowed(name: str) -> None:
    with pytest.raises(InvalidInput, match="credit_use forbidden expected by its name"):
        build_catalogue(edited("tax", 'zh = "信用级别"', f'zh = "{name}"'))


@pytest.mark.parametrize("name", ["Religion", "Blood type of owner", "Medical history", "Income of owner", "Deposits"])
def test_english_names_are_looked_at_as_whole_words(name: str) -> None:
    with pytest.raises(InvalidInput, match="expected by its name"):
        build_catalogue(edited("tax", 'en = "Rating"', f'en = "{name}"'))
    build_catalogue(edited("tax", 'en = "Rating"', 'en = "General incomes believed"'))


def test_a_forbidden_item_is_held_but_released_to_no_model() -> None:
    marked = 'zh = "法定代表人血型"\ncredit_use = "forbidden"'
    with pytest.raises(InvalidInput, match="neither model-input nor portrait expected"):
        build_catalogue(edited("tax", 'zh = "信用级别"', marked))
    texts = small_files().texts
    held = build_catalogue(
        small_files(
            tax=texts["tax.toml"].replace('zh = "信用级别"', marked + "\nrelease_forms = []"),
            signals=texts["signals.toml"].replace(', "tax.rating"', ""),
        )
    )
    with pytest.raises(NotAllowed):
        check_model_items(held, ["tax.rating"])


def test_another_meaning_of_the_word_needs_a_reason() -> None:
    stated = 'zh = "基因工程资质"\ncredit_use_reason = "企业资质，不是个人基因信息"'
    assert build_catalogue(edited("tax", 'zh = "信用级别"', stated)).item("tax.rating").credit_use is CreditUse.ALLOWED


def test_derived_items_are_as_restricted_as_their_sources() -> None:
    free = 'type = "integer"\ncredit_use = "allowed"'
    with pytest.raises(InvalidInput, match=r"credit_use allowed, less than its sources \(restricted\)"):
        build_catalogue(edited("signals", 'type = "integer"', free))
    reasoned = free + '\ncredit_use_reason = "只含级别"'
    item = build_catalogue(edited("signals", 'type = "integer"', reasoned)).item("signals.strength")
    assert item.credit_use is CreditUse.ALLOWED
