"""Contracts for tests of their workflow, with both parties' keys and the officers who take the steps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from lab.bureau.contracts import banks, lifecycle
from lab.bureau.contracts.bank_signature import accept_bank_signature
from lab.bureau.contracts.draft_storage import insert_draft
from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.contracts.workflow import WORKFLOW, ContractState
from lab.bureau.people.permissions import AccountHolder, Role
from lab.bureau.store import Database
from lab.terms.contract.document import Contract, SignedContract, signing_input
from lab.terms.keys.party import Party
from tests.support.bureau_scene import START

BUREAU, BANK = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
PARTY = Party(name="bank", public_key=BANK.public_key().public_bytes_raw().hex())
DAYS = 10
OVER = START + timedelta(days=DAYS)


def officer(name: str, department: str = "credit") -> AccountHolder:
    """An officer."""
    return AccountHolder(name, department, frozenset({Role.OFFICER}))


ANN, BEN, CAT, DAN = officer("ann"), officer("ben"), officer("cat", "legal"), officer("dan", " Credit ")


def contract(**changes: object) -> Contract:
    """A contract's document, with ceilings small enough to reach."""
    document: dict[str, object] = {
        "id": "c-test-1",
        "bureau": {"name": "bureau", "public_key": BUREAU.public_key().public_bytes_raw().hex()},
        "bank": PARTY.model_dump(),
        "purpose": "credit-approval",
        "recipients": ["credit department", "risk"],
        "items": [{"code": "tax"}, {"code": "court", "form": "band"}, {"code": "staff", "form": "none"}],
        "operations": ["match", "score", "portrait"],
        "detail": "dimensions",
        "models": [
            {"name": "credit", "version": 1, "sheet_sha256": "0" * 64},
            {"name": "credit", "version": 2, "sheet_sha256": "1" * 64},
        ],
        "id_kind": "opaque",
        "engine": "openmined",
        "parameters": "bgv-8192-a",
        "ceilings": {"identifiers_per_match": 10, "rows_per_batch": 5, "rows_per_job": 20},
        "starts": START,
        "expires": OVER,
        **changes,
    }
    return Contract.model_validate(document)


def sign_both(document: Contract) -> SignedContract:
    """The document with both signatures."""
    message = signing_input(document)
    return SignedContract(
        contract=document, bureau_signature=BUREAU.sign(message).hex(), bank_signature=BANK.sign(message).hex()
    )


def bank_signature(document: Contract) -> str:
    """The bank's signature."""
    return BANK.sign(signing_input(document)).hex()


def file(session: Session, document: Contract, *, officers: int = 1, now: datetime = START) -> ContractVersion:
    """Store the document as a draft by Ann."""
    bank_id = banks.register_bank(session, document.bank, by="local", now=now, fingerprint=document.bank.fingerprint)
    return insert_draft(session, document, bank_id=bank_id, officers_needed=officers, author=ANN, now=now)


def sign_by_bank(session: Session, document: Contract, now: datetime = START) -> ContractVersion:
    """The bank signs."""
    return accept_bank_signature(session, document.id, bank_signature(document), now)


def keyed(store: Database) -> Database:
    """``store`` with the keys of these contracts' bureau."""
    store.sign, store.bureau_key = BUREAU.sign, BUREAU.public_key().public_bytes_raw().hex()
    return store


TRANSITIONS = {(state, action): rule.to_state for action, rule in WORKFLOW.items() for state in rule.from_states}
"""Every step of the workflow: the state after it, by the state before and the action."""

STEPS: dict[str, Callable[[Session, str, datetime], object]] = {
    "submit": lambda session, name, now: lifecycle.take_step(session, name, "submit", ANN, now),
    "return": lambda session, name, now: lifecycle.take_step(session, name, "return", BEN, now, reason="why"),
    "review": lambda session, name, now: lifecycle.take_step(session, name, "review", BEN, now),
    "approve": lambda session, name, now: lifecycle.take_step(session, name, "approve", BEN, now),
    "reject": lambda session, name, now: lifecycle.take_step(session, name, "reject", BEN, now, reason="why"),
    "suspend": lambda session, name, now: lifecycle.take_step(session, name, "suspend", BEN, now, reason="why"),
    "resume": lambda session, name, now: lifecycle.take_step(session, name, "resume", BEN, now, reason="why"),
    "revoke": lambda session, name, now: lifecycle.take_step(session, name, "revoke", BEN, now, reason="why"),
    "retire": lambda session, name, now: lifecycle.take_step(session, name, "retire", BEN, now, reason="why"),
    "expire": lambda session, name, now: lifecycle.record_expiry(session, name, OVER),
    "activate": lambda session, name, now: sign_by_bank(
        session, lifecycle.find_newest_version(session, name).contract, now
    ),
}
"""How each action is taken. The bank's signature activates an approved version."""

PATHS: dict[ContractState, tuple[str, ...]] = {
    ContractState.DRAFT: (),
    ContractState.SUBMITTED: ("submit",),
    ContractState.UNDER_REVIEW: ("submit", "review"),
    ContractState.APPROVED: ("submit", "review", "approve"),
    ContractState.ACTIVE: ("submit", "review", "approve", "activate"),
    ContractState.SUSPENDED: ("submit", "review", "approve", "activate", "suspend"),
    ContractState.REJECTED: ("submit", "review", "reject"),
    ContractState.REVOKED: ("submit", "review", "approve", "activate", "revoke"),
    ContractState.EXPIRED: ("submit", "expire"),
    ContractState.RETIRED: ("retire",),
}
"""A sequence of steps to each state."""


def bring(session: Session, document: Contract, state: ContractState) -> ContractVersion:
    """Store a contract as a draft and bring it to a state."""
    file(session, document)
    for action in PATHS[state]:
        STEPS[action](session, document.id, START)
    version = lifecycle.find_newest_version(session, document.id)
    assert version.state is state
    return version
