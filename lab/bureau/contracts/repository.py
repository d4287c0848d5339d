"""The contracts at the bureau: each version's document, signatures, state and approvals.

``ContractRecord`` reads one contract for a change and parses each document once; the functions below it only read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select
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
    """One version of a contract as the bureau stores it."""

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


class ContractRecord:
    """One contract with its versions, read in the caller's transaction; each version's document is parsed once.

    Raises ``NotFound`` for an unknown contract. ``lock`` keeps the contract's row locked until the transaction ends,
    so that changes to one contract are serialised.
    """

    def __init__(self, session: Session, contract_id: str, *, lock: bool = False) -> None:
        self.session = session
        self.contract = contract_row(session, contract_id, lock=lock)
        self.versions = version_rows(session, contract_id)
        """Newest first."""
        self._documents: dict[int, Contract] = {}

    def find(self, version: int) -> ContractVersionRow:
        """The row of the version of that number; raises ``NotFound``."""
        for row in self.versions:
            if row.version == version:
                return row
        raise NotFound(
            f"Contract {self.contract.id} has no version {version} here.",
            next_step=f"name one from 1 to {self.versions[0].version}",
        )

    def document(self, row: ContractVersionRow) -> Contract:
        """The version's document; raises ``NotAllowed`` if it is not the document of this id and version."""
        if row.version not in self._documents:
            self._documents[row.version] = _parse_document(row)
        return self._documents[row.version]

    def read(self, row: ContractVersionRow) -> ContractVersion:
        """The version as its rows are now; raises as ``document`` does."""
        approvals = self.session.scalars(
            select(ApprovalRow)
            .where(ApprovalRow.contract_id == row.contract_id, ApprovalRow.version == row.version)
            .order_by(ApprovalRow.approved_at)
        )
        return _build_version(self.contract, row, self.document(row), approvals)


def find_version(session: Session, contract_id: str, version: int | None = None) -> ContractVersion:
    """That version; without one, the version in force, or the newest if none was ever in force. Raises ``NotFound``."""
    record = ContractRecord(session, contract_id)
    number = record.contract.in_force if version is None else version
    return record.read(record.versions[0] if number is None else record.find(number))


def find_newest_version(session: Session, contract_id: str) -> ContractVersion:
    """The newest version, whatever its state; raises ``NotFound``."""
    record = ContractRecord(session, contract_id)
    return record.read(record.versions[0])


def list_versions(session: Session, contract_id: str) -> list[ContractVersion]:
    """All versions, newest first; raises ``NotFound``."""
    record = ContractRecord(session, contract_id)
    return [record.read(row) for row in record.versions]


def list_contracts(session: Session, *, after: str | None = None, limit: int | None = None) -> list[ContractVersion]:
    """Contracts, the newest first, each by its version in force, or its newest if none was ever in force.

    ``after``: only those after this one in the list; raises ``NotFound`` for an unknown one. ``limit``: at most so
    many.
    """
    query = select(ContractRow).order_by(ContractRow.created_at.desc(), ContractRow.id.desc()).limit(limit)
    if after is not None:
        last = contract_row(session, after)
        earlier = and_(ContractRow.created_at == last.created_at, ContractRow.id < last.id)
        query = query.where(or_(ContractRow.created_at < last.created_at, earlier))
    contracts = {row.id: row for row in session.scalars(query)}
    chosen: dict[str, ContractVersionRow] = {}
    versions = select(ContractVersionRow).where(ContractVersionRow.contract_id.in_(contracts))
    for row in session.scalars(versions.order_by(ContractVersionRow.version)):
        before = chosen.get(row.contract_id)
        if before is None or before.version != contracts[row.contract_id].in_force:
            chosen[row.contract_id] = row
    approvals: dict[str, list[ApprovalRow]] = {}
    given = select(ApprovalRow).where(ApprovalRow.contract_id.in_(contracts)).order_by(ApprovalRow.approved_at)
    for approval in session.scalars(given):
        approvals.setdefault(approval.contract_id, []).append(approval)
    return [
        _build_version(row, chosen[name], _parse_document(chosen[name]), approvals.get(name, ()))
        for name, row in contracts.items()
    ]


def current_state(version: ContractVersion, now: datetime) -> ContractState:
    """The state at ``now``: a version whose term is over is expired, also before the expiry is recorded."""
    if version.state not in FINAL_STATES and now >= version.contract.expires:
        return ContractState.EXPIRED
    return version.state


def contract_row(session: Session, contract_id: str, *, lock: bool = False) -> ContractRow:
    """The contract's row, locked if asked to; raises ``NotFound``."""
    row = session.get(ContractRow, contract_id, with_for_update=lock)
    if row is None:
        raise NotFound(
            f"This bureau has no contract {contract_id}.", next_step="list contracts with `lab officer list`"
        )
    return row


def version_rows(session: Session, contract_id: str) -> Sequence[ContractVersionRow]:
    """The rows of a contract's versions, newest first, as the database has them now."""
    return session.scalars(
        select(ContractVersionRow)
        .where(ContractVersionRow.contract_id == contract_id)
        .order_by(ContractVersionRow.version.desc())
        .execution_options(populate_existing=True)
    ).all()


def _parse_document(row: ContractVersionRow) -> Contract:
    """The document in a version's row; raises ``NotAllowed`` if it is that of another contract or version."""
    contract = parse_contract(json.dumps({"contract": json.loads(row.document)}), kept=True).contract
    if (contract.id, contract.version) != (row.contract_id, row.version):
        raise NotAllowed(
            f"The document stored as contract {row.contract_id} version {row.version} belongs to another one.",
            next_step="compare the database with a copy; somebody altered it",
        )
    return contract


def _build_version(
    contract: ContractRow, row: ContractVersionRow, document: Contract, approvals: Iterable[ApprovalRow]
) -> ContractVersion:
    return ContractVersion(
        signed=SignedContract(
            contract=document, bureau_signature=row.bureau_signature, bank_signature=row.bank_signature
        ),
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
