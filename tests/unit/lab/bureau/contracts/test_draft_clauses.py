"""A contract that allows a count alone: drafted without items, passed by one officer, and good for nothing else."""

from __future__ import annotations

import pytest

from lab.bureau.contracts import AccessRequest
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.drafting import check_external_contract
from lab.bureau.exchange import AccessControl, JobParameters
from lab.bureau.exchange.charges import charge_identifiers
from lab.terms.contract.document import ConsentClause, Contract, ContractItem, Operation, ReleaseForm, ResultDetail
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.errors import InvalidInput, NotAllowed
from protocols.matching.bureau import MIN_CANARIES, MIN_COUNT_IDENTIFIERS
from tests.support.bureau_scene import AUTHOR, RECIPIENT, Scene
from tests.support.contract_papers import contract

JOB = "job-1"
TERMS = JobParameters(RECIPIENT, "credit", 1, 200)
ALONE = DraftOptions(models=("credit",), operations=(Operation.COUNT,), recipients=(RECIPIENT,))


def draft(scene: Scene, wishes: DraftOptions = ALONE) -> Contract:
    return scene.bureau.contracts.draft(AUTHOR, scene.bank.party, wishes, fingerprint=scene.bank.told).contract


@pytest.fixture
def counting(scene: Scene) -> str:
    """The id of a contract in force that allows a count alone."""
    made = draft(scene)
    scene.file(made)
    return made.id


def enter(scene: Scene, contract_id: str, operation: Operation, identifiers: int | None = None) -> None:
    with scene.bureau.store.begin() as session:
        passage = AccessControl(scene.bureau.models)
        passage.authorise_request(
            session, contract_id, operation, JOB, scene.clock.now, AccessRequest(identifiers=identifiers)
        )


def test_it_is_drafted_without_items_and_one_officer_passes_it(scene: Scene) -> None:
    held = scene.bureau.contracts.draft(AUTHOR, scene.bank.party, ALONE, fingerprint=scene.bank.told)
    made = held.contract
    assert (made.operations, made.detail, made.items) == ((Operation.COUNT,), ResultDetail.TOTAL, ())
    assert [str(model) for model in made.models] == ["credit@1"]
    assert held.officers_needed == 1
    assert (made.ceilings.jobs_per_day, made.ceilings.identifiers) == (1, 100_000)
    # The same wishes with matching name the model's items, which nobody graded.
    more = ALONE.model_copy(update={"operations": (Operation.COUNT, Operation.MATCH), "detail": ResultDetail.TOTAL})
    other = scene.bureau.contracts.draft(AUTHOR, scene.bank.party, more)
    assert other.contract.items and other.officers_needed == 2


def test_the_reason_about_consent_is_of_what_is_asked_for_unless_an_officer_gives_one(scene: Scene) -> None:
    made = draft(scene)
    assert "how many" in made.consent.why and "scores" not in made.consent.why
    more = DraftOptions(operations=(Operation.MATCH, Operation.SCORE))
    amended = scene.bureau.contracts.amend(AUTHOR, made.id, more).contract
    assert "scores alone" in amended.consent.why and not amended.consent.required
    given = ConsentClause(required=False, why="an officer's own")
    amended = scene.bureau.contracts.amend(AUTHOR, made.id, more.model_copy(update={"consent": given})).contract
    again = scene.bureau.contracts.amend(AUTHOR, made.id, DraftOptions(operations=(Operation.COUNT,))).contract
    assert amended.consent == again.consent == given


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"forms": {"a": ReleaseForm.BAND}}, "uses no item; 1 were named"),
        ({"detail": ResultDetail.FULL}, "finer than totals"),
        ({"ceilings": {"identifiers_per_match": MIN_COUNT_IDENTIFIERS + MIN_CANARIES - 1}}, "identifiers_per_match"),
        ({"ceilings": {"identifiers": MIN_COUNT_IDENTIFIERS + MIN_CANARIES - 1}}, "identifiers"),
    ],
)
def test_what_a_count_has_no_use_for_is_not_drafted(scene: Scene, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        draft(scene, DraftOptions.model_validate(ALONE.model_dump(exclude_none=True) | changes))


def test_a_job_is_opened_for_counting_and_nothing_but_a_count_enters_it(scene: Scene, counting: str) -> None:
    scene.bureau.jobs.open(counting, JOB, TERMS)
    enter(scene, counting, Operation.COUNT)
    enter(scene, counting, Operation.COUNT, identifiers=MIN_COUNT_IDENTIFIERS)
    for operation in set(Operation) - {Operation.COUNT}:
        with pytest.raises(NotAllowed, match=r"allows count, not .* \(term: operations\)"):
            enter(scene, counting, operation)
    with pytest.raises(NotAllowed, match="term: operations"):
        scene.bureau.jobs.sheet(counting)
    with pytest.raises(NotAllowed, match="term: operations"):
        scene.bureau.contexts.has(counting, JOB, "0" * 64)


def test_a_job_for_counting_keeps_to_the_other_terms(scene: Scene, counting: str) -> None:
    for wrong, term in (
        (JobParameters("Somebody else", "credit", 1, 200), "recipients"),
        (JobParameters(RECIPIENT, "other", 1, 200), "models"),
        (JobParameters(RECIPIENT, "credit", 1, 10**7), "rows_per_job"),
    ):
        with pytest.raises(NotAllowed, match=f"term: {term}"):
            scene.bureau.jobs.open(counting, JOB, wrong)


def test_a_count_keeps_to_the_ceilings_of_identifiers(scene: Scene) -> None:
    ceilings = {"identifiers_per_match": 250, "identifiers": 300}
    made = draft(scene, DraftOptions.model_validate(ALONE.model_dump(exclude_none=True) | {"ceilings": ceilings}))
    scene.file(made)
    scene.bureau.jobs.open(made.id, JOB, TERMS)
    enter(scene, made.id, Operation.COUNT, identifiers=250)
    with pytest.raises(NotAllowed, match="term: identifiers_per_match"):
        enter(scene, made.id, Operation.COUNT, identifiers=251)
    with scene.bureau.store.begin() as session:
        charge_identifiers(session, made, 250)
        with pytest.raises(NotAllowed, match="identifiers"):
            charge_identifiers(session, made, 51)


def test_a_contract_without_counting_refuses_a_count(scene: Scene) -> None:
    other = scene.contract()
    scene.bureau.jobs.open(other, JOB, TERMS)
    enter(scene, other, Operation.MATCH)
    with pytest.raises(NotAllowed, match="not count"):
        enter(scene, other, Operation.COUNT)


def test_where_matching_is_allowed_too_the_job_is_opened_for_that_and_a_count_enters_it(scene: Scene) -> None:
    made = draft(
        scene, ALONE.model_copy(update={"operations": (Operation.COUNT, Operation.MATCH)}).with_defaults(TOTAL)
    )
    scene.file(made)
    scene.bureau.jobs.open(made.id, JOB, TERMS)
    enter(scene, made.id, Operation.COUNT)
    enter(scene, made.id, Operation.MATCH)
    scene.amend(made.id, items=())
    enter(scene, made.id, Operation.COUNT)
    with pytest.raises(NotAllowed, match="term: items"):
        enter(scene, made.id, Operation.MATCH)


TOTAL = DraftOptions(detail=ResultDetail.TOTAL)


def test_the_first_conversation_is_amended_into_a_contract_over_items_and_back(scene: Scene, counting: str) -> None:
    desk = scene.bureau.contracts
    full = desk.amend(AUTHOR, counting, DraftOptions(detail=ResultDetail.FULL)).contract
    assert full.operations == (Operation.MATCH, Operation.SCORE, Operation.PORTRAIT, Operation.COUNT)
    assert full.items and full.detail is ResultDetail.FULL
    again = desk.amend(AUTHOR, counting, DraftOptions(operations=(Operation.COUNT,))).contract
    assert (again.version, again.items, again.detail) == (3, (), ResultDetail.TOTAL)


def test_forms_of_items_are_left_behind_where_only_a_count_is_wished_for() -> None:
    before = ContractOptions.from_contract(contract())
    assert before.forms and before.detail is not ResultDetail.TOTAL
    wished = before.with_changes(DraftOptions(operations=(Operation.COUNT,)))
    assert (wished.forms, wished.detail) == ({}, ResultDetail.TOTAL)


def test_one_that_was_written_elsewhere_is_held_against_what_the_bureau_has(scene: Scene) -> None:
    made = draft(scene)
    few = made.ceilings.model_copy(update={"identifiers": 1})
    with scene.bureau.store.begin_read() as session:
        check_external_contract(session, made, scene.bureau.party, scene.bureau.models)
        for changes, reason in (
            ({"items": (ContractItem(code="stranger"),)}, "term: items"),
            ({"operations": (Operation.MATCH,)}, "term: items"),
            ({"ceilings": few}, "terms: identifiers"),
        ):
            other = made.model_copy(update=changes)
            with pytest.raises(InvalidInput, match=reason):
                check_external_contract(session, other, scene.bureau.party, scene.bureau.models)
