"""Versions of contracts, on both databases: every step, four eyes, amendments, altered rows."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lab.bureau.contracts import AccessRequest, authorise, banks, lifecycle
from lab.bureau.contracts.bank_signature import accept_bank_signature
from lab.bureau.contracts.workflow import SIGNABLE_STATES, WORKFLOW, ContractState
from lab.bureau.store import Database
from lab.bureau.store.tables import ContractRow, ContractVersionRow, LedgerEntryRow
from lab.terms.contract.document import Operation
from lab.terms.errors import Conflict, InvalidInput, NotAllowed, NotAuthentic, NotFound, ShulabError
from tests.support.bureau_scene import START
from tests.support.contract_papers import (
    ANN,
    BEN,
    CAT,
    DAN,
    OVER,
    STEPS,
    TRANSITIONS,
    bank_signature,
    bring,
    contract,
    file,
    keyed,
    officer,
    sign_by_bank,
)


@pytest.fixture
def kept(store: Database) -> Database:
    return keyed(store)


def entries(session: Session, name: str) -> list[str]:
    query = select(LedgerEntryRow.kind).where(LedgerEntryRow.contract_id == name).order_by(LedgerEntryRow.seq)
    return list(session.scalars(query))


def allowed(store: Database, name: str = "c-test-1") -> bool:
    """Whether a match is let through now."""
    with store.begin_read() as session:
        try:
            authorise(session, name, Operation.MATCH, AccessRequest(), START + timedelta(hours=1))
        except NotAllowed:
            return False
    return True


@pytest.mark.parametrize("state", ContractState)
def test_every_action_in_every_state_does_what_the_table_says(kept: Database, state: ContractState) -> None:
    for number, action in enumerate(WORKFLOW):
        name = f"c-test-{number}"
        with kept.begin() as session:
            bring(session, contract(id=name), state)
            before = entries(session, name)
        possible = (state, action) in TRANSITIONS
        # The bank's signature is also taken by versions that are not approved yet, and is then no step.
        signed_early = action == "activate" and state in SIGNABLE_STATES - {ContractState.APPROVED}
        signed_again = action == "activate" and state in (ContractState.ACTIVE, ContractState.SUSPENDED)
        # A term that is over is noted without complaint where there is nothing to note.
        nothing_to_note = action == "expire" and not possible
        try:
            with kept.begin() as session:
                STEPS[action](session, name, START)
        except Conflict:
            assert not possible and not signed_early and not signed_again and not nothing_to_note, (state, action)
        else:
            assert possible or signed_early or signed_again or nothing_to_note, (state, action)
        with kept.begin_read() as session:
            after = lifecycle.find_newest_version(session, name).state
            assert after is TRANSITIONS.get((state, action), state), (state, action)
            assert (len(entries(session, name)) > len(before)) is (possible or signed_early), (state, action)


def test_who_drafted_may_neither_review_nor_approve_nor_reject(kept: Database) -> None:
    with kept.begin() as session:
        file(session, contract())
        lifecycle.take_step(session, "c-test-1", "submit", ANN, START)
    for step in (
        lambda session: lifecycle.take_step(session, "c-test-1", "review", ANN, START),
        lambda session: lifecycle.take_step(session, "c-test-1", "reject", ANN, START, reason="why"),
        lambda session: lifecycle.take_step(session, "c-test-1", "approve", ANN, START),
    ):
        with pytest.raises((NotAllowed, Conflict)), kept.begin() as session:
            step(session)
    with kept.begin() as session:
        assert lifecycle.take_step(session, "c-test-1", "review", BEN, START).reviewer == "ben"
    for step in (
        lambda session: lifecycle.take_step(session, "c-test-1", "approve", ANN, START),
        lambda session: lifecycle.take_step(session, "c-test-1", "reject", ANN, START, reason="why"),
    ):
        with pytest.raises(NotAllowed, match="four eyes"), kept.begin() as session:
            step(session)
    with kept.begin() as session:
        assert lifecycle.take_step(session, "c-test-1", "approve", BEN, START).state is ContractState.APPROVED


def test_two_officers_of_two_departments_where_items_ask_for_them(kept: Database) -> None:
    with kept.begin() as session:
        file(session, contract(), officers=2)
        lifecycle.take_step(session, "c-test-1", "submit", ANN, START)
        lifecycle.take_step(session, "c-test-1", "review", BEN, START)
        held = lifecycle.take_step(session, "c-test-1", "approve", BEN, START)
        assert held.state is ContractState.UNDER_REVIEW
        assert held.signed.bureau_signature is None
        assert [(one.account, one.department) for one in held.approvals] == [("ben", "credit")]
    for who in (BEN, DAN, ANN):  # the same person; the same department, written otherwise; the author
        with pytest.raises(NotAllowed), kept.begin() as session:
            lifecycle.take_step(session, "c-test-1", "approve", who, START)
    with kept.begin() as session:
        held = lifecycle.take_step(session, "c-test-1", "approve", CAT, START)
        assert held.state is ContractState.APPROVED
        assert [one.account for one in held.approvals] == ["ben", "cat"]
        assert entries(session, "c-test-1")[-3:] == ["contract.approval", "contract.approval", "contract.approved"]


def test_approvals_are_void_when_a_version_is_returned(kept: Database) -> None:
    with kept.begin() as session:
        file(session, contract(), officers=2)
        lifecycle.take_step(session, "c-test-1", "submit", ANN, START)
        lifecycle.take_step(session, "c-test-1", "review", BEN, START)
        lifecycle.take_step(session, "c-test-1", "approve", BEN, START)
        assert lifecycle.take_step(session, "c-test-1", "return", CAT, START, reason="unclear").approvals == ()
        lifecycle.take_step(session, "c-test-1", "submit", ANN, START)
        lifecycle.take_step(session, "c-test-1", "review", CAT, START)
        assert lifecycle.take_step(session, "c-test-1", "approve", CAT, START).state is ContractState.UNDER_REVIEW


def test_of_parallel_approvals_of_one_department_one_counts(kept: Database) -> None:
    with kept.begin() as session:
        file(session, contract(), officers=2)
        lifecycle.take_step(session, "c-test-1", "submit", ANN, START)
        lifecycle.take_step(session, "c-test-1", "review", BEN, START)
    done: list[str] = []
    ready = threading.Barrier(6)

    def approve(number: int) -> None:
        ready.wait()
        try:
            with kept.begin() as session:
                lifecycle.take_step(session, "c-test-1", "approve", officer(f"o-{number}"), START)
        except (NotAllowed, Conflict):
            return
        done.append(f"o-{number}")

    threads = [threading.Thread(target=approve, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with kept.begin_read() as session:
        held = lifecycle.find_newest_version(session, "c-test-1")
    assert len(done) == 1
    assert [one.account for one in held.approvals] == done
    assert held.state is ContractState.UNDER_REVIEW


@pytest.mark.parametrize("bank_first", [True, False])
def test_it_is_active_when_both_have_signed_in_any_order(kept: Database, *, bank_first: bool) -> None:
    document = contract()
    with kept.begin() as session:
        file(session, document)
        lifecycle.take_step(session, document.id, "submit", ANN, START)
        if bank_first:
            assert sign_by_bank(session, document).state is ContractState.SUBMITTED
        lifecycle.take_step(session, document.id, "review", BEN, START)
        approved = lifecycle.take_step(session, document.id, "approve", BEN, START)
        assert approved.state is (ContractState.ACTIVE if bank_first else ContractState.APPROVED)
    assert allowed(kept) is bank_first
    with kept.begin() as session:
        assert sign_by_bank(session, document).state is ContractState.ACTIVE
        before = len(entries(session, document.id))
        assert sign_by_bank(session, document).state is ContractState.ACTIVE  # again: nothing happens
        assert len(entries(session, document.id)) == before
    assert allowed(kept)


def test_a_signature_that_does_not_verify_or_of_a_revoked_key_is_not_kept(kept: Database) -> None:
    document = contract()
    with kept.begin() as session:
        file(session, document)
        with pytest.raises(Conflict, match="draft"):
            sign_by_bank(session, document)
        lifecycle.take_step(session, document.id, "submit", ANN, START)
    other = bank_signature(contract(id="c-test-2"))
    with pytest.raises(NotAuthentic), kept.begin() as session:
        accept_bank_signature(session, document.id, other, START)
    with kept.begin() as session:
        banks.revoke_key(session, document.bank.public_key, "stolen", by="local", now=START)
    with pytest.raises(Conflict, match="key"), kept.begin() as session:
        sign_by_bank(session, document)
    with kept.begin_read() as session:
        assert lifecycle.find_version(session, document.id).signed.bank_signature is None


@pytest.mark.property(
    "Amendments",
    claim=("An amendment comes into force when both parties have signed it, and retires the former version at once."),
    topic="contracts and consent",
    code=["lab.bureau.contracts.lifecycle"],
)
def test_an_amendment_comes_into_force_when_both_sign_it_and_retires_the_former_at_once(kept: Database) -> None:
    first, second = contract(), contract(version=2, retention_days=30)
    with kept.begin() as session:
        bring(session, first, ContractState.ACTIVE)
        assert file(session, second).state is ContractState.DRAFT
        assert lifecycle.find_version(session, first.id).version == 1
        lifecycle.take_step(session, first.id, "submit", ANN, START)
        lifecycle.take_step(session, first.id, "review", BEN, START)
        assert lifecycle.take_step(session, first.id, "approve", CAT, START).state is ContractState.APPROVED
        assert lifecycle.find_version(session, first.id).state is ContractState.ACTIVE
    assert allowed(kept)
    with kept.begin() as session:
        assert sign_by_bank(session, second).version == 2
    with kept.begin_read() as session:
        assert [(one.version, one.state) for one in lifecycle.list_versions(session, first.id)] == [
            (2, ContractState.ACTIVE),
            (1, ContractState.RETIRED),
        ]
        assert lifecycle.find_version(session, first.id).version == 2
        assert lifecycle.find_version(session, first.id, 1).contract == first
        assert entries(session, first.id)[-2:] == ["contract.retired", "contract.active"]
        assert authorise(session, first.id, Operation.MATCH, AccessRequest(), START).contract.retention_days == 30
        with pytest.raises(NotFound):
            lifecycle.find_version(session, first.id, 3)


def test_amendments_keep_order_and_bank_and_one_is_on_its_way_at_a_time(kept: Database) -> None:
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
    for wrong in (contract(), contract(version=3)):
        with pytest.raises(Conflict), kept.begin() as session:
            file(session, wrong)
    with pytest.raises(Conflict, match="another bank"), kept.begin() as session:
        party = {"name": "other", "public_key": "ab" * 32}
        file(session, contract(version=2, bank=party))
    with kept.begin() as session:
        file(session, contract(version=2))
        assert file(session, contract(version=3)).version == 3  # a draft is simply replaced
        assert lifecycle.find_version(session, "c-test-1", 2).state is ContractState.RETIRED
        lifecycle.take_step(session, "c-test-1", "submit", ANN, START)
    with pytest.raises(Conflict, match="on its way"), kept.begin() as session:
        file(session, contract(version=4))


def test_a_bank_cannot_lift_a_suspension_by_signing(kept: Database) -> None:
    second = contract(version=2)
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
        file(session, second)
        for action in ("submit", "review", "approve"):
            STEPS[action](session, second.id, START)
        lifecycle.take_step(session, second.id, "suspend", CAT, START, reason="why")
        assert lifecycle.find_version(session, second.id, 1).state is ContractState.SUSPENDED
        assert sign_by_bank(session, second).state is ContractState.APPROVED
    assert not allowed(kept)
    with kept.begin() as session:
        assert lifecycle.take_step(session, second.id, "resume", CAT, START, reason="clear now").version == 2
        assert [one.state for one in lifecycle.list_versions(session, second.id)] == [
            ContractState.ACTIVE,
            ContractState.RETIRED,
        ]
    assert allowed(kept)


def test_nor_by_waiting_until_the_suspended_term_is_over(kept: Database) -> None:
    second = contract(version=2, expires=OVER + timedelta(days=9))
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
        file(session, second)
        for action in ("submit", "review", "approve"):
            STEPS[action](session, second.id, START)
        lifecycle.take_step(session, second.id, "suspend", CAT, START, reason="why")
        assert lifecycle.record_expiry(session, second.id, OVER)
        assert [one.state for one in lifecycle.list_versions(session, second.id)] == [
            ContractState.REVOKED,
            ContractState.EXPIRED,
        ]
    with pytest.raises(Conflict), kept.begin() as session:
        sign_by_bank(session, second, OVER)


def test_revoking_ends_what_waits_for_the_bank_too_and_retiring_refuses_while_it_waits(kept: Database) -> None:
    second = contract(version=2)
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
        file(session, second)
        for action in ("submit", "review", "approve"):
            STEPS[action](session, second.id, START)
    with pytest.raises(Conflict, match="waits"), kept.begin() as session:
        lifecycle.take_step(session, second.id, "retire", CAT, START, reason="why")
    with kept.begin() as session:
        assert lifecycle.take_step(session, second.id, "revoke", CAT, START, reason="why").version == 1
        assert [one.state for one in lifecycle.list_versions(session, second.id)] == [
            ContractState.REVOKED,
            ContractState.REVOKED,
        ]
    with pytest.raises(Conflict), kept.begin() as session:
        sign_by_bank(session, second)
    assert not allowed(kept)


def test_a_term_that_is_over_reads_expired_before_anybody_noted_it(kept: Database) -> None:
    with kept.begin() as session:
        held = bring(session, contract(), ContractState.ACTIVE)
        assert lifecycle.current_state(held, OVER - timedelta(seconds=1)) is ContractState.ACTIVE
        assert lifecycle.current_state(held, OVER) is ContractState.EXPIRED
        assert lifecycle.record_expiry(session, "c-test-1", OVER - timedelta(seconds=1)) is False
        with pytest.raises(NotAllowed, match="expires"):
            authorise(session, "c-test-1", Operation.MATCH, AccessRequest(), OVER)
        assert lifecycle.record_expiry(session, "c-test-1", OVER) is True
        assert lifecycle.record_expiry(session, "c-test-1", OVER) is False
        assert entries(session, "c-test-1").count("contract.expired") == 1


def test_a_step_that_cannot_be_recorded_is_not_taken(kept: Database) -> None:
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
    reason = "asked for by 91350100M000100Y43"  # a reason must not name an enterprise
    with pytest.raises(InvalidInput), kept.begin() as session:
        lifecycle.take_step(session, "c-test-1", "revoke", BEN, START, reason=reason)
    assert allowed(kept)


@pytest.mark.parametrize(
    "alteration",
    ["wider terms", "other contract", "no bureau signature", "no bank signature", "other bureau", "draft in force"],
)
def test_a_row_altered_in_the_database_lets_nothing_through(kept: Database, alteration: str) -> None:
    wider = contract(ceilings={"identifiers_per_match": 1_000_000})
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
        bring(session, contract(id="c-test-2", detail="dimensions"), ContractState.ACTIVE)
        file(session, contract(version=2, ceilings={"identifiers_per_match": 1_000_000}))
        own = session.get_one(ContractVersionRow, ("c-test-1", 1))
        other = session.get_one(ContractVersionRow, ("c-test-2", 1))
        alterations: dict[str, dict[str, object]] = {
            "wider terms": {"document": wider.canonical_bytes().decode(), "sha256": wider.sha256},
            "other contract": {
                "document": other.document,
                "bureau_signature": other.bureau_signature,
                "bank_signature": other.bank_signature,
            },
            "no bureau signature": {"bureau_signature": None},
            "no bank signature": {"bank_signature": None},
            "other bureau": {},
            "draft in force": {},
        }
        values = alterations[alteration]
        if alteration == "draft in force":
            session.execute(update(ContractRow).where(ContractRow.id == "c-test-1").values(in_force=2))
            session.execute(update(ContractVersionRow).where(ContractVersionRow.version == 2).values(state="active"))
        elif values:
            session.execute(
                update(ContractVersionRow).where(ContractVersionRow.contract_id == own.contract_id).values(values)
            )
    if alteration == "other bureau":
        kept.bureau_key = "ab" * 32  # as if both keys in the document had been made up, and it signed with them
    assert not allowed(kept)


def test_without_the_bureaus_key_nothing_is_let_through(kept: Database) -> None:
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
    assert allowed(kept)
    kept.bureau_key = ""
    assert not allowed(kept)


def test_lists_name_each_contract_once_by_what_is_in_force(kept: Database) -> None:
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
        file(session, contract(version=2))
        bring(session, contract(id="c-test-2"), ContractState.SUBMITTED)
    with kept.begin_read() as session:
        found = {one.contract.id: (one.version, one.state) for one in lifecycle.list_contracts(session)}
        assert found == {"c-test-1": (1, ContractState.ACTIVE), "c-test-2": (1, ContractState.SUBMITTED)}
        with pytest.raises(NotFound):
            lifecycle.find_version(session, "c-none")


def test_errors_of_the_cabinet_name_no_key(kept: Database) -> None:
    with kept.begin() as session:
        bring(session, contract(), ContractState.ACTIVE)
    try:
        with kept.begin() as session:
            lifecycle.take_step(session, "c-test-1", "submit", ANN, START)
    except ShulabError as error:
        assert "active" in error.detail and contract().bank.public_key not in str(error)
        assert error.next_step
