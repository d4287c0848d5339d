"""The catalogue, for people who work with the bureau's data: overview, search, one entry, comparison, export."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from lab.bureau.data.catalogue.exports import ExportFormat
from lab.bureau.data.catalogue.reading import CatalogueReader
from lab.bureau.people import AccountHolder, Permission
from lab.terms.fields.bounded_types import MAX_INTEGER, Line
from sandbox.api.openapi import SIGNED_IN_PROBLEMS, problem_responses
from sandbox.api.people.data.catalogue_views import (
    CatalogueComparisonView,
    CatalogueEntryView,
    CatalogueExportView,
    CatalogueOverview,
    CatalogueSearchResult,
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
