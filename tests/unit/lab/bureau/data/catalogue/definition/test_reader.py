"""Reading a catalogue's files: what is unknown, missing or contradictory is refused, with file and nearest name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.bureau.data.catalogue import default_catalogue, read_catalogue
from lab.bureau.data.catalogue.definition import CatalogueFiles, build_catalogue, default_files
from lab.bureau.data.catalogue.item_definition import CreditUse, Grain, ItemType, OpeningType
from lab.terms.errors import InvalidInput, NotFound, ShulabError
from models.shared.catalogue_words import SensitivityGrade
from tests.support.small_catalogues import INDEX, SIGNALS, TAX, edited, small_files


def refusal(files: CatalogueFiles) -> str:
    with pytest.raises(InvalidInput) as caught:
        build_catalogue(files)
    assert caught.value.next_step
    return caught.value.detail


# The embedded catalogue


def test_the_embedded_catalogue_has_15_domains_and_119_items() -> None:
    found = default_catalogue()
    assert (len(found.domains), len(found.items)) == (15, 119)
    assert [domain.code for domain in found.domains][:3] == ["registration", "tax", "social_insurance"]
    assert len({item.code for item in found.items}) == 119
    assert {item.code for item in found.items if item.personal} == {
        "registration.legal_representative",
        "registration.legal_representative_id",
    }
    assert found.sha256 == build_catalogue(default_files()).sha256


def test_every_embedded_item_says_all_that_a_catalogue_promises() -> None:
    for item in default_catalogue().items:
        assert item.zh and item.en and all(item.definition) and item.legal_basis and item.retention_years >= 1
        assert not item.zh.isascii() and item.en.isascii(), item.code
        assert item.release_forms, item.code
        assert bool(item.unit) == (item.type in (ItemType.INTEGER, ItemType.NUMBER, ItemType.AMOUNT)), item.code
        if item.personal:
            assert item.opening is OpeningType.NOT_OPEN and item.grade.rank >= SensitivityGrade.SENSITIVE.rank


def test_every_embedded_domain_can_be_kept_with_two_times() -> None:
    for domain in default_catalogue().domains:
        assert domain.item(domain.held_from).required
        assert domain.held_from == domain.key[0] or domain.grain is Grain.EVENT
        assert all(domain.item(name).required for name in domain.key)


# The files


def test_a_folder_is_read_as_it_was_exported(tmp_path: Path) -> None:
    small_files().write(tmp_path / "own")
    (tmp_path / "own" / "README.md").write_text("notes")
    assert read_catalogue(tmp_path / "own").sha256 == build_catalogue(small_files()).sha256


def test_comments_and_spelling_of_grades_do_not_change_the_digest() -> None:
    one = build_catalogue(small_files())
    other = small_files(tax="# 税\n" + TAX.replace('grade = "sensitive"', "grade = '敏感'"))
    assert build_catalogue(other).sha256 == one.sha256
    assert build_catalogue(edited("tax", "销售额", "营业额")).sha256 != one.sha256


def test_a_folder_without_an_index_is_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"catalogue\.toml"):
        read_catalogue(tmp_path)
    with pytest.raises(NotFound):
        read_catalogue(tmp_path / "none")


def test_a_file_that_is_not_utf_8_or_too_large_is_named(tmp_path: Path) -> None:
    small_files().write(tmp_path)
    (tmp_path / "tax.toml").write_bytes(TAX.encode("gbk"))
    with pytest.raises(InvalidInput, match=r"UTF-8 in the catalogue file tax\.toml"):
        read_catalogue(tmp_path)
    (tmp_path / "tax.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(InvalidInput, match=r"tax\.toml"):
        read_catalogue(tmp_path)


def test_domains_and_files_are_the_same() -> None:
    assert "no file signals.toml" in refusal(CatalogueFiles({"catalogue.toml": INDEX, "tax.toml": TAX}))
    stray = small_files(signal=SIGNALS)
    assert "not listed is the file signal.toml (did you mean signals.toml?)" in refusal(stray)
    assert "a domain twice" in refusal(edited("catalogue", '"signals"', '"tax", "signals"'))
    assert "the file's name tax expected" in refusal(edited("tax", 'code = "tax"', 'code = "taxes"'))
    assert "title_zh is missing" in refusal(CatalogueFiles({"tax.toml": TAX}))


# The schema

UNKNOWN = {
    "a key of the index": ("catalogue", "title_zh", "titel_zh", "unknown key titel_zh (did you mean title_zh?)"),
    "a key of a domain": ("tax", "owner_zh", "ownr_zh", "unknown key ownr_zh (did you mean owner_zh?)"),
    "a key of the defaults": ("tax", "retention_years", "retention", "defaults: unknown key retention"),
    "a key of an item": ("tax", "personal =", "persnal =", "items.payer: unknown key persnal (did you mean personal?)"),
    "a grade": ("tax", '"sensitive"', '"sensitiv"', "defaults.grade: unknown word sensitiv (did you mean sensitive?)"),
    "a type": ("tax", '"amount"', '"amuont"', "items.sales.type: unknown word amuont (did you mean amount?)"),
    "a grain": ("tax", '"period"', '"perid"', "grain: unknown word perid (did you mean period?)"),
    "a frequency": ("tax", '"monthly"', '"montly"', "frequency: unknown word montly (did you mean monthly?)"),
    "a sharing type": ("tax", '"conditional"', '"maybe"', "defaults.sharing: unknown word maybe"),
    "an opening type": ("tax", '"not-open"', '"not-opn"', "unknown word not-opn (did you mean not-open?)"),
    "a form": ("tax", '"portrait"', '"portrat"', "unknown word portrat (did you mean portrait?)"),
    "a credit use": ("tax", '"restricted"', '"restrictd"', "unknown word restrictd (did you mean restricted?)"),
    "a table": ("tax", "[defaults]", "[default]", "unknown key default (did you mean defaults?)"),
    "an item of the key": ("tax", 'key = ["period"]', 'key = ["perod"]', "key: no item perod (did you mean period?)"),
    "an item of held_from": (
        "signals",
        '"seen_on"',
        '"seen_onn"',
        "held_from: no item seen_onn (did you mean seen_on?)",
    ),
    "a source": ("signals", "tax.sales", "tax.sale", "no item tax.sale (did you mean tax.sales?)"),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_is_not_known_is_refused_with_the_nearest_name(what: str) -> None:
    name, before, after, words = UNKNOWN[what]
    found = refusal(edited(name, before, after))
    assert words in found and f"{name}.toml" in found


WRONG = {
    "no definition": ("tax", 'definition_zh = "申报的销售额。"', "", "items.sales.definition_zh is missing"),
    "no grade": ("tax", 'grade = "sensitive"', "", "items.period: grade is missing"),
    "no legal basis": ("tax", 'legal_basis = "《税收征收管理法》"', "", "legal_basis is missing"),
    "a number for a text": ("tax", 'zh = "税务"', "zh = 7", "zh: a text expected"),
    "a text for a mark": (
        "tax",
        "required = true",
        'required = "yes"',
        "items.period.required: true or false expected",
    ),
    "a number for a mark": ("tax", "required = true", "required = 1", "items.period.required: true or false expected"),
    "years as text": ("tax", "retention_years = 10", 'retention_years = "10"', "a whole number expected"),
    "no year": ("tax", "retention_years = 10", "retention_years = 0", "a number from 1 to 100 expected"),
    "one word of a code": ("tax", '["甲", "First"]', '["甲"]', "more entries expected"),
    "a capital name": ("tax", "[items.sales]", "[items.Sales]", "lower-case letters, digits and _ expected"),
    "a hidden character": ("tax", 'zh = "销售额"', 'zh = "销售\\u202e额"', "a text of visible characters expected"),
    "codes of an amount": ("tax", 'type = "amount"', 'type = "amount"\ncodes.x = ["一", "x"]', "codes expected"),
    "a code without codes": ("tax", 'type = "text"', 'type = "code"', "codes expected of the type code"),
    "an amount in another unit": (
        "tax",
        'type = "amount"',
        'type = "amount"\nunit = "万元"',
        "in which amounts are kept",
    ),
    "a number without a unit": ("signals", 'unit = "分 points"', "", "a unit expected of integers and numbers"),
    "a date with a unit": ("signals", 'type = "date"', 'type = "date"\nunit = "天"', "a unit expected"),
    "a reserved name": ("signals", "[items.strength]", "[items.record]", "items.record: the name is reserved"),
    "two of one name": ("tax", 'zh = "办税人"', 'zh = "销售额"', "zh: two items of the same name"),
    "a key that may be empty": ("signals", "required = true", "required = false", "key: the item number is"),
    "a day that may be empty": (
        "tax",
        "required = true",
        "required = false",
        "held_from: the item period is not required",
    ),
    "a period with another key": ("tax", 'key = ["period"]', 'key = ["period", "rating"]', "held_from alone expected"),
    "an open sensitive item": ("tax", '"not-open"', '"unconditional"', "unconditional opening expected only of"),
    "a shared sensitive item": ("tax", '"conditional"', '"unconditional"', "unconditional sharing expected only of"),
    "a personal item in a model": (
        "tax",
        'release_forms = ["verification"]\n',
        "",
        "neither model-input nor portrait expected of a personal or forbidden item",
    ),
    "an internal personal item": (
        "tax",
        "personal = true",
        'personal = true\ngrade = "internal"',
        "a grade of sensitive or restricted expected of a personal item",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_with_its_place(what: str) -> None:
    name, before, after, words = WRONG[what]
    assert words in refusal(edited(name, before, after))


def test_all_that_is_wrong_in_a_file_is_said_at_once() -> None:
    wrong = TAX.replace("frequency", "frequence").replace('"amount"', '"money"').replace("owner_en", "owner")
    found = refusal(small_files(tax=wrong))
    assert all(word in found for word in ("frequence", "money", "unknown key owner", "owner_en is missing"))


# Derived items


def test_a_derived_item_takes_the_highest_of_its_sources() -> None:
    strength = build_catalogue(small_files()).item("signals.strength")
    assert strength.grade is SensitivityGrade.SENSITIVE  # of tax.sales, though its domain's default is internal
    assert strength.credit_use is CreditUse.RESTRICTED


def test_a_grade_is_lowered_only_with_a_reason() -> None:
    lower = 'type = "integer"\ngrade = "internal"'
    found = refusal(edited("signals", 'type = "integer"', lower))
    assert "graded internal, below its sources (sensitive), without a lowered_reason" in found
    stated = lower + '\nlowered_reason = "分箱后不可还原"'
    item = build_catalogue(edited("signals", 'type = "integer"', stated)).item("signals.strength")
    assert (item.grade, item.lowered_reason) == (SensitivityGrade.INTERNAL, "分箱后不可还原")
    alone = 'type = "integer"\nlowered_reason = "无"'
    assert "a lowered_reason expected only of" in refusal(edited("signals", 'type = "integer"', alone))
    own = 'type = "amount"\nlowered_reason = "无"'
    assert "a lowered_reason expected only of" in refusal(edited("tax", 'type = "amount"', own))
    higher = 'type = "integer"\ngrade = "restricted"'
    raised = build_catalogue(edited("signals", 'type = "integer"', higher))
    assert raised.item("signals.strength").grade is SensitivityGrade.RESTRICTED


def test_a_chain_is_followed_and_a_circle_refused() -> None:
    second = SIGNALS + SIGNALS[SIGNALS.index("[items.strength]") :].replace("strength", "trend").replace(
        '"tax.sales", "tax.rating"', '"signals.strength"'
    ).replace("强度", "趋势").replace("Strength", "Trend")
    chained = build_catalogue(small_files(signals=second))
    assert chained.item("signals.trend").grade is SensitivityGrade.SENSITIVE
    circle = second.replace('"tax.sales", "tax.rating"', '"signals.trend"')
    assert "derived from itself" in refusal(small_files(signals=circle))
    itself = edited("signals", '"tax.sales", "tax.rating"', '"signals.strength"')
    assert "derived from itself" in refusal(itself)


def test_what_derives_from_a_personal_item_is_personal() -> None:
    assert "personal expected: one of its sources is" in refusal(edited("signals", "tax.sales", "tax.payer"))


# Hostile files

HOSTILE = (
    "",
    "\0",
    "a = ",
    "[" * 5_000,
    "x = " + "[" * 5_000 + "]" * 5_000,
    "x = " + "9" * 5_000,
    "code = 'tax'\ncode = 'tax'",
    "items = []",
    "items = 7",
    "[items]",
    "[items.a]",
    "[items.a.b.c.d]",
    'code = "../../etc/passwd"',
    "[defaults]\ngrade = [[[]]]",
    "[defaults]\nrelease_forms = {}",
    "key = [1979-05-27]",
    "zh = inf",
    'zh = "\\u0000"',
    '"__proto__" = 1',
    '"\\u202e" = 1',
    "x" * 70_000 + " = 1",
)


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ["catalogue", "tax"])
def test_a_hostile_file_is_refused_and_never_a_fault(name: str, text: str) -> None:
    found = refusal(small_files(**{name: text}))
    assert f"{name}.toml" in found
    assert len(found) < 5_000 and "\0" not in found and "\u202e" not in found


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_value_in_any_place_is_read_or_refused(data: st.DataObject) -> None:
    """Whatever stands in the place of one value: a catalogue, or one of our errors that names the file."""
    parsed = {name: tomllib.loads(text) for name, text in small_files().texts.items()}
    file = data.draw(st.sampled_from(sorted(parsed)))
    at, parent = parsed[file], None
    key = ""
    while isinstance(at, dict) and at and (parent is None or data.draw(st.booleans())):
        key = data.draw(st.sampled_from(sorted(at)))
        parent, at = at, at[key]
    assert parent is not None
    parent[data.draw(st.sampled_from([key, key + "x", "codes", "grade", "derived_from"]))] = data.draw(_VALUES)

    class Drawn(CatalogueFiles):
        def parse(self) -> dict[str, dict[str, object]]:
            return parsed

    try:
        build_catalogue(Drawn({}))
    except ShulabError as error:
        assert isinstance(error, InvalidInput) and ".toml" in error.detail


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["catalogue", "tax", "signals"]), st.integers(0, 2_000), st.binary(max_size=4))
def test_damaged_bytes_are_read_or_refused(name: str, place: int, noise: bytes) -> None:
    text = {"catalogue": INDEX, "tax": TAX, "signals": SIGNALS}[name]
    place %= len(text)
    damaged = text[:place] + noise.decode("latin-1") + text[place + 1 :]
    try:
        build_catalogue(small_files(**{name: damaged}))
    except InvalidInput as error:
        assert error.next_step
