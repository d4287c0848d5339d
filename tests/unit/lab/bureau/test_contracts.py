"""The contract's workflow, policy, grades and choices, without storage."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bureau.configuration.item_grades import required_approvals
from lab.bureau.contracts import AccessRequest, policy
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.bureau.contracts.workflow import (
    FINAL_STATES,
    SIGNABLE_STATES,
    WORKFLOW,
    ContractState,
    next_state,
)
from lab.terms.contract.document import Contract, Operation, ReleaseForm, ResultDetail
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.proposal import ContractProposal
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotFound
from lab.terms.keys.party_card import read_party_card
from models.shared.catalogue_words import SensitivityGrade, parse_grade
from tests.support.bureau_scene import START
from tests.support.contract_papers import BUREAU, DAYS, PARTY, TRANSITIONS, contract, sign_both

KEY = BUREAU.public_key().public_bytes_raw().hex()
BATCH = AccessRequest(
    rows=5,
    job_rows=20,
    recipient="risk",
    model=("credit", 2),
    detail=ResultDetail.DIMENSIONS,
    items=frozenset({"tax", "court"}),
)
"""A batch that the contract of these tests just allows."""


@given(state=st.sampled_from(ContractState), action=st.sampled_from(list(WORKFLOW)))
def test_only_the_steps_in_the_table_can_be_taken(state: ContractState, action: str) -> None:
    if (state, action) in TRANSITIONS:
        assert next_state("c-1", state, action) is TRANSITIONS[state, action]
    else:
        with pytest.raises(Conflict, match=state.value):
            next_state("c-1", state, action)


def test_ended_contracts_stay_ended_and_every_state_can_be_reached() -> None:
    assert {ContractState.REJECTED, ContractState.REVOKED, ContractState.EXPIRED, ContractState.RETIRED} == FINAL_STATES
    reached = {ContractState.DRAFT}
    while more := {after for (before, _), after in TRANSITIONS.items() if before in reached} - reached:
        reached |= more
    assert reached == set(ContractState)
    assert all(
        ContractState.EXPIRED in {TRANSITIONS.get((s, a)) for a in WORKFLOW} for s in set(ContractState) - FINAL_STATES
    )
    assert ContractState.DRAFT not in SIGNABLE_STATES and not SIGNABLE_STATES & FINAL_STATES


@pytest.mark.parametrize("state", ContractState)
@pytest.mark.parametrize(("hours", "in_term"), [(-1, False), (0, True), (DAYS * 24 - 1, True), (DAYS * 24, False)])
def test_state_and_term(state: ContractState, hours: int, *, in_term: bool) -> None:
    now, able = START + timedelta(hours=hours), state is ContractState.ACTIVE and in_term
    assert policy.passes_check(policy.check_state, contract(), state, now) is able
    assert policy.is_operation_allowed(sign_both(contract()), state, Operation.MATCH, AccessRequest(), now, KEY) is able


def test_a_refusal_for_the_state_says_which_and_what_to_do() -> None:
    for state in set(ContractState) - {ContractState.ACTIVE}:
        with pytest.raises(NotAllowed, match="expired" if state is ContractState.EXPIRED else state.value) as caught:
            policy.check_state(contract(), state, START)
        assert caught.value.next_step


def test_both_signatures_are_needed_and_checked() -> None:
    whole = sign_both(contract())
    policy.check_signatures(whole, KEY)
    for change in (
        {"bank_signature": None},
        {"bureau_signature": None},
        {"bank_signature": whole.bureau_signature},
        {"contract": contract(purpose="research")},
    ):
        with pytest.raises(NotAllowed):
            policy.check_signatures(whole.model_copy(update=change), KEY)
    with pytest.raises(NotAllowed, match="another bureau"):
        policy.check_signatures(whole, "ab" * 32)


def test_operations_are_those_named_and_finer_replies_need_the_portrait() -> None:
    score = contract(operations=["score"], detail="total")
    policy.check_operation(score, Operation.SCORE, ResultDetail.TOTAL)
    with pytest.raises(NotAllowed, match="operations"):
        policy.check_operation(score, Operation.MATCH)
    with pytest.raises(NotAllowed, match="portrait"):
        policy.check_operation(score, Operation.SCORE, ResultDetail.DIMENSIONS)


@pytest.mark.parametrize(
    ("change", "term"),
    [
        ({"rows": 6}, "rows_per_batch"),
        ({"rows": 0}, "at least 1"),
        ({"job_rows": 21}, "rows_per_job"),
        ({"identifiers": 11}, "identifiers_per_match"),
        ({"identifiers": 0}, "at least 1"),
        ({"recipient": "marketing"}, "recipients"),
        ({"recipient": None}, "recipients"),
        ({"model": ("credit", 3)}, "models"),
        ({"model": ("other", 1)}, "models"),
        ({"model": None}, "models"),
        ({"detail": ResultDetail.FULL}, "detail"),
        ({"detail": ResultDetail.FEATURES}, "detail"),
        ({"detail": None}, "detail"),
        ({"items": frozenset({"tax", "staff"})}, "items"),
        ({"items": frozenset({"tax", "unheard-of"})}, "items"),
        ({"items": None}, "items"),
        ({"form": ReleaseForm.BAND}, "items"),
        ({"form": ReleaseForm.NONE}, "items"),
        ({"items": frozenset({"court"}), "form": ReleaseForm.EXACT}, "items"),
    ],
)
def test_a_request_beyond_one_term_is_refused_by_its_name(change: dict[str, object], term: str) -> None:
    policy.check_request(contract(), BATCH)
    with pytest.raises(NotAllowed, match=rf"{term}"):
        policy.check_request(contract(), replace(BATCH, **change))  # type: ignore[arg-type]


def test_coarser_replies_and_lesser_forms_are_allowed() -> None:
    policy.check_request(contract(), replace(BATCH, detail=ResultDetail.TOTAL))
    policy.check_request(contract(), replace(BATCH, items=frozenset({"court"}), form=ReleaseForm.BAND))
    policy.check_request(contract(), AccessRequest())


@pytest.mark.parametrize(
    ("grades", "above", "officers"),
    [
        ((), SensitivityGrade.PUBLIC, 1),
        (("public", "公开", "1"), SensitivityGrade.PUBLIC, 1),
        (("1", "2"), SensitivityGrade.INTERNAL, 1),
        (("1", "2"), SensitivityGrade.PUBLIC, 2),
        (("1", "3"), SensitivityGrade.INTERNAL, 2),
        (("敏感",), SensitivityGrade.INTERNAL, 2),
        ((" Sensitive ",), SensitivityGrade.SENSITIVE, 1),
        (("restricted", "4", "严控"), SensitivityGrade.RESTRICTED, 1),
        (("undescribed",), SensitivityGrade.RESTRICTED, 2),
        (("",), SensitivityGrade.RESTRICTED, 2),
        (("5",), SensitivityGrade.RESTRICTED, 2),
    ],
)
def test_grades_above_the_level_and_unknown_ones_need_two_officers(
    grades: tuple[str, ...], above: SensitivityGrade, officers: int
) -> None:
    assert required_approvals(grades, above) == officers


def test_grades_are_in_order_and_every_word_means_one() -> None:
    assert [grade.rank for grade in SensitivityGrade] == [0, 1, 2, 3]
    assert [parse_grade(str(number)) for number in range(6)] == [None, *SensitivityGrade, None]


def test_wishes_go_over_what_stands() -> None:
    base = ContractOptions.from_contract(contract())
    wished = base.with_changes(DraftOptions(retention_days=7, ceilings={"jobs_per_day": 2}))
    assert (wished.retention_days, wished.ceilings.jobs_per_day) == (7, 2)
    assert wished.ceilings.rows_per_batch == 5 and wished.recipients == base.recipients
    assert base.with_changes(DraftOptions()) == base
    assert Operation.PORTRAIT not in base.with_changes(DraftOptions(detail=ResultDetail.TOTAL)).operations
    with pytest.raises(InvalidInput, match="rows_per_batch"):
        base.with_changes(DraftOptions(ceilings={"rows_per_batch": 0}))


def test_a_proposal_becomes_wishes_that_options_go_over() -> None:
    proposal = ContractProposal(
        bank=PARTY,
        model="credit",
        operations=(Operation.MATCH, Operation.SCORE),
        recipients=("risk",),
        ceilings=Contract.model_validate(contract().model_dump()).ceilings,
        id_kind="opaque",
        days=3,
        retention_days=30,
    )
    asked = DraftOptions(days=5, ceilings={"identifiers": 9}).with_defaults(DraftOptions.from_proposal(proposal))
    assert (asked.models, asked.days, asked.retention_days) == (("credit",), 5, 30)
    assert (asked.ceilings["identifiers"], asked.ceilings["rows_per_batch"]) == (9, 5)


def test_bank_cards_are_read_strictly(tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    with pytest.raises(NotFound):
        read_party_card(card)
    card.write_text('{"name": "银行", "public_key": "' + "ab" * 32 + '"}', encoding="utf-8")
    assert read_party_card(card).name == "银行"
    for content in ("", "[]", "{}", '{"name": "x", "public_key": "zz"}', "[" * 100_000):
        card.write_text(content)
        with pytest.raises(InvalidInput, match="bank card"):
            read_party_card(card)
