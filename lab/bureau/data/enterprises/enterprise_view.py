"""A bureau's own view of one enterprise: records by domain, their quality and cases, and who asked about it.

Each look is a ledger entry. It has counts alone: neither the code nor a hash of it, because an entry is for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.catalogue.versions import current_catalogue
from lab.bureau.data.enterprises.surroundings import cases_of
from lab.bureau.data.quality.kept_assessments import newest_scores
from lab.bureau.data.records import EnterpriseRecords, RecordStore, RecordVersion, enterprise_records
from lab.bureau.key_management.pseudonyms import Pseudonymiser
from lab.bureau.ledger import Fact, record
from lab.bureau.ledger.inquiries import read_inquiries
from lab.bureau.store import Database
from lab.terms.errors import InvalidInput
from lab.terms.identifiers.single_code import read_code


@dataclass(frozen=True, slots=True)
class EnterpriseLook:
    """What somebody wants to see. ``as_of``: what the bureau knew at the end of that day; None: now. ``personal``: also
    personal items, for ``reason``, which the ledger keeps. ``inquiries``: also which banks had it scored."""

    code: str
    as_of: date | None = None
    history: bool = False
    personal: bool = False
    reason: str = ""
    inquiries: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """By domain: cases about the records, and the score of the last assessment of quality, with its day."""

    cases: Mapping[str, list[dict[str, Any]]]
    assessed_on: str | None
    scores: Mapping[str, float]


class EnterpriseViews:
    """Shows one enterprise's records to those who may see them, and records each look."""

    def __init__(self, store: Database, home: BureauHome, records: RecordStore, keys: Pseudonymiser) -> None:
        self._store, self._home, self._records, self._keys = store, home, records, keys

    def look(self, look: EnterpriseLook, *, by: str) -> dict[str, Any]:
        """The records as JSON: ``domains`` with ``records``, ``history``, ``cases`` and ``quality``, counts, the
        manifest they are of, and ``inquiries`` (null unless asked for; reading them is an entry of its own).

        Raises ``InvalidInput`` for a code that is none, or for personal items without a reason, and ``DamagedFile``.
        """
        if look.personal and not look.reason.strip():
            raise InvalidInput(
                "Expected a reason for looking at personal items; found none.",
                next_step="give --reason, without any code; the ledger keeps it",
            )
        with self._store.begin_read() as session:
            manifest = self._records.manifest_as_of(session, look.as_of)
            catalogue = current_catalogue(self._home, session)
        code = read_code(look.code, catalogue.id_kind)
        found = enterprise_records(
            self._records, manifest, catalogue, code, history=look.history, personal=look.personal
        )
        with self._store.begin_read() as session:
            surroundings = Surroundings(cases_of(session, found), *newest_scores(self._home, session))
        with self._store.begin() as session:
            record(session, "enterprise.viewed", None, _facts(look, found), by=by)
        inquiries = read_inquiries(self._store, code, self._keys, by=by) if look.inquiries else None
        shown = _view(look, found, catalogue, surroundings)
        return shown | {
            "known_on": manifest.known_on.isoformat() if manifest.known_on is not None else None,
            "inquiries": [one.as_dict() for one in inquiries] if inquiries is not None else None,
        }


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
    look: EnterpriseLook, found: EnterpriseRecords, catalogue: Catalogue, surroundings: Surroundings
) -> dict[str, Any]:
    def listed(versions: Mapping[str, tuple[RecordVersion, ...]], code: str) -> list[dict[str, Any]]:
        return [one.as_dict() for one in versions.get(code, ())]

    return {
        "as_of": look.as_of.isoformat() if look.as_of is not None else None,
        "manifest": found.manifest_sha256,
        "catalogue": catalogue.sha256,
        "records": found.records,
        "personal": look.personal,
        "assessed_on": surroundings.assessed_on,
        "domains": [
            {
                "domain": domain.code,
                "zh": domain.zh,
                "en": domain.en,
                "owner_zh": domain.owner_zh,
                "owner_en": domain.owner_en,
                "records": listed(found.current, domain.code),
                "history": listed(found.history, domain.code),
                "cases": surroundings.cases.get(domain.code, []),
                "quality": surroundings.scores.get(domain.code),
            }
            for domain in catalogue.domains
            if domain.code in found.current or domain.code in found.history
        ],
    }
