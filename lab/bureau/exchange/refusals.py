"""Recording in the ledger that a bank was refused, in a transaction of its own: the refused one was rolled back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from lab.bureau.exchange.retention import expire_contract
from lab.bureau.ledger import BUREAU_ACTOR
from lab.bureau.ledger.rate_limited_entries import Tally, record_or_count
from lab.bureau.store import Database
from lab.bureau.store.tables import ContractRow
from lab.terms.errors import NotAllowed, ShulabError


class RefusalLog:
    """Records refusals. Safe to use from several threads."""

    def __init__(self, store: Database, clock: Callable[[], datetime]) -> None:
        self._store, self._now = store, clock

    def record(self, contract_id: str, operation: str, error: ShulabError) -> None:
        """Record that a bank's ``operation`` was refused; after some refusals they are only counted."""
        about = {"operation": operation, "error": error.code}
        facts = about | {"detail": error.detail}
        with self._store.begin() as session:  # by itself: who counts refusals must not hold the ledger's lock already
            # The id comes from a stranger: the ledger names a contract only if it exists.
            row = session.get(ContractRow, contract_id)
            if row is not None:
                expire_contract(session, contract_id, self._now())
        known, by = (None, BUREAU_ACTOR) if row is None else (contract_id, f"bank:{row.bank_id}")
        with self._store.begin() as session:
            record_or_count(session, "refused", known, facts, Tally(about), by=by, now=self._now())


class _Recording(Protocol):
    @property
    def refusals(self) -> RefusalLog: ...


_Service = TypeVar("_Service", bound=_Recording)
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Method = Callable[Concatenate[_Service, str, _Arguments], _Result]


def records_refusals(
    operation: str,
) -> Callable[[_Method[_Service, _Arguments, _Result]], _Method[_Service, _Arguments, _Result]]:
    """Have a service's method, whose first argument is the contract's id, record each ``NotAllowed`` that it raises."""

    def decorate(method: _Method[_Service, _Arguments, _Result]) -> _Method[_Service, _Arguments, _Result]:
        @wraps(method)
        def recorded(
            self: _Service, contract_id: str, /, *arguments: _Arguments.args, **named: _Arguments.kwargs
        ) -> _Result:
            try:
                return method(self, contract_id, *arguments, **named)
            except NotAllowed as error:
                self.refusals.record(contract_id, operation, error)
                raise

        return recorded

    return decorate
