"""From the files of a catalogue to the catalogue: schema, grades, then what the values say about each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from lab.bureau.data.catalogue.definition.derivation import ItemDerivation
from lab.bureau.data.catalogue.definition.faults import catalogue_fault, parse_file
from lab.bureau.data.catalogue.definition.forms import (
    CatalogueIndexTable,
    DomainTable,
    ItemTable,
    NaturalPersonsTable,
)
from lab.bureau.data.catalogue.definition.item_rules import AMOUNT_UNIT, find_domain_faults
from lab.bureau.data.catalogue.definition.source_files import (
    INDEX_FILE,
    CatalogueFiles,
    domain_file,
    read_catalogue_files,
)
from lab.bureau.data.catalogue.document import catalogue_digest
from lab.bureau.data.catalogue.item_definition import Catalogue, CreditUse, Domain, Item, ItemType, NaturalPersonRules
from lab.bureau.data.catalogue.natural_persons import build_natural_person_rules, rules_of
from lab.terms.text.known_names import describe_unknown_name
from lab.terms.text.nearest_name import nearest_name
from models.shared.catalogue_words import SensitivityGrade

_DEFAULT_RETENTION_YEARS = 5


def read_catalogue(folder: Path) -> Catalogue:
    """The catalogue in a folder's files.

    Raises ``NotFound`` without its ``catalogue.toml``, and ``InvalidInput`` naming the file and everything in it that
    is unknown, missing or contradictory, each with the nearest known name.
    """
    return build_catalogue(read_catalogue_files(folder))


@cache
def default_catalogue() -> Catalogue:
    """The embedded catalogue: 15 domains, 119 items."""
    return build_catalogue(default_files())


@cache
def default_files() -> CatalogueFiles:
    """The embedded catalogue's files."""
    with as_file(files("lab.bureau.data.catalogue") / "default") as folder:
        return read_catalogue_files(folder)


def build_catalogue(source: CatalogueFiles) -> Catalogue:
    """The catalogue in these files; raises as ``read_catalogue`` does."""
    parsed = source.parse()
    index = parse_file(CatalogueIndexTable, INDEX_FILE, parsed.get(INDEX_FILE, {}))
    _check_files(index, parsed)
    tables = {code: parse_file(DomainTable, domain_file(code), parsed[domain_file(code)]) for code in index.domains}
    for code, table in tables.items():
        if table.code != code:
            raise catalogue_fault(domain_file(code), [f"code: the file's name {code} expected"])
    settled = _settle_items(tables)
    catalogue = Catalogue(
        (index.title_zh, index.title_en),
        tuple(_build_domain(table, settled) for table in tables.values()),
        sha256="",
        id_kind=index.id_kind,
        stated_enterprises=index.enterprises or "",
        natural_persons=_build_rules(index.natural_persons),
    )
    for domain in catalogue.domains:
        if faults := list(find_domain_faults(domain, rules_of(catalogue))):
            raise catalogue_fault(domain_file(domain.code), faults)
    return replace(catalogue, sha256=catalogue_digest(catalogue))


def _build_rules(form: NaturalPersonsTable | None) -> NaturalPersonRules | None:
    return None if form is None else build_natural_person_rules(form.model_dump(mode="json"))


def _check_files(index: CatalogueIndexTable, parsed: Mapping[str, Any]) -> None:
    """Each domain has its file, and each file is a domain's."""
    wanted = [domain_file(code) for code in index.domains]
    present = set(parsed) - {INDEX_FILE}
    faults = [
        f"domains: no file {describe_unknown_name(name, nearest_name(name, present))}"
        for name in wanted
        if name not in present
    ]
    faults += [
        f"domains: not listed is the file {describe_unknown_name(name, nearest_name(name, wanted))}"
        for name in sorted(present - set(wanted))
    ]
    if len(set(wanted)) < len(wanted):
        faults.append("domains: a domain twice")
    if index.enterprises is not None and index.enterprises not in index.domains:
        words = describe_unknown_name(index.enterprises, nearest_name(index.enterprises, index.domains))
        faults.append(f"enterprises: no domain {words}")
    if faults:
        raise catalogue_fault(INDEX_FILE, faults)


def _settle_items(tables: Mapping[str, DomainTable]) -> dict[str, Item]:
    items: dict[str, Item] = {}
    grades: dict[str, SensitivityGrade] = {}
    uses: dict[str, CreditUse] = {}
    for table in tables.values():
        for name, form in table.items.items():
            item = _build_item(table, name, form)
            items[item.code] = item
            # A derived item takes nothing from [defaults] here: its sources decide unless its own table does.
            grade = form.grade if form.derived_from else form.grade or table.defaults.grade
            use = form.credit_use if form.derived_from else form.credit_use or table.defaults.credit_use
            if grade is not None:
                grades[item.code] = grade
            if use is not None:
                uses[item.code] = use
    derivation = ItemDerivation(items, grades, uses)
    settled = derivation.settle_all()
    for code, faults in derivation.faults.items():
        raise catalogue_fault(domain_file(code), faults)
    return settled


def _build_item(table: DomainTable, name: str, form: ItemTable) -> Item:
    defaults = table.defaults
    given = {
        field: value if value is not None else getattr(defaults, field)
        for field in ("grade", "sharing", "opening", "release_forms", "legal_basis", "retention_years", "credit_use")
        for value in (getattr(form, field),)
    }
    missing = [field for field in ("sharing", "opening", "release_forms", "legal_basis") if given[field] is None]
    if missing:
        raise catalogue_fault(domain_file(table.code), [f"items.{name}.{field} is missing" for field in missing])
    return Item(
        domain=table.code,
        name=name,
        zh=form.zh,
        en=form.en,
        definition=(form.definition_zh, form.definition_en),
        type=form.type,
        grade=given["grade"] or SensitivityGrade.RESTRICTED,
        unit=form.unit or (AMOUNT_UNIT if form.type is ItemType.AMOUNT else ""),
        codes={code: (words[0], words[1]) for code, words in form.codes.items()},
        required=form.required,
        personal=form.personal,
        sharing=given["sharing"],
        opening=given["opening"],
        release_forms=frozenset(given["release_forms"]),
        legal_basis=given["legal_basis"],
        retention_years=given["retention_years"] or _DEFAULT_RETENTION_YEARS,
        credit_use=given["credit_use"] or CreditUse.ALLOWED,
        credit_use_reason=form.credit_use_reason,
        derived_from=tuple(form.derived_from),
        lowered_reason=form.lowered_reason,
    )


def _build_domain(table: DomainTable, settled: Mapping[str, Item]) -> Domain:
    return Domain(
        code=table.code,
        zh=table.zh,
        en=table.en,
        owner_zh=table.owner_zh,
        owner_en=table.owner_en,
        frequency=table.frequency,
        grain=table.grain,
        key=tuple(table.key),
        held_from=table.held_from,
        held_to=table.held_to,
        items=tuple(settled[f"{table.code}.{name}"] for name in table.items),
    )
