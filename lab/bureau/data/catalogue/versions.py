"""Versions of a bureau's own catalogue: kept as checked files in its folder, a row and a ledger entry for each.

A bureau without one has the embedded catalogue. Files are written before the row that names them, so a crash leaves at
most a file that nothing names; the same import then names it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.compatibility import check_held_records, find_dropped, find_reshaped
from lab.bureau.data.catalogue.definition import CatalogueFiles, build_catalogue, default_catalogue, default_files
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.bureau.ledger.recorded_facts import newest_facts
from lab.bureau.store import Database
from lab.bureau.store.tables import CatalogueVersionRow
from lab.disk.checked_files import RESTORE_HINT, DamagedFile, pack_checked, read_checked
from lab.disk.private_files import replace_private
from lab.terms.errors import Conflict, NotFound

FOLDER = "catalogues"
EMBEDDED_VERSION = 0
"""What the embedded catalogue is called among versions."""

HeldDomains = Callable[[Session], frozenset[str]]
"""Codes of the domains of which the bureau holds records."""


@dataclass(frozen=True, slots=True)
class CatalogueVersion:
    """One version. ``version`` 0 is the embedded catalogue, which nobody imported."""

    version: int
    sha256: str
    domains: int
    items: int
    imported_at: datetime | None
    imported_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class CatalogueImport:
    """What an import did; ``new`` is false if the newest version says the same. ``dropped``: codes of domains and items
    that the version before had."""

    version: CatalogueVersion
    new: bool
    dropped: tuple[str, ...]


def current_catalogue(home: BureauHome, session: Session) -> Catalogue:
    """The catalogue in force: the bureau's newest own one, else the embedded one.

    Raises ``DamagedFile`` if its kept file is not as it was written, or if the ledger names another.
    """
    row = _newest(session)
    recorded = newest_facts(session, ("catalogue.imported",)).get("sha256", "")
    if recorded != ("" if row is None else row.sha256):
        raise DamagedFile(
            home.path(FOLDER),
            detail="The catalogue in force is not the one that the newest ledger entry names.",
            next_step=RESTORE_HINT,
        )
    return default_catalogue() if row is None else _checked(home, row)


def load_catalogue_version(home: BureauHome, session: Session, version: int | None) -> Catalogue:
    """The catalogue of a version (None: in force; 0: embedded); raises ``NotFound``."""
    return (
        build_catalogue(load_files(home, session, version)) if version is not None else current_catalogue(home, session)
    )


def load_files(home: BureauHome, session: Session, version: int | None) -> CatalogueFiles:
    """The files of a version as they were imported (None: in force; 0: embedded); raises ``NotFound``."""
    row = _find(session, version)
    return default_files() if row is None else _unpack(_read(home, row))


def list_catalogue_versions(session: Session) -> tuple[CatalogueVersion, ...]:
    """All versions, newest first; the embedded one is the last."""
    rows = session.scalars(select(CatalogueVersionRow).order_by(CatalogueVersionRow.version.desc()))
    return (*(_describe(row) for row in rows), _embedded())


def describe_version(session: Session, version: int | None) -> CatalogueVersion:
    """A version by its number (None: in force; 0: embedded); raises ``NotFound``."""
    row = _find(session, version)
    return _embedded() if row is None else _describe(row)


def import_catalogue(
    home: BureauHome,
    store: Database,
    files: CatalogueFiles,
    *,
    now: datetime,
    by: str = "",
    reason: str = "",
    held_domains: HeldDomains = lambda _: frozenset(),
) -> CatalogueImport:
    """Make these files the catalogue in force.

    Raises ``InvalidInput`` for files that do not fit, and ``Conflict`` if they leave out a domain of which records are
    held, or an item of it, without a ``reason``, or shape one anew (``compatibility``).
    """
    wanted = build_catalogue(files)
    content = json.dumps(dict(files.texts), ensure_ascii=False, sort_keys=True).encode()
    try:
        with store.begin() as session:
            newest = _newest(session)
            if newest is not None and newest.sha256 == wanted.sha256:
                return CatalogueImport(_describe(newest), new=False, dropped=())
            before = current_catalogue(home, session)
            dropped = find_dropped(before, wanted)
            earlier = [load_catalogue_version(home, session, one.version) for one in list_catalogue_versions(session)]
            check_held_records(dropped, find_reshaped(earlier, wanted), held_domains(session), reason)
            row = CatalogueVersionRow(
                version=1 if newest is None else newest.version + 1,
                sha256=wanted.sha256,
                domains=len(wanted.domains),
                items=len(wanted.items),
                imported_at=now,
                imported_by=by,
                reason=reason,
                **_keep(home, content),
            )
            session.add(row)
            facts: dict[str, Fact] = {
                "version": row.version,
                "sha256": row.sha256,
                "replaced_sha256": before.sha256,
                "domains": row.domains,
                "items": row.items,
                "dropped": len(dropped),
                "stated_by": by,
                "reason": reason,
            }
            record(session, "catalogue.imported", None, facts, by=LOCAL_ACTOR)
            return CatalogueImport(_describe(row), new=True, dropped=dropped)
    except IntegrityError:
        raise Conflict(
            "Another catalogue was imported at the same time.", next_step="look at it, then import again"
        ) from None


def _keep(home: BureauHome, content: bytes) -> dict[str, str]:
    """Keep the files under their digest; returns the columns of the row that name them."""
    relative = f"{FOLDER}/{hashlib.sha256(content).hexdigest()}.json"
    packed = pack_checked(content, relative)
    path = home.path(relative)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    replace_private(path, packed)
    return {"file": relative, "file_sha256": hashlib.sha256(packed).hexdigest()}


def _read(home: BureauHome, row: CatalogueVersionRow) -> bytes:
    """The content of a version's file; a file that carries a digest of its own, but not the row's, is damaged."""
    path = home.path(row.file)
    content = read_checked(path, identity=row.file)
    if hashlib.sha256(pack_checked(content, row.file)).hexdigest() != row.file_sha256:
        raise DamagedFile(path)
    return content


def _checked(home: BureauHome, row: CatalogueVersionRow) -> Catalogue:
    found = _build(_read(home, row))
    if found.sha256 != row.sha256:
        raise DamagedFile(home.path(row.file))
    return found


def _unpack(content: bytes) -> CatalogueFiles:
    return CatalogueFiles(json.loads(content))


@lru_cache(maxsize=4)
def _build(content: bytes) -> Catalogue:
    return build_catalogue(_unpack(content))


def _newest(session: Session) -> CatalogueVersionRow | None:
    return session.scalars(select(CatalogueVersionRow).order_by(CatalogueVersionRow.version.desc()).limit(1)).first()


def _find(session: Session, version: int | None) -> CatalogueVersionRow | None:
    """The version's row, or None for the embedded catalogue; raises ``NotFound``."""
    row = _newest(session) if version is None else session.get(CatalogueVersionRow, version)
    if row is None and version not in (None, EMBEDDED_VERSION):
        raise NotFound(
            f"The catalogue has no version {version}.", next_step="`lab bureau catalogue list` shows its versions"
        )
    return row


def _describe(row: CatalogueVersionRow) -> CatalogueVersion:
    return CatalogueVersion(
        row.version, row.sha256, row.domains, row.items, row.imported_at, row.imported_by, row.reason
    )


def _embedded() -> CatalogueVersion:
    catalogue = default_catalogue()
    return CatalogueVersion(
        EMBEDDED_VERSION, catalogue.sha256, len(catalogue.domains), len(catalogue.items), None, "", ""
    )
