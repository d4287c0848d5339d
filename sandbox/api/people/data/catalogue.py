"""The catalogue, for people who work with the bureau's data: overview, search, one entry, comparison, export."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lab.bureau.data.catalogue.exports import ExportFormat
from lab.bureau.data.catalogue.reading import CatalogueReader
from lab.bureau.people import AccountHolder, Permission
from lab.terms.bounded_types import MAX_INTEGER, Line
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.people.data.catalogue_examples import (
    COMPARISON_EXAMPLE,
    ENTRY_EXAMPLE,
    EXPORT_EXAMPLE,
    OVERVIEW_EXAMPLE,
    SEARCH_EXAMPLE,
)
from sandbox.auth.person import require_permission
from sandbox.dependencies import Dependencies, ServiceDependencies

router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"])
DataReader = Annotated[AccountHolder, Depends(require_permission(Permission.READ_CATALOGUE))]
_Version = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
VersionQuery = Annotated[
    _Version | None, Query(description="版本 / Version of the catalogue; 0: embedded; default: in force")
]
_PROBLEMS = SIGNED_IN_PROBLEMS | problem_responses("not-found")


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


def _reader(service: ServiceDependencies) -> CatalogueReader:
    return CatalogueReader(service.bureau.home, service.bureau.store)


@router.get(
    "",
    operation_id="catalogue",
    summary="目录概览 / Domains and versions of the catalogue",
    response_model=CatalogueOverview,
    responses=_PROBLEMS,
)
async def show_overview(person: DataReader, service: Dependencies, version: VersionQuery = None) -> Any:
    """The catalogue in force, or an earlier version."""
    return await run_in_threadpool(_reader(service).overview, version)


@router.get(
    "/search",
    operation_id="search_catalogue",
    summary="检索目录 / Search the catalogue",
    response_model=CatalogueSearchResult,
    responses=_PROBLEMS,
)
async def search(
    person: DataReader,
    service: Dependencies,
    q: Annotated[Line, Query(min_length=1, max_length=200, description="词 / Words; each must be found")],
    version: VersionQuery = None,
    limit: Annotated[int, Query(ge=1, le=500, description="条数 / At most so many")] = 50,
) -> Any:
    """Names, definitions, codes and their words in both languages; case and width do not count."""
    return await run_in_threadpool(_reader(service).search, q, version=version, limit=limit)


@router.get(
    "/entries/{code}",
    operation_id="catalogue_entry",
    summary="目录条目 / A domain or an item",
    response_model=CatalogueEntryView,
    responses=_PROBLEMS,
)
async def show_entry(
    person: DataReader,
    service: Dependencies,
    code: Annotated[
        Line, Path(min_length=1, max_length=130, description="代码 / A domain or an item", examples=["tax.sales"])
    ],
    version: VersionQuery = None,
) -> Any:
    """A domain with all its items, or one item with its domain."""
    return await run_in_threadpool(_reader(service).entry, code, version=version)


@router.get(
    "/comparison",
    operation_id="compare_catalogues",
    summary="比较版本 / Compare two versions",
    response_model=CatalogueComparisonView,
    responses=_PROBLEMS,
)
async def compare(
    person: DataReader,
    service: Dependencies,
    before: Annotated[_Version, Query(description="原版本 / The earlier version; 0: embedded")],
    after: Annotated[_Version | None, Query(description="现版本 / The later version; default: in force")] = None,
) -> Any:
    """What the later version says otherwise, field by field."""
    return await run_in_threadpool(_reader(service).compare, before, after)


@router.get(
    "/export",
    operation_id="export_catalogue",
    summary="导出目录 / Export the catalogue",
    response_model=CatalogueExportView,
    responses=_PROBLEMS,
)
async def export(
    person: DataReader,
    service: Dependencies,
    form: Annotated[ExportFormat, Query(alias="format", description="格式 / Form of the files")],
    version: VersionQuery = None,
) -> Any:
    """DCAT 3, data contracts (ODCS), the three lists (Excel, CSV), or the catalogue's own files."""
    return await run_in_threadpool(_reader(service).export, form, version=version)
