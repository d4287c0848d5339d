"""What the routes of the catalogue answer."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from lab.bureau.data.catalogue.exports import ExportFormat
from sandbox.api.people.data.catalogue_examples import (
    COMPARISON_EXAMPLE,
    ENTRY_EXAMPLE,
    EXPORT_EXAMPLE,
    OVERVIEW_EXAMPLE,
    SEARCH_EXAMPLE,
)


class CatalogueDomainView(BaseModel):
    """A domain: a table of records that one department holds."""

    code: str
    zh: str
    en: str
    owner_zh: str
    owner_en: str
    frequency: str
    grain: str
    key: list[str]
    held_from: str
    held_to: str


class CatalogueDomainSummary(CatalogueDomainView):
    """A domain and the count of its items."""

    items: int


class CatalogueCodeView(BaseModel):
    """One value of a list of codes."""

    code: str
    zh: str
    en: str


class CatalogueItemView(BaseModel):
    """An item, with all that the catalogue says of it."""

    code: str
    zh: str
    en: str
    definition_zh: str
    definition_en: str
    type: str
    unit: str
    codes: list[CatalogueCodeView]
    required: bool
    personal: bool
    grade: str
    sharing: str
    opening: str
    release_forms: list[str]
    legal_basis: str
    retention_years: int
    credit_use: str
    credit_use_reason: str
    derived_from: list[str]
    lowered_reason: str


class CatalogueVersionView(BaseModel):
    """A version; number 0 is the embedded catalogue, which nobody imported."""

    version: int
    sha256: str
    domains: int
    items: int
    imported_at: str | None
    imported_by: str
    reason: str


class CatalogueOverview(BaseModel):
    """A version of the catalogue by its domains, and all versions."""

    model_config = ConfigDict(json_schema_extra={"examples": [OVERVIEW_EXAMPLE]})

    version: int
    sha256: str
    title_zh: str
    title_en: str
    domains: list[CatalogueDomainSummary]
    versions: list[CatalogueVersionView]


class CatalogueMatchView(BaseModel):
    """A domain or item that was found."""

    code: str
    kind: Literal["domain", "item"]
    zh: str
    en: str
    domain: str
    owner_zh: str
    owner_en: str
    grade: str
    definition_zh: str
    definition_en: str


class CatalogueSearchResult(BaseModel):
    """What was found, best first."""

    model_config = ConfigDict(json_schema_extra={"examples": [SEARCH_EXAMPLE]})

    version: int
    sha256: str
    query: str
    matches: list[CatalogueMatchView]


class CatalogueEntryView(BaseModel):
    """A domain with its items, or with the one that was asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [ENTRY_EXAMPLE]})

    version: int
    sha256: str
    domain: CatalogueDomainView
    items: list[CatalogueItemView]


class CatalogueChangeView(BaseModel):
    """A field that two versions say differently; ``code`` is empty for the catalogue itself."""

    code: str
    field: str
    before: str
    after: str


class CatalogueComparisonView(BaseModel):
    """What is new, gone and changed from one version to another."""

    model_config = ConfigDict(json_schema_extra={"examples": [COMPARISON_EXAMPLE]})

    before: int
    after: int
    added: list[str]
    removed: list[str]
    changed: list[CatalogueChangeView]


class CatalogueFileView(BaseModel):
    """A file of an export, its bytes in base64."""

    name: str
    base64: str


class CatalogueExportView(BaseModel):
    """The files of an export."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXPORT_EXAMPLE]})

    version: int
    sha256: str
    format: ExportFormat
    files: list[CatalogueFileView]
