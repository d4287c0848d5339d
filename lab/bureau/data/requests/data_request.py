"""A request for data as the bureau keeps and shows it, and reading it from the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from lab.bureau.data.requests.available_items import AvailableItem
from lab.bureau.data.requests.workflow import RequestState
from lab.bureau.store.tables import DataRequestItemRow, DataRequestRow
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.errors import NotFound

ITEM_ASKED, ITEM_GRANTED, ITEM_REFUSED = "asked", "granted", "refused"


@dataclass(frozen=True, slots=True)
class RequestedItem:
    """One item of a request: its fate, and what the bureau says of it.

    Before the answer ``about``, ``sharing``, ``forms`` and ``quality`` are those of now, afterwards the last three are
    those of the answer. ``about`` is None if the bureau has no such item; ``quality`` is decimal text, or None.
    """

    code: str
    fate: str
    about: AvailableItem | None
    sharing: str | None
    forms: tuple[str, ...]
    quality: str | None


@dataclass(frozen=True, slots=True)
class DataRequest:
    """A request for data. ``reason``: why it was answered or withdrawn so."""

    id: str
    organisation: str
    asked_by: str
    purpose: str
    options: DraftOptions
    state: RequestState
    asked_at: datetime
    answered_at: datetime | None
    answered_by: str | None
    reason: str | None
    contract: str | None
    items: tuple[RequestedItem, ...]

    def codes(self, fate: str) -> tuple[str, ...]:
        """The codes of the items with this fate, in the order asked."""
        return tuple(item.code for item in self.items if item.fate == fate)


@dataclass(frozen=True, slots=True)
class RequestFilter:
    """Which requests to list: of one organisation, in one state, after one in the list, at most so many."""

    organisation: str | None = None
    state: RequestState | None = None
    after: str | None = None
    limit: int | None = None


def find_request_row(
    session: Session, request_id: str, organisation: str | None = None, *, lock: bool = False
) -> DataRequestRow:
    """The request's row, locked if asked to; raises ``NotFound``, also if it is another organisation's."""
    row = session.get(DataRequestRow, request_id, with_for_update=lock)
    if row is None or organisation not in (None, row.organisation):
        raise NotFound(
            f"There is no request {request_id} that you may read.", next_step="list the requests: `lab request list`"
        )
    return row


def item_rows(session: Session, request_ids: Iterable[str]) -> dict[str, list[DataRequestItemRow]]:
    """The items of the requests, in the order asked."""
    query = select(DataRequestItemRow).where(DataRequestItemRow.request_id.in_(list(request_ids)))
    found: dict[str, list[DataRequestItemRow]] = {}
    for row in session.scalars(query.order_by(DataRequestItemRow.request_id, DataRequestItemRow.place)):
        found.setdefault(row.request_id, []).append(row)
    return found


def list_request_rows(session: Session, asked: RequestFilter) -> Sequence[DataRequestRow]:
    """The rows of requests, newest first; raises ``NotFound`` for an ``after`` that the caller may not read."""
    query = select(DataRequestRow).order_by(DataRequestRow.asked_at.desc(), DataRequestRow.id.desc())
    if asked.organisation is not None:
        query = query.where(DataRequestRow.organisation == asked.organisation)
    if asked.state is not None:
        query = query.where(DataRequestRow.state == asked.state.value)
    if asked.after is not None:
        last = find_request_row(session, asked.after, asked.organisation)
        same = and_(DataRequestRow.asked_at == last.asked_at, DataRequestRow.id < last.id)
        query = query.where(or_(DataRequestRow.asked_at < last.asked_at, same))
    return session.scalars(query.limit(asked.limit)).all()


def read_data_request(
    row: DataRequestRow,
    items: Sequence[DataRequestItemRow],
    known: Mapping[str, AvailableItem],
    quality: Mapping[str, str],
) -> DataRequest:
    """The row as a request; ``known`` and ``quality`` (by domain) say what there is now."""
    return DataRequest(
        id=row.id,
        organisation=row.organisation,
        asked_by=row.asked_by,
        purpose=row.purpose,
        options=DraftOptions.model_validate_json(row.options),
        state=RequestState(row.state),
        asked_at=row.asked_at,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        reason=row.reason,
        contract=row.contract_id,
        items=tuple(_item(one, known.get(one.code), quality) for one in items),
    )


def _item(row: DataRequestItemRow, about: AvailableItem | None, quality: Mapping[str, str]) -> RequestedItem:
    if row.fate != ITEM_ASKED:
        forms = tuple((row.forms or "").split())
        return RequestedItem(row.code, row.fate, about, row.sharing, forms, row.quality)
    if about is None:
        return RequestedItem(row.code, row.fate, None, None, (), None)
    return RequestedItem(row.code, row.fate, about, about.sharing, about.forms, quality.get(about.domain))
