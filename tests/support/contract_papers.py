"""Contracts for tests of the contracts room, with keys of both parties, and the officers who move them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from lab.bureau.contracts import banks, lifecycle
from lab.bureau.contracts.repository import ContractVersion
from lab.bureau.contracts.workflow import ContractAction, ContractState
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
    """A contract's document; ceilings small enough to be reached."""
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
    """Ann files it as a draft."""
    bank_id = banks.register_bank(session, document.bank, by="local", now=now, told=document.bank.fingerprint)
    return lifecycle.insert_draft(session, document, bank_id=bank_id, officers_needed=officers, author=ANN, now=now)


def sign_by_bank(session: Session, document: Contract, now: datetime = START) -> ContractVersion:
    """The bank signs."""
    return lifecycle.accept_bank_signature(session, document.id, bank_signature(document), now, "bank:b-1")


def keyed(store: Database) -> Database:
    """The store of the bureau of these contracts."""
    store.sign, store.bureau_key = BUREAU.sign, BUREAU.public_key().public_bytes_raw().hex()
    return store


STEPS: dict[ContractAction, Callable[[Session, str, datetime], object]] = {
    ContractAction.SUBMIT: lambda session, name, now: lifecycle.submit(session, name, ANN, now),
    ContractAction.RETURN: lambda session, name, now: lifecycle.return_to_author(session, name, BEN, "why", now),
    ContractAction.REVIEW: lambda session, name, now: lifecycle.start_review(session, name, BEN, now),
    ContractAction.APPROVE: lambda session, name, now: lifecycle.approve(session, name, BEN, BUREAU.sign, now),
    ContractAction.REJECT: lambda session, name, now: lifecycle.reject(session, name, BEN, "why", now),
    ContractAction.SUSPEND: lambda session, name, now: lifecycle.suspend(session, name, BEN, "why", now),
    ContractAction.RESUME: lambda session, name, now: lifecycle.resume(session, name, BEN, "why", now),
    ContractAction.REVOKE: lambda session, name, now: lifecycle.revoke(session, name, BEN, "why", now),
    ContractAction.RETIRE: lambda session, name, now: lifecycle.retire(session, name, BEN, "why", now),
    ContractAction.EXPIRE: lambda session, name, now: lifecycle.record_expiry(session, name, OVER),
    ContractAction.ACTIVATE: lambda session, name, now: sign_by_bank(
        session, lifecycle.find_newest_version(session, name).contract, now
    ),
}
"""How each action is done. The bank's signature is what activates an approved version."""

_A = ContractAction
PATHS: dict[ContractState, tuple[ContractAction, ...]] = {
    ContractState.DRAFT: (),
    ContractState.SUBMITTED: (_A.SUBMIT,),
    ContractState.UNDER_REVIEW: (_A.SUBMIT, _A.REVIEW),
    ContractState.APPROVED: (_A.SUBMIT, _A.REVIEW, _A.APPROVE),
    ContractState.ACTIVE: (_A.SUBMIT, _A.REVIEW, _A.APPROVE, _A.ACTIVATE),
    ContractState.SUSPENDED: (_A.SUBMIT, _A.REVIEW, _A.APPROVE, _A.ACTIVATE, _A.SUSPEND),
    ContractState.REJECTED: (_A.SUBMIT, _A.REVIEW, _A.REJECT),
    ContractState.REVOKED: (_A.SUBMIT, _A.REVIEW, _A.APPROVE, _A.ACTIVATE, _A.REVOKE),
    ContractState.EXPIRED: (_A.SUBMIT, _A.EXPIRE),
    ContractState.RETIRED: (_A.RETIRE,),
}
"""A way to each state."""


def bring(session: Session, document: Contract, state: ContractState) -> ContractVersion:
    """File a contract and bring it to a state."""
    file(session, document)
    for action in PATHS[state]:
        STEPS[action](session, document.id, START)
    held = lifecycle.find_newest_version(session, document.id)
    assert held.state is state
    return held
