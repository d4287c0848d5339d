"""What a bank reads of its contract, and its signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from lab.bureau.contracts.bank_signature import accept_bank_signature
from lab.bureau.contracts.repository import current_state, find_version, list_versions
from lab.bureau.contracts.workflow import SIGNABLE_STATES
from lab.bureau.exchange.charges import allowance
from lab.bureau.store import Database
from lab.terms.contract.document import SignedContract


class BankContracts:
    """A bank's contracts. Safe to use from several threads; the caller has checked whose contract it is."""

    def __init__(self, store: Database, clock: Callable[[], datetime]) -> None:
        self._store, self._now = store, clock

    def find(self, contract_id: str, version: int | None = None) -> tuple[SignedContract, str]:
        """A version (without a number: the one in force, or else the newest) and its state now; raises ``NotFound``."""
        with self._store.begin_read() as session:
            found = find_version(session, contract_id, version)
        return found.signed, current_state(found, self._now()).value

    def list_versions(self, contract_id: str) -> list[dict[str, Any]]:
        """Every version, newest first: number, state, hash, and who has signed. Raises ``NotFound``."""
        with self._store.begin_read() as session:
            versions = list_versions(session, contract_id)
        states = [current_state(version, self._now()) for version in versions]
        return [
            {
                "version": version.version,
                "state": state.value,
                "sha256": version.contract.sha256,
                "signable": state in SIGNABLE_STATES,
                "signed_by_bank": version.signed.bank_signature is not None,
                "signed_by_bureau": version.signed.bureau_signature is not None,
            }
            for version, state in zip(versions, states, strict=True)
        ]

    def accept_signature(self, contract_id: str, signature: str, version: int | None = None) -> str:
        """Keep the bank's signature of a version (without a number: the newest that takes one); the state after it.

        Raises ``NotFound``, ``NotAuthentic`` or ``Conflict``.
        """
        now = self._now()
        with self._store.begin() as session:
            signed = accept_bank_signature(session, contract_id, signature, now, version)
        return current_state(signed, now).value

    def allowance(self, contract_id: str) -> dict[str, Any]:
        """What is used and left, for both sides; see ``exchange.charges.allowance``. Raises ``NotFound``."""
        with self._store.begin_read() as session:
            return allowance(session, find_version(session, contract_id).contract, self._now())
