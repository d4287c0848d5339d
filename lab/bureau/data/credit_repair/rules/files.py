"""Reading a file of repair rules (TOML), strictly: what the schema does not know is refused, with its place.

``check_against_catalogue`` compares the rules with a catalogue: every domain, item and code that they name is there.
"""

from __future__ import annotations

import hashlib
import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.bureau.data.catalogue.item_definition import Catalogue, Domain, Item, ItemType
from lab.bureau.data.credit_repair.rules.definition import (
    AdverseClass,
    AdverseSource,
    CaseKind,
    Citation,
    LegalDays,
    OnCorrection,
    RepairCondition,
    RepairRules,
    Uncorrected,
    Unpublished,
)
from lab.terms.errors import InvalidInput
from lab.terms.text.visible_line import VisibleLine

T = TypeVar("T")
COMPARE = "compare with docs/formats/credit-repair.md"
_LONGEST_TERM = 1_200  # months
_Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_NoItem = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,63})?$")]
_Text = Annotated[VisibleLine, Field(min_length=1, max_length=500)]
_Months = Annotated[int, Field(ge=0, le=_LONGEST_TERM)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _WordsForm(_Form):
    zh: _Text
    en: _Text


class _CitationForm(_WordsForm):
    verified: bool
    article: Annotated[VisibleLine, Field(max_length=100)] = ""
    quoted: Annotated[VisibleLine, Field(max_length=2_000)] = ""


class _LegalDaysForm(_Form):
    working_days: Annotated[int, Field(ge=1, le=366)]
    citation: _Slug


class _ClassForm(_WordsForm):
    least_months: _Months
    greatest_months: _Months
    unpublished: Literal["counts", "does-not-count"]
    on_correction: Literal["ends", "allows-repair"]
    uncorrected: Literal["ends", "goes-on"]
    conditions: list[Literal["least-term", "corrected", "commitment"]]
    citations: Annotated[list[_Slug], Field(min_length=1)]


class _SourceForm(_Form):
    domain: _Slug
    when: dict[_Slug, Annotated[list[str | bool], Field(min_length=1)]] = Field(default_factory=dict)
    class_item: _NoItem = ""
    classes: dict[_Slug, _Slug] = Field(default_factory=dict)
    otherwise: _NoItem = ""
    all_in_class: Annotated[_NoItem, Field(alias="class")] = ""
    start: Annotated[list[_Slug], Field(min_length=1)]
    corrected: _NoItem = ""
    published: _NoItem = ""
    removed: _NoItem = ""
    repaired: _NoItem = ""
    notice: bool
    citation: _Slug


class _RulesForm(_Form):
    format: Literal["shulab-credit-repair/1"]
    in_force: date
    title: _WordsForm
    citations: dict[_Slug, _CitationForm]
    legal_days: dict[Literal["repair", "objection"], _LegalDaysForm]
    classes: dict[_Slug, _ClassForm]
    adverse: list[_SourceForm]


def read_rules(content: bytes, name: str) -> RepairRules:
    """The rules of a file's ``content``; ``name`` is the file's, for messages. Raises ``InvalidInput`` with the place
    of the first fault."""
    try:
        form = _RulesForm.model_validate(tomllib.loads(content.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise InvalidInput(f"Expected repair rules as TOML in UTF-8; {name} is not.", next_step=COMPARE) from None
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"]) or "the file"
        raise _misfit(name, place) from None
    return _build(form, name, hashlib.sha256(content).hexdigest())


@cache
def default_rules() -> RepairRules:
    """The embedded national rules."""
    file = files(__package__) / "default" / "rules.toml"
    return read_rules(file.read_bytes(), "rules.toml")


def check_against_catalogue(rules: RepairRules, catalogue: Catalogue) -> None:
    """Raise ``InvalidInput`` for a domain, item or code that the catalogue lacks, or an item of another type."""
    for source in rules.sources:
        try:
            domain = catalogue.domain(source.domain)
        except KeyError:
            raise _unknown(source.domain) from None
        dates = [*source.start, source.corrected, source.published, source.removed]
        for name in filter(None, dates):
            _item(domain, name, ItemType.DATE)
        if source.repaired:
            _item(domain, source.repaired, ItemType.YES_NO)
        if source.class_item:
            _check_codes(_item(domain, source.class_item, ItemType.CODE), source.class_of)
        for name, values in source.when.items():
            if all(isinstance(value, bool) for value in values):
                _item(domain, name, ItemType.YES_NO)
            else:
                _check_codes(_item(domain, name, ItemType.CODE), [str(value) for value in values])


def _build(form: _RulesForm, name: str, sha256: str) -> RepairRules:
    citations = {
        key: Citation(key, (one.zh, one.en), one.verified, one.article, one.quoted)
        for key, one in form.citations.items()
    }
    for key, one in citations.items():
        if one.article and not one.verified:  # an article that nobody read is no citation
            raise _misfit(name, f"citations.{key}.article")
    classes = {key: _build_class(key, one, citations, name) for key, one in form.classes.items()}
    sources = tuple(_build_source(one, classes, citations, name) for one in form.adverse)
    if len({one.domain for one in sources}) < len(sources):
        raise _misfit(name, "adverse")
    if set(form.legal_days) != {kind.value for kind in CaseKind}:
        raise _misfit(name, "legal_days")
    legal_days = {
        CaseKind(kind): LegalDays(one.working_days, _named(citations, one.citation, f"legal_days.{kind}", name))
        for kind, one in form.legal_days.items()
    }
    return RepairRules((form.title.zh, form.title.en), form.in_force, classes, sources, legal_days, sha256)


def _build_class(code: str, form: _ClassForm, citations: dict[str, Citation], name: str) -> AdverseClass:
    if form.least_months > form.greatest_months:
        raise _misfit(name, f"classes.{code}.greatest_months")
    return AdverseClass(
        code,
        (form.zh, form.en),
        form.least_months,
        form.greatest_months,
        Unpublished(form.unpublished),
        OnCorrection(form.on_correction),
        Uncorrected(form.uncorrected),
        tuple(RepairCondition(one) for one in form.conditions),
        tuple(_named(citations, one, f"classes.{code}.citations", name) for one in form.citations),
    )


def _build_source(
    form: _SourceForm, classes: dict[str, AdverseClass], citations: dict[str, Citation], name: str
) -> AdverseSource:
    place = f"adverse.{form.domain}"
    if bool(form.all_in_class) == bool(form.class_item and form.otherwise) or (form.classes and not form.class_item):
        raise _misfit(name, f"{place}.class")
    if any(len({type(value) for value in values}) > 1 for values in form.when.values()):
        raise _misfit(name, f"{place}.when")
    return AdverseSource(
        domain=form.domain,
        when={item: tuple(values) for item, values in form.when.items()},
        class_item=form.class_item,
        class_of={code: _named(classes, one, f"{place}.classes", name) for code, one in form.classes.items()},
        otherwise=_named(classes, form.all_in_class or form.otherwise, f"{place}.otherwise", name),
        start=tuple(form.start),
        corrected=form.corrected,
        published=form.published,
        removed=form.removed,
        repaired=form.repaired,
        notice=form.notice,
        citation=_named(citations, form.citation, f"{place}.citation", name),
    )


def _named(known: dict[str, T], wanted: str, place: str, name: str) -> T:
    if wanted not in known:
        raise _misfit(name, place)
    return known[wanted]


def _item(domain: Domain, name: str, kind: ItemType) -> Item:
    try:
        found = domain.item(name)
    except KeyError:
        raise _unknown(f"{domain.code}.{name}") from None
    if found.type is not kind:
        raise InvalidInput(
            f"Expected {found.code} of type {kind.value}, as the repair rules read it; the catalogue says another.",
            next_step="correct the rules, or the catalogue",
        )
    return found


def _check_codes(item: Item, codes: object) -> None:
    for code in codes if isinstance(codes, (list, dict)) else ():
        if code not in item.codes:
            raise _unknown(f"{item.code}: {code}")


def _unknown(what: str) -> InvalidInput:
    return InvalidInput(
        f"Expected repair rules of what the catalogue has; it has no {what}.",
        next_step="put rules for this catalogue in force with `lab bureau repair rules FILE`",
    )


def _misfit(name: str, place: str) -> InvalidInput:
    return InvalidInput(f"Expected a file of repair rules; in {name}, {place} does not fit.", next_step=COMPARE)
