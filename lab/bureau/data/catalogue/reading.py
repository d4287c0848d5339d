"""What people ask of a catalogue, answered as plain JSON values: the same for the service and the bureau's commands.

``version``: a number, 0 for the embedded catalogue, None for the one in force.
"""

from __future__ import annotations

import base64
from typing import Any

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.differences import CatalogueComparison, compare_catalogues
from lab.bureau.data.catalogue.document import describe_domain, describe_item
from lab.bureau.data.catalogue.exports import ExportFormat, export_catalogue
from lab.bureau.data.catalogue.item_definition import Catalogue, Domain
from lab.bureau.data.catalogue.search import CatalogueMatch, search_catalogue
from lab.bureau.data.catalogue.versions import (
    CatalogueVersion,
    describe_version,
    list_catalogue_versions,
    load_catalogue_version,
)
from lab.bureau.store import Database
from lab.terms.errors import NotFound
from lab.terms.text.known_names import describe_unknown_names


class CatalogueReader:
    """Reads the versions of one bureau's catalogue; safe to call from several threads."""

    def __init__(self, home: BureauHome, store: Database) -> None:
        self._home = home
        self._store = store

    def overview(self, version: int | None = None) -> dict[str, Any]:
        """Title, domains with the count of their items, and all versions; raises ``NotFound``."""
        with self._store.begin_read() as session:
            described = describe_version(session, version)
            catalogue = load_catalogue_version(self._home, session, described.version)
            versions = list_catalogue_versions(session)
        return {
            **_name_version(described),
            "title_zh": catalogue.title[0],
            "title_en": catalogue.title[1],
            "domains": [describe_domain(one) | {"items": len(one.items)} for one in catalogue.domains],
            "versions": [describe_version_facts(one) for one in versions],
        }

    def search(self, query: str, *, version: int | None = None, limit: int = 50) -> dict[str, Any]:
        """Domains and items that have every word of the query, best first; raises ``NotFound`` for the version."""
        described, catalogue = self._load(version)
        matches = search_catalogue(catalogue, query, limit=limit)
        return {**_name_version(described), "query": query, "matches": [_describe_match(one) for one in matches]}

    def entry(self, code: str, *, version: int | None = None) -> dict[str, Any]:
        """A domain with its items, or an item with its domain; raises ``NotFound`` with the nearest code."""
        described, catalogue = self._load(version)
        domain, chosen = _find_entry(catalogue, code)
        items = [item for item in domain.items if chosen in ("", item.name)]
        return {
            **_name_version(described),
            "domain": describe_domain(domain),
            "items": [describe_item(item) for item in items],
        }

    def compare(self, before: int, after: int | None = None) -> dict[str, Any]:
        """What version ``after`` says otherwise than ``before``; raises ``NotFound``."""
        old, old_catalogue = self._load(before)
        new, new_catalogue = self._load(after)
        return {
            "before": old.version,
            "after": new.version,
            **describe_comparison(compare_catalogues(old_catalogue, new_catalogue)),
        }

    def export(self, form: ExportFormat, *, version: int | None = None) -> dict[str, Any]:
        """The files of an export, their bytes in base64; raises ``NotFound``."""
        with self._store.begin_read() as session:
            made = export_catalogue(self._home, session, form, version=version)
        files = [
            {"name": name, "base64": base64.b64encode(content).decode()} for name, content in sorted(made.files.items())
        ]
        return {**_name_version(made.version), "format": form.value, "files": files}

    def _load(self, version: int | None) -> tuple[CatalogueVersion, Catalogue]:
        with self._store.begin_read() as session:
            described = describe_version(session, version)
            return described, load_catalogue_version(self._home, session, described.version)


def describe_version_facts(version: CatalogueVersion) -> dict[str, Any]:
    """A version as plain JSON values."""
    return {
        "version": version.version,
        "sha256": version.sha256,
        "domains": version.domains,
        "items": version.items,
        "imported_at": None if version.imported_at is None else version.imported_at.isoformat(timespec="seconds"),
        "imported_by": version.imported_by,
        "reason": version.reason,
    }


def describe_comparison(found: CatalogueComparison) -> dict[str, Any]:
    """A comparison as plain JSON values."""
    changed = [
        {"code": one.code, "field": one.field, "before": one.before, "after": one.after} for one in found.changed
    ]
    return {"added": list(found.added), "removed": list(found.removed), "changed": changed}


def _name_version(version: CatalogueVersion) -> dict[str, Any]:
    return {"version": version.version, "sha256": version.sha256}


def _describe_match(match: CatalogueMatch) -> dict[str, Any]:
    of = match.domain if match.item is None else match.item
    return {
        "code": match.code,
        "kind": "domain" if match.item is None else "item",
        "zh": of.zh,
        "en": of.en,
        "domain": match.domain.code,
        "owner_zh": match.domain.owner_zh,
        "owner_en": match.domain.owner_en,
        "grade": "" if match.item is None else match.item.grade.value,
        "definition_zh": "" if match.item is None else match.item.definition[0],
        "definition_en": "" if match.item is None else match.item.definition[1],
    }


def _find_entry(catalogue: Catalogue, code: str) -> tuple[Domain, str]:
    """The domain, and the item's name or nothing for the whole domain."""
    for domain in catalogue.domains:
        if code == domain.code:
            return domain, ""
        for item in domain.items:
            if code == item.code:
                return domain, item.name
    known = [domain.code for domain in catalogue.domains] + [item.code for item in catalogue.items]
    raise NotFound(
        f"The catalogue has no domain or item {describe_unknown_names([code], known)}.",
        next_step="search it with `lab steward catalogue search WORDS`",
    )
