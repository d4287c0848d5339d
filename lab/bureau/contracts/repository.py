"""What the bureau holds of contracts: each version's document, signatures, state and approvals; and finding them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.contracts.workflow import FINAL_STATES, ContractState
from lab.bureau.store.tables import ApprovalRow, ContractRow, ContractVersionRow
from lab.terms.contract.document import Contract, SignedContract, parse_contract
from lab.terms.errors import NotAllowed, NotFound


@dataclass(frozen=True, slots=True)
class Approval:
    """One officer's approval of a version."""

    account: str
    department: str
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class ContractVersion:
    """One version of a contract as the bureau holds it."""

    signed: SignedContract
    state: ContractState
    version: int
    bank_id: str
    drafted_by: str
    drafted_at: datetime
    reviewer: str | None
    officers_needed: int
    approvals: tuple[Approval, ...]

    @property
    def contract(self) -> Contract:
        """The document."""
        return self.signed.contract


def find_version(session: Session, contract_id: str, version: int | None = None) -> ContractVersion:
    """That version, or without one the version in force, or the newest if none ever was; raises ``NotFound``."""
    contract = contract_row(session, contract_id)
    wanted = contract.in_force if version is None else version
    rows = version_rows(session, contract_id)
    if wanted is None:
        return read_version(session, contract, rows[0])
    for row in rows:
        if row.version == wanted:
            return read_version(session, contract, row)
    raise NotFound(
        f"Contract {contract_id} has no version {wanted} here.", next_step=f"name one from 1 to {rows[0].version}"
    )


def find_newest_version(session: Session, contract_id: str) -> ContractVersion:
    """The newest version, whatever its state; raises ``NotFound``."""
    return read_version(session, contract_row(session, contract_id), version_rows(session, contract_id)[0])


def list_versions(session: Session, contract_id: str) -> list[ContractVersion]:
    """All versions, newest first; raises ``NotFound``."""
    contract = contract_row(session, contract_id)
    return [read_version(session, contract, row) for row in version_rows(session, contract_id)]


def list_contracts(session: Session) -> list[ContractVersion]:
    """Every contract, newest first, by its version in force, or its newest if none ever was."""
    newest_of: dict[str, ContractVersionRow] = {}
    in_force: dict[str, ContractVersionRow] = {}
    contracts = {row.id: row for row in session.scalars(select(ContractRow))}
    for row in session.scalars(select(ContractVersionRow).order_by(ContractVersionRow.version)):
        newest_of[row.contract_id] = row
        if row.version == contracts[row.contract_id].in_force:
            in_force[row.contract_id] = row
    approvals = list(session.scalars(select(ApprovalRow).order_by(ApprovalRow.approved_at)))
    found = [
        _held(contracts[name], chosen, (one for one in approvals if one.contract_id == name))
        for name, chosen in (newest_of | in_force).items()
    ]
    return sorted(found, key=lambda one: (one.drafted_at, one.contract.id), reverse=True)


def current_state(one: ContractVersion, now: datetime) -> ContractState:
    """The state as it is at ``now``: a term that is over is expired, also before anybody recorded it."""
    if one.state not in FINAL_STATES and now >= one.contract.expires:
        return ContractState.EXPIRED
    return one.state


def contract_row(session: Session, contract_id: str, *, lock: bool = False) -> ContractRow:
    """The contract's row, locked or not; raises ``NotFound``."""
    row = session.get(ContractRow, contract_id, with_for_update=lock)
    if row is None:
        raise NotFound(f"No contract {contract_id} is held here.", next_step="list contracts with `lab officer list`")
    return row


def version_rows(session: Session, contract_id: str) -> Sequence[ContractVersionRow]:
    """The rows of a contract's versions, newest first, as the database has them now."""
    return session.scalars(
        select(ContractVersionRow)
        .where(ContractVersionRow.contract_id == contract_id)
        .order_by(ContractVersionRow.version.desc())
        .execution_options(populate_existing=True)
    ).all()


def read_version(session: Session, contract: ContractRow, row: ContractVersionRow) -> ContractVersion:
    """A version from its rows; raises ``NotAllowed`` if its document is not the one of this id and version."""
    approvals = session.scalars(
        select(ApprovalRow)
        .where(ApprovalRow.contract_id == row.contract_id, ApprovalRow.version == row.version)
        .order_by(ApprovalRow.approved_at)
    )
    return _held(contract, row, approvals)


def _held(contract: ContractRow, row: ContractVersionRow, approvals: Iterable[ApprovalRow]) -> ContractVersion:
    parts = {
        "contract": json.loads(row.document),
        "bureau_signature": row.bureau_signature,
        "bank_signature": row.bank_signature,
    }
    signed = parse_contract(json.dumps(parts), kept=True)
    if (signed.contract.id, signed.contract.version) != (row.contract_id, row.version):
        raise NotAllowed(
            f"The document held as contract {row.contract_id} version {row.version} is another one's.",
            next_step="compare the database with a copy; somebody altered it",
        )
    return ContractVersion(
        signed=signed,
        state=ContractState(row.state),
        version=row.version,
        bank_id=contract.bank_id,
        drafted_by=row.drafted_by,
        drafted_at=row.drafted_at,
        reviewer=row.reviewer,
        officers_needed=row.officers_needed,
        approvals=tuple(
            Approval(one.account, one.department, one.approved_at) for one in approvals if one.version == row.version
        ),
    )
