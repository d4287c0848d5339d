"""Cases of repair and objection, as stewards work with them: opened by the rules, decided with reasons.

Every change and its ledger entry are one transaction. The database and the ledger name a record by its hash.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue import current_catalogue
from lab.bureau.data.credit_repair.cases.record_lookup import AdverseRecord, WantedRecord, find_adverse_record
from lab.bureau.data.credit_repair.cases.states import FAVOURABLE, CaseDecision, CaseState, RegisterVersionRef
from lab.bureau.data.credit_repair.cases.storage import (
    CaseDetails,
    CaseOpening,
    cases_of_record,
    decide_case,
    describe_case,
    find_case,
    insert_case,
    select_cases,
)
from lab.bureau.data.credit_repair.exclusion import is_frozen, is_repaired
from lab.bureau.data.credit_repair.rules.definition import CaseKind, RepairRules
from lab.bureau.data.credit_repair.rules.in_force import calendar_in_force, rules_in_force
from lab.bureau.data.credit_repair.standing import RecordStanding, record_standing
from lab.bureau.data.credit_repair.superseded_versions import count_published_versions, versions_that_counted
from lab.bureau.data.records import RecordStore
from lab.bureau.store import Database
from lab.bureau.store.tables import RepairCaseRow
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, ShulabError
from lab.terms.identifiers.code_search import contains_enterprise_code
from lab.terms.local_day import local_day
from lab.terms.text.visible_line import check_visible_line

MAX_TEXT_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class CaseRequest:
    """What a steward enters. ``corrected_on``, ``commitment``: what the papers show; ``evidence``: where they are."""

    kind: CaseKind
    wanted: WantedRecord
    evidence: str
    grounds: str
    corrected_on: date | None = None
    commitment: bool = False


class CreditRepairService:
    """Cases about adverse records. Safe to use from several threads."""

    def __init__(self, store: Database, home: BureauHome, records: RecordStore, clock: Callable[[], datetime]) -> None:
        self._store, self._home, self._records, self._now = store, home, records, clock

    @property
    def today(self) -> date:
        """The day at the bureau: legal days are those of its place."""
        return local_day(self._now())

    def open_case(self, request: CaseRequest, *, by: str) -> CaseDetails:
        """Open a case; an objection freezes the record from today.

        Raises ``NotFound`` and ``InvalidInput`` (``find_adverse_record``; a text that holds a code), ``NotAllowed`` for
        a repair whose conditions are not met, and ``Conflict`` if a case of the kind is open for the record, or it
        does not count any more.
        """
        for text, what in ((request.evidence, "evidence"), (request.grounds, "grounds")):
            _check_text(text, what)
        with self._store.begin_read() as session:
            rules, calendar = rules_in_force(session), calendar_in_force(session)
            found = self._find(session, rules, request.wanted)
        today, now = self.today, self._now()
        standing = record_standing(found.source, found.values, today)
        if request.kind is CaseKind.REPAIR:
            _check_repair(standing, request, today)
        opening = CaseOpening(
            kind=request.kind,
            domain=found.source.domain,
            record=found.record,
            evidence=request.evidence,
            grounds=request.grounds,
            rules_sha256=rules.sha256,
            due=calendar.due_day(today, rules.legal_days[request.kind].working_days),
        )
        try:
            with self._store.begin() as session:
                _check_earlier_cases(
                    cases_of_record(session, found.source.domain, found.record), found, request.kind, today
                )
                return describe_case(insert_case(session, opening, now=now, today=today, by=by), today)
        except IntegrityError:  # by somebody else, after we looked
            raise Conflict(
                "A case of this kind was opened for the record just now.", next_step="see `lab steward repair list`"
            ) from None

    def decide(self, case_id: str, outcome: CaseState, *, reason: str, by: str) -> CaseDetails:
        """Decide an open case with reasons, and note which register versions counted its record.

        Raises as ``case_storage.decide_case``, and ``Conflict`` if a register version is published meanwhile.
        """
        _check_text(reason, "reason")
        superseded: list[RegisterVersionRef] = []
        with self._store.begin_read() as session:
            published = count_published_versions(session)
            if outcome in FAVOURABLE:
                case = find_case(session, case_id)
                cases = cases_of_record(session, case.domain, case.record)
                catalogue = current_catalogue(self._home, session)
                superseded = versions_that_counted(session, self._records, catalogue, cases)
        decision = CaseDecision(outcome, reason, superseded)
        with self._store.begin() as session:
            if count_published_versions(session) != published:
                raise Conflict("A version of a register was published just now.", next_step="decide again")
            row = decide_case(session, case_id, decision, now=self._now(), today=self.today, by=by)
            return describe_case(row, self.today)

    def list_cases(
        self,
        *,
        kind: CaseKind | None = None,
        open_only: bool = False,
        late_only: bool = False,
        after: str = "",
        limit: int = 100,
    ) -> list[CaseDetails]:
        """Cases by the day they are due; ``late_only``: open ones whose legal days are over. Raises ``NotFound`` for
        an unknown ``after``."""
        today = self.today
        with self._store.begin_read() as session:
            rows = select_cases(
                session,
                kind=kind,
                open_only=open_only,
                late_on=today if late_only else None,
                after=after,
                limit=limit,
            )
            return [describe_case(row, today) for row in rows]

    def show(self, case_id: str) -> dict[str, Any]:
        """A case with where its record stands today; raises ``NotFound``.

        ``record_now`` is null if the record is no longer in the store, or no longer adverse.
        """
        today = self.today
        with self._store.begin_read() as session:
            row = find_case(session, case_id)
            details = describe_case(row, today)
            rules = rules_in_force(session)
            cases = cases_of_record(session, row.domain, row.record)
            try:
                found = self._find(session, rules, WantedRecord(row.domain, record=row.record))
            except ShulabError as error:
                return details.as_dict() | {"record_now": None, "why": error.detail}
        standing = record_standing(found.source, found.values, today)
        return details.as_dict() | {"record_now": _describe_standing(standing, cases, found, today), "why": ""}

    def _find(self, session: Session, rules: RepairRules, wanted: WantedRecord) -> AdverseRecord:
        catalogue = current_catalogue(self._home, session)
        return find_adverse_record(self._records, self._records.head(session), catalogue, rules, wanted)


def _check_text(text: str, what: str) -> None:
    check_visible_line(text, "a text, which goes into the ledger,", longest=MAX_TEXT_CHARACTERS)
    if contains_enterprise_code(text):
        raise InvalidInput(
            f"The text ({what}) holds an enterprise's code, which the ledger must not hold.",
            next_step="write it without the code",
        )


def _check_repair(standing: RecordStanding, request: CaseRequest, today: date) -> None:
    if not standing.counts:
        raise Conflict(
            f"The record does not count any more: {standing.standing.en}.",
            next_step="nothing is to be repaired",
        )
    unmet = standing.unmet_conditions(today, corrected_on=request.corrected_on, commitment=request.commitment)
    if unmet:
        first = standing.repairable_from
        raise NotAllowed(
            f"A repair needs more first: {', '.join(one.en for one in unmet)}. By its terms it may be asked for from "
            f"{first.isoformat() if first else 'no day that is known'}.",
            next_step="bring what is missing (--corrected-on, --commitment), or wait for the day",
        )


def _check_earlier_cases(cases: list[RepairCaseRow], found: AdverseRecord, kind: CaseKind, today: date) -> None:
    if any(is_repaired(case, today) for case in cases):
        raise Conflict("The record was repaired already.", next_step="see `lab steward repair list`")
    if any(case.state == CaseState.UPHELD and found.known_on <= case.opened_on for case in cases):
        raise Conflict(
            f"An objection to the record was upheld already; a new {kind.en} changes nothing.",
            next_step="have its owner department send the correction: `lab bureau records correct`",
        )


def _describe_standing(
    standing: RecordStanding, cases: list[RepairCaseRow], found: AdverseRecord, today: date
) -> dict[str, Any]:
    by_cases = (
        ("repaired", any(is_repaired(case, today) for case in cases)),
        ("frozen", any(is_frozen(case, today) for case in cases)),
        ("corrected", any(case.state == CaseState.UPHELD and found.known_on <= case.opened_on for case in cases)),
    )
    word = next((word for word, applies in by_cases if applies), standing.standing.value)
    days = {
        "started": standing.started,
        "repairable_from": standing.repairable_from,
        "counts_until": standing.greatest_until,
        "corrected": standing.corrected,
    }
    return {
        "class": standing.adverse_class.code,
        "class_zh": standing.adverse_class.title[0],
        "class_en": standing.adverse_class.title[1],
        "standing": word,
        "counts": word == "counts",
    } | {name: None if day is None else day.isoformat() for name, day in days.items()}
