"""Requests for data: each step from each state, what a steward may grant, and the contract that follows."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from lab.bureau.contracts.repository import find_newest_version
from lab.bureau.data.catalogue import default_catalogue
from lab.bureau.data.catalogue.item_definition import SharingType
from lab.bureau.data.requests import DataRequest, NewDataRequest, RequestAnswer, RequestFilter, RequestState
from lab.bureau.data.requests.workflow import REQUEST_WORKFLOW, RequestAction, answer_action, next_request_state
from lab.bureau.people.permissions import AccountHolder, Role
from lab.bureau.store.tables import CatalogueItemRow, DataRequestRow, LedgerEntryRow
from lab.terms.contract.document import Operation, Purpose, ResultDetail, SignedContract
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.support.bureau_scene import AUTHOR, Scene

ASKER = AccountHolder("chen", "Test bank", frozenset({Role.REQUESTER}))
OTHER = AccountHolder("qian", "Another bank", frozenset({Role.REQUESTER}))
STEWARD = AccountHolder("fang", "Data", frozenset({Role.STEWARD}))
AUDITOR = AccountHolder("ning", "Audit", frozenset({Role.AUDITOR}))
PURPOSE = "对小微企业贷款申请评分 score loan applications of small firms"
ALLOWED = {
    ("asked", "grant"): "granted",
    ("asked", "grant-part"): "partly-granted",
    ("asked", "refuse"): "refused",
    ("asked", "withdraw"): "withdrawn",
    ("granted", "contract"): "contracted",
    ("partly-granted", "contract"): "contracted",
}
"""Every allowed step, written by hand."""
ITEMS = ("tax.sales", "courts.outcome", "no.such")


def ask(
    scene: Scene, *items: str, person: AccountHolder = ASKER, domains: tuple[str, ...] = (), **options: object
) -> DataRequest:
    new = NewDataRequest(PURPOSE, items or ITEMS, domains, DraftOptions.model_validate(options))
    return scene.bureau.requests.ask(person, new)


def answer(scene: Scene, request: DataRequest, *grant: str, reason: str = "as the lists say") -> DataRequest:
    given = RequestAnswer(grant, ("all",), reason)
    return scene.bureau.requests.answer(STEWARD, request.id, given)


def register_codes(scene: Scene) -> tuple[str, ...]:
    """The codes of the items that the model reads, by which the register then knows its columns."""
    with scene.bureau.store.begin() as session:
        session.execute(update(CatalogueItemRow).values(code=CatalogueItemRow.column))
    return tuple(item.code for item in scene.model.public_items())


def ledger(scene: Scene, kind: str) -> list[dict[str, object]]:
    with scene.bureau.store.begin_read() as session:
        rows = session.scalars(select(LedgerEntryRow).where(LedgerEntryRow.kind == kind).order_by(LedgerEntryRow.seq))
        return [json.loads(row.body) for row in rows]


@pytest.mark.parametrize(("state", "action"), list(itertools.product(RequestState, RequestAction)))
def test_each_step_is_allowed_or_refused_as_the_table_says(state: RequestState, action: RequestAction) -> None:
    if (after := ALLOWED.get((state.value, action.value))) is not None:
        assert next_request_state("r-x", state, action).value == after
    else:
        with pytest.raises(Conflict, match=state.value):
            next_request_state("r-x", state, action)


def test_the_answers_step_follows_from_what_was_granted() -> None:
    assert [answer_action(*counts).value for counts in ((0, 2), (1, 1), (2, 0))] == ["refuse", "grant-part", "grant"]
    assert set(REQUEST_WORKFLOW) == set(RequestAction)


def test_a_request_goes_its_way_and_the_ledger_says_so(scene_on_both: Scene) -> None:
    scene = scene_on_both
    made = ask(scene, "courts.outcome", "no.such", domains=("tax",))
    assert made.state is RequestState.ASKED and len(made.items) == 11  # the domain's nine, and two
    assert [one.about is None for one in made.items] == [False, True] + [False] * 9
    scene.later(days=6)
    done = answer(scene, made, "tax", "courts.outcome")
    assert (done.state, done.answered_by, done.reason) == (RequestState.PARTLY_GRANTED, "fang", "as the lists say")
    assert len(done.codes("granted")) == 10 and done.codes("refused") == ("no.such",)
    sales = done.items[3]
    item = default_catalogue().item("tax.sales")
    assert (sales.sharing, set(sales.forms)) == (item.sharing.value, {form.value for form in item.release_forms})
    asked, answered = ledger(scene, "request.asked")[0], ledger(scene, "request.answered")[0]
    assert asked["by"] == "person:chen" and answered["by"] == "person:fang"
    assert answered["facts"]["granted"] == 10 and answered["facts"]["items"] == 11  # type: ignore[index]
    assert PURPOSE not in json.dumps(asked, ensure_ascii=False)
    figures = scene.bureau.requests.figures(STEWARD, 2026)
    assert (figures.items_asked, figures.items_granted, figures.demands_met) == (11, 10, "90.9")
    assert (figures.calendar_days.mean, figures.working_days.longest) == ("6.0", 5)  # Sunday to Saturday
    assert scene.bureau.requests.figures(AUDITOR, 2025).demands_met is None


def test_public_holidays_are_no_working_days_of_an_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = scene.bureau.requests
    monkeypatch.setattr(requests, "_now", lambda: datetime(2026, 9, 30, 4, tzinfo=UTC))
    made = ask(scene)
    monkeypatch.setattr(requests, "_now", lambda: datetime(2026, 10, 8, 4, tzinfo=UTC))
    answer(scene, made)
    found = requests.figures(STEWARD, 2026)
    assert (found.calendar_days.longest, found.working_days.longest, found.holidays_known) == (8, 1, True)


def test_figures_say_so_where_holidays_are_not_known(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = scene.bureau.requests
    monkeypatch.setattr(requests, "_now", lambda: datetime(2031, 9, 30, 4, tzinfo=UTC))
    answer(scene, ask(scene))
    assert not requests.figures(STEWARD, 2031).holidays_known


def test_an_answer_is_given_once_and_a_withdrawn_request_has_none(scene: Scene) -> None:
    made = ask(scene)
    answer(scene, made, "tax.sales")
    with pytest.raises(Conflict, match="partly-granted"):
        answer(scene, made, "tax.sales")
    with pytest.raises(Conflict):
        scene.bureau.requests.withdraw(ASKER, made.id, "no longer needed")
    other = ask(scene)
    assert scene.bureau.requests.withdraw(ASKER, other.id, "no longer needed").state is RequestState.WITHDRAWN
    with pytest.raises(Conflict, match="withdrawn"):
        answer(scene, other, "tax.sales")
    assert scene.bureau.requests.figures(STEWARD).items_asked == 3


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (RequestAnswer(("tax.sales",)), InvalidInput),
        (RequestAnswer(("tax.sales",), ("tax.sales", "all"), "x"), InvalidInput),
        (RequestAnswer(("tax.sales",), ("all",)), InvalidInput),
        (RequestAnswer(("permits",), ("all",), "x"), InvalidInput),
        (RequestAnswer(("all",)), NotAllowed),
        (RequestAnswer(("no.such",), ("all",), "x"), NotAllowed),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(
    scene: Scene, given: RequestAnswer, error: type[Exception]
) -> None:
    made, before = ask(scene), scene.size()
    with pytest.raises(error):
        scene.bureau.requests.answer(STEWARD, made.id, given)
    assert scene.bureau.requests.find_request(STEWARD, made.id).state is RequestState.ASKED
    assert scene.size() - before == (error is NotAllowed)  # the refusal


def test_what_is_not_shared_cannot_be_granted(scene: Scene) -> None:
    barred = [item.code for item in default_catalogue().items if item.sharing is SharingType.NOT_SHARED]
    if not barred:
        pytest.skip("every item is shared")
    with pytest.raises(NotAllowed, match="not shared"):
        answer(scene, ask(scene, barred[0]), barred[0])


def test_nobody_sees_another_organisations_request_and_nobody_does_anothers_work(scene: Scene) -> None:
    made = ask(scene)
    requests = scene.bureau.requests
    with pytest.raises(NotFound):
        requests.find_request(OTHER, made.id)
    with pytest.raises(NotFound):
        requests.withdraw(OTHER, made.id, "mine")
    with pytest.raises(NotFound):
        requests.list_requests(OTHER, RequestFilter(after=made.id))
    assert requests.list_requests(OTHER, RequestFilter(organisation="Test bank")) == []
    assert [one.id for one in requests.list_requests(AUDITOR, RequestFilter())] == [made.id]
    for forbidden in (
        lambda: requests.answer(ASKER, made.id, RequestAnswer(("all",))),
        lambda: requests.answer(AUTHOR, made.id, RequestAnswer(("all",))),
        lambda: requests.ask(STEWARD, NewDataRequest(PURPOSE, ITEMS)),
        lambda: requests.withdraw(STEWARD, made.id, "x"),
        lambda: requests.figures(ASKER),
        lambda: requests.list_requests(AccountHolder("mei", "x", frozenset({Role.RESEARCHER})), RequestFilter()),
    ):
        with pytest.raises(NotAllowed):
            forbidden()
    assert len(ledger(scene, "refused")) == 6


@pytest.mark.parametrize(
    ("purpose", "items"),
    [
        ("a\x1b[2J purpose of hiding", ITEMS),
        ("hidden \u202e direction", ITEMS),
        ("about 91350100M000100Y43 only", ITEMS),
        ("x" * 501, ITEMS),
        ("abc", ITEMS),
        (PURPOSE, ("91350100M000100Y43",)),
        (PURPOSE, ("a\nb",)),
        (PURPOSE, ()),
        (PURPOSE, tuple(f"item.{number}" for number in range(501))),
    ],
)
def test_a_hostile_purpose_or_item_is_refused_and_kept_nowhere(
    scene: Scene, purpose: str, items: tuple[str, ...]
) -> None:
    before = scene.size()
    with pytest.raises(InvalidInput) as caught:
        scene.bureau.requests.ask(ASKER, NewDataRequest(purpose, items))
    assert "91350100M000100Y43" not in str(caught.value) and "\x1b" not in str(caught.value)
    with scene.bureau.store.begin_read() as session:
        assert session.query(DataRequestRow).count() == 0
    assert scene.size() == before


def test_a_reason_may_not_name_an_enterprise(scene: Scene) -> None:
    made = ask(scene)
    with pytest.raises(InvalidInput, match="code"):
        answer(scene, made, "tax.sales", reason="see 91350100M000100Y43")
    with pytest.raises(InvalidInput, match="code"):
        scene.bureau.requests.withdraw(ASKER, made.id, "see 91350100M000100Y43")


def test_an_organisation_has_so_many_open_requests(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.bureau.data.requests.service.MAX_OPEN_REQUESTS", 2)
    ask(scene), ask(scene)
    with pytest.raises(Conflict, match="wait"):
        ask(scene)
    ask(scene, person=OTHER)


def test_a_granted_request_becomes_a_draft_contract_with_what_was_asked(scene: Scene) -> None:
    scene.contract()  # registers the bank
    codes = register_codes(scene)
    wishes: dict[str, Any] = {
        "models": ["credit"],
        "purpose": Purpose.RESEARCH,
        "detail": ResultDetail.TOTAL,
        "days": 30,
    }
    made = ask(scene, *codes, "tax.sales", **wishes)
    drafts = scene.bureau.contracts
    with pytest.raises(Conflict, match="asked"):
        drafts.draft(AUTHOR, None, DraftOptions(request=made.id))
    scene.bureau.requests.answer(STEWARD, made.id, RequestAnswer(("all",)))
    drafted = drafts.draft(AUTHOR, None, DraftOptions(request=made.id, recipients=("Credit department",)))
    document = drafted.contract
    assert (document.request, document.schema_) == (made.id, "shulab-contract/3")
    assert (document.bank.name, document.purpose, document.detail) == (
        "Test bank",
        Purpose.RESEARCH,
        ResultDetail.TOTAL,
    )
    assert {item.code for item in document.items} == set(codes)
    found = scene.bureau.requests.find_request(ASKER, made.id)
    assert (found.state, found.contract) == (RequestState.CONTRACTED, document.id)
    assert ledger(scene, "request.contracted")[0]["contract"] == document.id
    with pytest.raises(Conflict, match="contracted"):
        drafts.draft(AUTHOR, None, DraftOptions(request=made.id))
    amended = drafts.amend(AUTHOR, document.id, DraftOptions(days=60))
    assert amended.contract.request == made.id
    with pytest.raises(InvalidInput, match="same request"):
        drafts.amend(AUTHOR, document.id, DraftOptions(request="r-20260101-00000000"))


def test_a_contract_uses_nothing_beyond_what_was_granted(scene: Scene) -> None:
    scene.contract()
    codes = register_codes(scene)
    made = ask(scene, *codes, models=["credit"])
    answer(scene, made, codes[0])
    before = scene.size()
    with pytest.raises(NotAllowed, match="not granted"):
        scene.bureau.contracts.draft(AUTHOR, None, DraftOptions(request=made.id))
    assert scene.size() == before + 1  # the refusal
    assert scene.bureau.requests.find_request(ASKER, made.id).state is RequestState.PARTLY_GRANTED
    counted = DraftOptions(request=made.id, operations=(Operation.COUNT,))
    assert scene.bureau.contracts.draft(AUTHOR, None, counted).contract.items == ()


def test_one_organisations_request_opens_no_contract_with_another(scene: Scene) -> None:
    scene.contract()
    codes = register_codes(scene)
    made = ask(scene, *codes, person=OTHER, models=["credit"])
    scene.bureau.requests.answer(STEWARD, made.id, RequestAnswer(("all",)))
    with pytest.raises(NotFound, match="No bank"):
        scene.bureau.contracts.draft(AUTHOR, None, DraftOptions(request=made.id))
    with pytest.raises(NotAllowed, match="another organisation"):
        scene.bureau.contracts.draft(AUTHOR, scene.bank.party, DraftOptions(request=made.id))


def test_an_imported_contract_does_not_get_around_the_request(scene: Scene) -> None:
    contract = scene.document(scene.contract())
    forged = contract.model_copy(
        update={"id": "c-forged-1", "schema_": "shulab-contract/3", "request": "r-20260101-00000000"}
    )
    with pytest.raises(NotFound):
        scene.bureau.contracts.import_contract(AUTHOR, SignedContract(contract=forged))
    made = ask(scene, *register_codes(scene), models=["credit"])
    scene.bureau.requests.answer(STEWARD, made.id, RequestAnswer(("all",)))
    honest = forged.model_copy(update={"request": made.id})
    scene.bureau.contracts.import_contract(AUTHOR, SignedContract(contract=honest))
    assert scene.bureau.requests.find_request(ASKER, made.id).contract == "c-forged-1"
    without = honest.model_copy(update={"version": 2, "request": None, "schema_": "shulab-contract/2"})
    with pytest.raises(InvalidInput, match="same request"):
        scene.bureau.contracts.import_contract(AUTHOR, SignedContract(contract=without))
    with scene.bureau.store.begin_read() as session:
        assert find_newest_version(session, "c-forged-1").version == 1
