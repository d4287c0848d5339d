"""What organisations and stewards do with requests for data, each change in one transaction with its ledger entry."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.requests.answers import RequestAnswer, decide_items
from lab.bureau.data.requests.available_items import find_available_items
from lab.bureau.data.requests.data_request import (
    ITEM_ASKED,
    ITEM_GRANTED,
    ITEM_REFUSED,
    DataRequest,
    RequestFilter,
    find_request_row,
    item_rows,
    list_request_rows,
    read_data_request,
)
from lab.bureau.data.requests.figures import RequestFigures, request_figures
from lab.bureau.data.requests.item_quality import domain_quality
from lab.bureau.data.requests.workflow import (
    REQUEST_WORKFLOW,
    RequestAction,
    RequestState,
    answer_action,
    next_request_state,
)
from lab.bureau.ledger import Fact, record
from lab.bureau.ledger.entries import names_enterprise
from lab.bureau.people import AccountService
from lab.bureau.people.permissions import AccountHolder, Permission, Role
from lab.bureau.store import Database
from lab.bureau.store.tables import DataRequestItemRow, DataRequestRow
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.errors import Conflict, InvalidInput, NotAllowed
from lab.terms.text.visible_line import check_visible_line

MAX_OPEN_REQUESTS = 50
"""Requests of one organisation that may wait for an answer at once."""
MAX_REQUEST_ITEMS = 500
LONGEST_PURPOSE, LONGEST_REASON = 500, 500


@dataclass(frozen=True, slots=True)
class NewDataRequest:
    """What an organisation asks: the purpose in a sentence, codes of items, codes of whole domains, and what a contract
    should say."""

    purpose: str
    items: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    options: DraftOptions = field(default_factory=DraftOptions)


class DataRequestService:
    """Requests for data. An organisation is the department of a requester's account.

    Safe to use from several threads.
    """

    def __init__(
        self,
        store: Database,
        home: BureauHome,
        accounts: AccountService,
        catalogue: Callable[[BureauHome, Session], Catalogue],
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._home, self._accounts = store, home, accounts
        self._catalogue, self._now = catalogue, clock

    def ask(self, person: AccountHolder, new: NewDataRequest) -> DataRequest:
        """Ask for items; raises ``InvalidInput`` for a text that hides something or names an enterprise, ``Conflict``
        when the organisation has too many requests waiting."""
        with self._recording_refusals(person, "ask for data", Permission.REQUEST_DATA), self._store.begin() as session:
            check_visible_line(new.purpose, "a purpose", longest=LONGEST_PURPOSE, least=5)
            items = self._expand_items(session, new)
            _check_names_nobody([new.purpose, *items])
            _check_open_requests(session, person.department)
            now = self._now()
            row = DataRequestRow(
                id=f"r-{now:%Y%m%d}-{secrets.token_hex(4)}",
                organisation=person.department,
                asked_by=person.name,
                purpose=new.purpose,
                options=new.options.model_dump_json(exclude_none=True),
                state=RequestState.ASKED.value,
                asked_at=now,
            )
            session.add(row)
            session.flush()
            session.add_all(
                DataRequestItemRow(request_id=row.id, code=code, place=place, fate=ITEM_ASKED)
                for place, code in enumerate(items)
            )
            session.flush()
            found = self._read(session, [row])[0]
            facts: dict[str, Fact] = {"request": row.id, "organisation": row.organisation, "items": len(items)}
            facts |= {"purpose_sha256": _sha256(new.purpose), "items_sha256": _sha256("\n".join(sorted(items)))}
            record(session, "request.asked", None, facts, by=person.actor)
            return found

    def list_requests(self, person: AccountHolder, asked: RequestFilter) -> list[DataRequest]:
        """Requests, newest first: all for people of the bureau, its own for an organisation."""
        with self._reading(person, "list requests") as (session, organisation):
            return self._read(session, list_request_rows(session, replace(asked, organisation=organisation)))

    def find_request(self, person: AccountHolder, request_id: str) -> DataRequest:
        """One request; raises ``NotFound``, also for another organisation's."""
        with self._reading(person, "show a request") as (session, organisation):
            return self._read(session, [find_request_row(session, request_id, organisation)])[0]

    def withdraw(self, person: AccountHolder, request_id: str, reason: str) -> DataRequest:
        """Take a request back that nobody has answered; raises ``NotFound`` or ``Conflict``."""
        with (
            self._recording_refusals(person, "withdraw a request", Permission.REQUEST_DATA),
            self._store.begin() as session,
        ):
            _check_reason(reason)
            row = find_request_row(session, request_id, person.department, lock=True)
            _take_step(row, RequestAction.WITHDRAW)
            row.reason = reason
            session.flush()
            found = self._read(session, [row])[0]
            facts: dict[str, Fact] = {"request": row.id, "reason": reason}
            record(session, REQUEST_WORKFLOW[RequestAction.WITHDRAW].entry_kind, None, facts, by=person.actor)
            return found

    def answer(self, person: AccountHolder, request_id: str, answer: RequestAnswer) -> DataRequest:
        """Grant or refuse each item; raises what ``decide_items`` raises, ``NotFound`` and ``Conflict``."""
        with (
            self._recording_refusals(person, "answer a request", Permission.ANSWER_REQUESTS),
            self._store.begin() as session,
        ):
            if answer.reason:
                _check_reason(answer.reason)
            row = find_request_row(session, request_id, lock=True)
            rows = item_rows(session, [row.id])[row.id]
            catalogue = self._catalogue(self._home, session)
            known = find_available_items(session, catalogue, [one.code for one in rows])
            # The state first: whoever answers twice hears that, not which item is missing.
            next_request_state(row.id, RequestState(row.state), RequestAction.REFUSE)
            decided = decide_items([one.code for one in rows], answer, known)
            quality = domain_quality(self._home, session)
            for one in rows:
                about = known.get(one.code)
                one.fate = ITEM_GRANTED if decided[one.code] else ITEM_REFUSED
                if about is not None:
                    one.sharing, one.forms = about.sharing, " ".join(about.forms)
                    one.quality = quality.get(about.domain)
            granted = sum(decided.values())
            action = answer_action(granted, len(decided) - granted)
            _take_step(row, action)
            row.answered_at, row.answered_by, row.reason = self._now(), person.name, answer.reason or None
            row.catalogue_sha256 = catalogue.sha256
            session.flush()
            found = self._read(session, [row])[0]
            facts: dict[str, Fact] = {"request": row.id, "state": row.state, "items": len(decided)}
            facts |= {"granted": granted, "catalogue_sha256": catalogue.sha256}
            facts |= {"granted_sha256": _sha256("\n".join(sorted(found.codes(ITEM_GRANTED))))}
            if answer.reason:
                facts["reason"] = answer.reason
            record(session, REQUEST_WORKFLOW[action].entry_kind, None, facts, by=person.actor)
            return found

    def figures(self, person: AccountHolder, year: int | None = None) -> RequestFigures:
        """The figures of all requests, for people of the bureau."""
        with (
            self._recording_refusals(person, "read figures of requests", Permission.READ_REQUESTS),
            self._store.begin_read() as session,
        ):
            return request_figures(session, year)

    def _read(self, session: Session, rows: Sequence[DataRequestRow]) -> list[DataRequest]:
        items = item_rows(session, [row.id for row in rows])
        codes = {one.code for listed in items.values() for one in listed}
        known = find_available_items(session, self._catalogue(self._home, session), codes)
        quality = domain_quality(self._home, session)
        return [read_data_request(row, items.get(row.id, []), known, quality) for row in rows]

    def _expand_items(self, session: Session, new: NewDataRequest) -> list[str]:
        """The codes once each; after those that are named, those of the domains' items."""
        domains = {domain.code: domain for domain in self._catalogue(self._home, session).domains}
        found = dict.fromkeys(check_visible_line(code, "an item's code", longest=100) for code in new.items)
        for code in new.domains:
            if code not in domains:
                raise InvalidInput(
                    f"Expected domains of the catalogue; it has {len(domains)}, and not one that was asked for.",
                    next_step=f"choose among {', '.join(domains)}",
                )
            found |= dict.fromkeys(item.code for item in domains[code].items)
        if not 1 <= len(found) <= MAX_REQUEST_ITEMS:
            raise InvalidInput(
                f"Expected 1 to {MAX_REQUEST_ITEMS} items in a request; found {len(found)}.",
                next_step="name items with --item, or whole domains with --domain",
            )
        return list(found)

    @contextmanager
    def _reading(self, person: AccountHolder, operation: str) -> Iterator[tuple[Session, str | None]]:
        """A session, and the organisation whose requests the person may read; None: all."""
        needed = Permission.REQUEST_DATA if Role.REQUESTER in person.roles else Permission.READ_REQUESTS
        with self._recording_refusals(person, operation, needed), self._store.begin_read() as session:
            yield session, person.department if needed is Permission.REQUEST_DATA else None

    @contextmanager
    def _recording_refusals(self, person: AccountHolder, operation: str, permission: Permission) -> Iterator[None]:
        """Check the permission, and record a refusal in the ledger."""
        try:
            person.check_permission(permission)
            yield
        except NotAllowed as error:
            self._accounts.record_refusal(person, operation, error)
            raise


def _take_step(row: DataRequestRow, action: RequestAction) -> None:
    row.state = next_request_state(row.id, RequestState(row.state), action).value


def _check_open_requests(session: Session, organisation: str) -> None:
    query = select(func.count()).where(
        DataRequestRow.organisation == organisation, DataRequestRow.state == RequestState.ASKED.value
    )
    if (session.scalar(query) or 0) >= MAX_OPEN_REQUESTS:
        raise Conflict(
            f"Your organisation has {MAX_OPEN_REQUESTS} requests that wait for an answer, the most at once.",
            next_step="withdraw one, or wait for an answer",
        )


def _check_reason(reason: str) -> None:
    check_visible_line(reason, "a reason", longest=LONGEST_REASON)
    _check_names_nobody([reason])


def _check_names_nobody(texts: Sequence[str]) -> None:
    if names_enterprise(texts):
        raise InvalidInput(
            "The request holds an enterprise's code; a request is about items, not about an enterprise.",
            next_step="write it without the code",
        )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
