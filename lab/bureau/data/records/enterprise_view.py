"""A bureau's own view of one enterprise: its records by domain, and who asked about it. Each look is a ledger entry.

The entry has counts alone: neither the code nor a hash of it, because an entry is for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.catalogue.versions import current_catalogue
from lab.bureau.data.records.enterprise_lookup import EnterpriseRecords, RecordVersion, enterprise_records
from lab.bureau.data.records.record_store import RecordStore
from lab.bureau.ledger import Fact, record
from lab.bureau.store import Database
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers


@dataclass(frozen=True, slots=True)
class EnterpriseLook:
    """What somebody wants to see. ``as_of``: what the bureau knew at the end of that day; None: now. ``personal``: also
    personal items, for ``reason``, which the ledger keeps."""

    code: str
    as_of: date | None = None
    history: bool = False
    personal: bool = False
    reason: str = ""


class EnterpriseViews:
    """Shows one enterprise's records to those who may see them, and records each look."""

    def __init__(self, store: Database, home: BureauHome, records: RecordStore) -> None:
        self._store, self._home, self._records = store, home, records

    def look(self, look: EnterpriseLook, *, by: str) -> dict[str, Any]:
        """The records as JSON: ``domains`` with ``records`` and ``history``, counts, and the manifest they are of.

        Raises ``InvalidInput`` for a code that is none, or for personal items without a reason, and ``DamagedFile``.
        """
        if look.personal and not look.reason.strip():
            raise InvalidInput(
                "Expected a reason for looking at personal items; found none.",
                next_step="give --reason, without any code; the ledger keeps it",
            )
        code = normalise_identifiers([look.code], "uscc").codes[0]
        if code is None:
            raise InvalidInput(
                "Expected a unified social credit code; found another text.", next_step="check it: 18 characters"
            )
        with self._store.begin_read() as session:
            manifest = self._records.manifest_as_of(session, look.as_of)
            catalogue = self._catalogue(session)
        found = enterprise_records(
            self._records, manifest, catalogue, code, history=look.history, personal=look.personal
        )
        with self._store.begin() as session:
            record(session, "enterprise.viewed", None, _facts(look, found), by=by)
        return _view(look, found, catalogue, manifest.known_on)

    def _catalogue(self, session: Session) -> Catalogue:
        return current_catalogue(self._home, session)


def _facts(look: EnterpriseLook, found: EnterpriseRecords) -> dict[str, Fact]:
    facts: dict[str, Fact] = {
        "domains": len(found.current),
        "records": found.records,
        "history": look.history,
        "personal": look.personal,
        "manifest": found.manifest_sha256,
    }
    if look.as_of is not None:
        facts["as_of"] = look.as_of.isoformat()
    return facts | ({"reason": look.reason} if look.reason else {})


def _view(
    look: EnterpriseLook, found: EnterpriseRecords, catalogue: Catalogue, known_on: date | None
) -> dict[str, Any]:
    def listed(versions: Mapping[str, tuple[RecordVersion, ...]], code: str) -> list[dict[str, Any]]:
        return [one.as_dict() for one in versions.get(code, ())]

    return {
        "as_of": look.as_of.isoformat() if look.as_of is not None else None,
        "known_on": known_on.isoformat() if known_on is not None else None,
        "manifest": found.manifest_sha256,
        "catalogue": catalogue.sha256,
        "records": found.records,
        "personal": look.personal,
        "domains": [
            {
                "domain": domain.code,
                "zh": domain.zh,
                "en": domain.en,
                "owner_zh": domain.owner_zh,
                "owner_en": domain.owner_en,
                "records": listed(found.current, domain.code),
                "history": listed(found.history, domain.code),
            }
            for domain in catalogue.domains
            if domain.code in found.current or domain.code in found.history
        ],
    }
