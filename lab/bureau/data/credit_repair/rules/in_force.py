"""The rules and holidays in force: the bureau's own files if some were imported, or the embedded national ones.

An imported file is kept in the database, word by word; the ledger names its SHA-256.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.credit_repair.rules.definition import RepairRules
from lab.bureau.data.credit_repair.rules.files import check_against_catalogue, default_rules, read_rules
from lab.bureau.data.credit_repair.rules.working_days import WorkingCalendar, default_calendar, read_holidays
from lab.bureau.ledger import record
from lab.bureau.store import Database
from lab.bureau.store.tables import RepairRulesRow
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.local_day import local_day

_LARGEST_FILE = 256 * 1024
_RULES, _HOLIDAYS = "rules", "holidays"


def rules_in_force(session: Session, day: date | None = None) -> RepairRules:
    """The repair rules that the bureau had at the end of ``day`` (None: now), so that what was reckoned then can be
    reckoned again. Raises ``InvalidInput`` for imported rules that are not as they were."""
    content = _newest(session, _RULES, day)
    return default_rules() if content is None else read_rules(content, "rules.toml")


def calendar_in_force(session: Session) -> WorkingCalendar:
    """The calendar of working days; raises ``InvalidInput`` for an imported one that is not as it was."""
    content = _newest(session, _HOLIDAYS, None)
    return default_calendar() if content is None else read_holidays(content, "holidays.toml")


def import_rules(store: Database, file: Path, catalogue: Catalogue, *, now: datetime, by: str) -> RepairRules:
    """Put a file of rules in force from now on. Raises ``InvalidInput`` if it is not of the form, names what the
    catalogue does not have, or is of rules that come into force later. The same file again changes nothing."""
    content = _read(file)
    rules = read_rules(content, file.name)
    if rules.in_force > local_day(now):
        raise InvalidInput(
            f"Expected repair rules that are in force; those of {file.name} are from {rules.in_force.isoformat()} on.",
            next_step="import them on that day: they count from the import on",
        )
    check_against_catalogue(rules, catalogue)
    _put_in_force(store, _RULES, content, now=now, by=by)
    return rules


def import_holidays(store: Database, file: Path, *, now: datetime, by: str) -> WorkingCalendar:
    """Put a file of holidays in force: it replaces the one before as a whole. Raises ``InvalidInput``."""
    content = _read(file)
    found = read_holidays(content, file.name)
    _put_in_force(store, _HOLIDAYS, content, now=now, by=by)
    return found


def _put_in_force(store: Database, kind: str, content: bytes, *, now: datetime, by: str) -> None:
    sha256 = hashlib.sha256(content).hexdigest()
    with store.begin() as session:
        if _newest(session, kind, None) == content:
            return
        session.add(RepairRulesRow(kind=kind, sha256=sha256, content=content.decode(), imported_at=now, imported_by=by))
        session.flush()
        record(session, "repair.rules-changed", None, {"kind": kind, "sha256": sha256}, by=by)


def _newest(session: Session, kind: str, day: date | None) -> bytes | None:
    row = RepairRulesRow
    imported = session.scalars(select(row).where(row.kind == kind).order_by(row.id.desc()))
    found = next((one for one in imported if day is None or local_day(one.imported_at) <= day), None)
    if found is None:
        return None
    content = found.content.encode()
    if hashlib.sha256(content).hexdigest() != found.sha256:
        raise InvalidInput(
            f"Expected the imported {kind} of credit repair as they were imported; the database holds others.",
            next_step="import the file again",
        )
    return content


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise NotFound(f"Expected the file {file.name}; there is none.", next_step="check the path")
    if file.stat().st_size > _LARGEST_FILE:
        raise InvalidInput(
            f"Expected a file of at most 256 KiB; {file.name} is larger.", next_step="check that it is the right file"
        )
    return file.read_bytes()
