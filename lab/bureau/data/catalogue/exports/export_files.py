"""One entry for all exports: a version of the catalogue and a format give files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.exports.data_contracts import data_contracts
from lab.bureau.data.catalogue.exports.dcat import catalogue_as_dcat
from lab.bureau.data.catalogue.exports.resource_lists import lists_as_csv, lists_as_workbook
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.catalogue.versions import (
    CatalogueVersion,
    describe_version,
    load_catalogue_version,
    load_files,
)
from lab.terms.local_day import local_day


class ExportFormat(StrEnum):
    """In which form a catalogue is written."""

    DCAT = "dcat"
    """DCAT 3, JSON-LD: one file."""
    ODCS = "odcs"
    """A data contract a table."""
    XLSX = "xlsx"
    """The three lists as one workbook."""
    CSV = "csv"
    """The three lists as a file each."""
    TOML = "toml"
    """The catalogue's own files, to change and import."""


@dataclass(frozen=True, slots=True)
class CatalogueExport:
    """Which version was exported, and its files by name."""

    version: CatalogueVersion
    files: Mapping[str, bytes]


def export_catalogue(
    home: BureauHome, session: Session, form: ExportFormat, *, version: int | None = None, now: datetime | None = None
) -> CatalogueExport:
    """The files of a version (None: in force; 0: embedded) in a format; raises ``NotFound``.

    ``now``: the day of issue of the embedded catalogue, which nobody imported.
    """
    described = describe_version(session, version)
    catalogue = load_catalogue_version(home, session, described.version)
    if form is ExportFormat.TOML:
        texts = load_files(home, session, described.version).texts
        return CatalogueExport(described, {name: text.encode() for name, text in texts.items()})
    return CatalogueExport(described, _render(home, catalogue, described, form, now or datetime.now(UTC)))


def _render(
    home: BureauHome, catalogue: Catalogue, version: CatalogueVersion, form: ExportFormat, now: datetime
) -> Mapping[str, bytes]:
    publisher = home.settings.name
    match form:
        case ExportFormat.DCAT:
            issued = local_day(version.imported_at or now)
            return catalogue_as_dcat(catalogue, publisher=publisher, version=version.version, issued=issued)
        case ExportFormat.ODCS:
            return data_contracts(catalogue, publisher=publisher, version=version.version)
        case ExportFormat.CSV:
            return lists_as_csv(catalogue)
        case _:
            with tempfile.TemporaryDirectory(prefix="shulab-catalogue-") as folder:
                return lists_as_workbook(catalogue, Path(folder))
