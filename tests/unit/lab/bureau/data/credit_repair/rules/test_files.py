"""Files of repair rules: the embedded ones fit the catalogue, and what the schema does not know is refused."""

from __future__ import annotations

from importlib.resources import files

import pytest

from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.credit_repair.rules.definition import CaseKind
from lab.bureau.data.credit_repair.rules.files import check_against_catalogue, default_rules, read_rules
from lab.terms.errors import InvalidInput

TEXT = (files("lab.bureau.data.credit_repair.rules") / "default" / "rules.toml").read_text("utf-8")


def test_the_national_rules_have_their_terms_and_fit_the_catalogue() -> None:
    rules = default_rules()
    check_against_catalogue(rules, default_catalogue())
    terms = {code: (one.least_months, one.greatest_months) for code, one in rules.classes.items()}
    assert terms == {"minor": (0, 3), "ordinary": (3, 12), "serious": (12, 36), "court_listing": (0, 24)}
    assert [source.domain for source in rules.sources] == ["penalties", "public_credit", "courts"]
    assert [source.domain for source in rules.sources if source.notice] == ["penalties"]
    assert set(rules.legal_days) == set(CaseKind)


def test_no_article_is_named_that_nobody_checked() -> None:
    rules = default_rules()
    cited = {one.name: one for group in rules.classes.values() for one in group.citations}
    cited |= {
        one.name: one
        for one in [*(s.citation for s in rules.sources), *(d.citation for d in rules.legal_days.values())]
    }
    assert all(one.article and one.quoted for one in cited.values() if one.verified)
    assert not any(one.article for one in cited.values() if not one.verified)
    assert rules.unverified == ("measures", "court", "days")


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ('format = "shulab-credit-repair/1"', 'format = "shulab-credit-repair/2"', "format"),
        ("least_months = 3\n", "least_month = 3\n", "classes.ordinary"),
        ("least_months = 3\n", "least_months = 13\n", "classes.ordinary.greatest_months"),
        ("least_months = 3\n", "least_months = -3\n", "classes.ordinary.least_months"),
        ("least_months = 3\n", 'least_months = "3"\n', "classes.ordinary.least_months"),
        ('ordinary = "ordinary"', 'ordinary = "usual"', "adverse.penalties.classes"),
        ('otherwise = "ordinary"', 'otherwise = "usual"', "adverse.penalties.otherwise"),
        ('citation = "adverse"', 'citation = "nothing"', "adverse.penalties.citation"),
        ('domain = "courts"', 'domain = "penalties"', "adverse"),
        ('domain = "courts"', 'domain = "courts; DROP"', "adverse.2.domain"),
        ('class = "court_listing"\n', "", "adverse.courts.class"),
        ('class = "court_listing"\n', 'class = "court_listing"\nclass_item = "role"\notherwise = "minor"\n', "courts"),
        ("[legal_days.repair]", "[legal_days.other]", "legal_days"),
        ("working_days = 7", "working_days = 0", "legal_days.objection.working_days"),
        ('on_correction = "ends"', 'on_correction = "perhaps"', "classes.minor.on_correction"),
        ("dishonest_listed = [true]", 'dishonest_listed = [true, "x"]', "adverse.courts.when"),
        ("verified = false\n", 'verified = false\narticle = "9"\n', "citations.measures.article"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(before: str, after: str, place: str) -> None:
    assert before in TEXT
    with pytest.raises(InvalidInput) as refused:
        read_rules(TEXT.replace(before, after, 1).encode(), "mine.toml")
    assert "mine.toml" in refused.value.detail
    assert place in refused.value.detail


@pytest.mark.parametrize("content", [b"\xff", b"[[[", b""])
def test_what_is_no_toml_of_rules_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_rules(content, "mine.toml")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('domain = "courts"', 'domain = "nowhere"'),
        ('corrected = "corrected_on"', 'corrected = "correctd_on"'),
        ('corrected = "corrected_on"', 'corrected = "cause"'),
        ('repaired = "repaired"', 'repaired = "reason"'),
        ('minor = "minor"', 'tiny = "minor"'),
        ('list = ["focus", "dishonest", "anomaly"]', 'list = ["focus", "grey"]'),
        ("dishonest_listed = [true]", "outcome = [true]"),
    ],
)
def test_what_the_catalogue_does_not_have_is_refused(before: str, after: str) -> None:
    assert before in TEXT
    rules = read_rules(TEXT.replace(before, after, 1).encode(), "mine.toml")
    with pytest.raises(InvalidInput):
        check_against_catalogue(rules, default_catalogue())
