"""The contract's workflow and policy, without storage."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lab.bureau.contracts import Ask, policy
from lab.bureau.contracts.drafting import read_bank_card
from lab.bureau.contracts.workflow import TRANSITIONS, Action, State, advance
from lab.terms.contract import Contract, Operation, SignedContract, signing_input
from lab.terms.errors import Conflict, InvalidInput, NotFound, Refused
from tests.unit.bureau.scene import START

BUREAU, BANK = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def contract(**changes: object) -> Contract:
    document = {
        "id": "c-test-1",
        "bureau": {"name": "bureau", "public_key": BUREAU.public_key().public_bytes_raw().hex()},
        "bank": {"name": "bank", "public_key": BANK.public_key().public_bytes_raw().hex()},
        "purpose": "trial",
        "items": [],
        "operations": ["match"],
        "detail": "total",
        "model": {"name": "credit", "version": 1, "sheet_sha256": "0" * 64},
        "id_kind": "opaque",
        "engine": "openmined",
        "parameters": "bfv-8192-a",
        "ceilings": {"identifiers_per_match": 10, "rows_per_batch": 5},
        "starts": START,
        "expires": START + timedelta(days=1),
        **changes,
    }
    return Contract.model_validate(document)


def signed(document: Contract) -> SignedContract:
    message = signing_input(document)
    return SignedContract(
        contract=document, bureau_signature=BUREAU.sign(message).hex(), bank_signature=BANK.sign(message).hex()
    )


@given(state=st.sampled_from(State), action=st.sampled_from(Action))
def test_only_the_steps_in_the_table_can_be_taken(state: State, action: Action) -> None:
    if (state, action) in TRANSITIONS:
        assert advance("c-1", state, action) is TRANSITIONS[state, action]
    else:
        with pytest.raises(Conflict, match=state.value):
            advance("c-1", state, action)


def test_ended_contracts_stay_ended() -> None:
    assert not [pair for pair in TRANSITIONS if pair[0] in (State.EXPIRED, State.REVOKED)]


@pytest.mark.parametrize(
    ("state", "hours", "allowed"),
    [
        (State.APPROVED, 0, True),
        (State.APPROVED, 23, True),
        (State.APPROVED, 24, False),
        (State.APPROVED, -1, False),
        (State.DRAFT, 1, False),
        (State.REVOKED, 1, False),
        (State.EXPIRED, 1, False),
    ],
)
def test_state_and_term(state: State, hours: int, *, allowed: bool) -> None:
    assert policy.may(policy.check_state, contract(), state, START + timedelta(hours=hours)) is allowed
    assert policy.may_use(signed(contract()), state, Operation.MATCH, START + timedelta(hours=hours)) is allowed


def test_both_signatures_are_needed_and_checked() -> None:
    whole = signed(contract())
    policy.check_signatures(whole)
    for change in (
        {"bank_signature": None},
        {"bureau_signature": None},
        {"bank_signature": whole.bureau_signature},
        {"contract": contract(purpose="credit-approval")},
    ):
        with pytest.raises(Refused):
            policy.check_signatures(whole.model_copy(update=change))


def test_operations_are_those_named() -> None:
    policy.check_operation(contract(), Operation.MATCH)
    with pytest.raises(Refused, match="operations"):
        policy.check_operation(contract(), Operation.SCORE)


@pytest.mark.parametrize(
    ("ask", "term"),
    [
        (Ask(identifiers=11), "identifiers_per_match"),
        (Ask(announced=11), "identifiers_per_match"),
        (Ask(rows=6), "rows_per_batch"),
        (Ask(identifiers=0), "at least 1"),
        (Ask(announced=-1), "at least 1"),
    ],
)
def test_one_request_keeps_within_its_ceilings(ask: Ask, term: str) -> None:
    with pytest.raises(Refused, match=term):
        policy.check_ask(contract(), ask)
    policy.check_ask(contract(), Ask(identifiers=10, announced=10, rows=5))
    policy.check_ask(contract(), Ask())


def test_bank_cards_are_read_strictly(tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    with pytest.raises(NotFound):
        read_bank_card(card)
    card.write_text('{"name": "银行", "public_key": "' + "ab" * 32 + '"}', encoding="utf-8")
    assert read_bank_card(card).name == "银行"
    for content in ("", "[]", "{}", '{"name": "x", "public_key": "zz"}', "[" * 100_000):
        card.write_text(content)
        with pytest.raises(InvalidInput, match="bank card"):
            read_bank_card(card)
