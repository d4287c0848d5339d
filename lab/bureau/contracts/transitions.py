"""Moving one version along the workflow: which version, the step, its ledger entry, and coming into force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import ContractVersion, contract_row, read_version, version_rows
from lab.bureau.contracts.workflow import FINAL_STATES, TRANSITIONS, ContractAction, ContractState, next_state
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import ContractRow, ContractVersionRow
from lab.terms.contract.document import Contract
from lab.terms.errors import Conflict, NotFound
from lab.terms.text.visible_line import check_visible_line

MAX_REASON_CHARACTERS = 500
"""Characters of a reason at most; the ledger keeps it."""
IN_FORCE_STATES = frozenset({ContractState.ACTIVE, ContractState.SUSPENDED})
ACTION_ENTRY_KINDS = {
    ContractAction.SUBMIT: "contract.submitted",
    ContractAction.RETURN: "contract.returned",
    ContractAction.REVIEW: "contract.reviewed",
    ContractAction.APPROVE: "contract.approved",
    ContractAction.REJECT: "contract.rejected",
    ContractAction.ACTIVATE: "contract.active",
    ContractAction.SUSPEND: "contract.suspended",
    ContractAction.RESUME: "contract.resumed",
    ContractAction.REVOKE: "contract.revoked",
    ContractAction.EXPIRE: "contract.expired",
    ContractAction.RETIRE: "contract.retired",
}
"""The ledger's name of each step."""


def activate(
    session: Session, contract: ContractRow, row: ContractVersionRow, by: str, now: datetime
) -> ContractVersion:
    """Bring an approved version that both signed into force, in place of the former one.

    While the former one is suspended it waits: signing must not lift a suspension.
    """
    document = read_version(session, contract, row)
    document.signed.verify()
    for former in version_rows(session, contract.id):
        if former.version == contract.in_force and ContractState(former.state) is ContractState.SUSPENDED:
            return document
        if former.version == contract.in_force and ContractState(former.state) is ContractState.ACTIVE:
            apply_action(
                session, contract, former, ContractAction.RETIRE, by, now, f"replaced by version {row.version}"
            )
    contract.in_force = row.version
    return apply_action(session, contract, row, ContractAction.ACTIVATE, by, now)


def apply_action(
    session: Session,
    contract: ContractRow,
    row: ContractVersionRow,
    action: ContractAction,
    by: str,
    now: datetime,
    reason: str | None = None,
) -> ContractVersion:
    """Move a version to the state after ``action``, and record it; raises ``Conflict`` if it cannot be moved."""
    after = next_state(contract.id, ContractState(row.state), action)
    if action in (
        ContractAction.SUBMIT,
        ContractAction.REVIEW,
        ContractAction.APPROVE,
        ContractAction.ACTIVATE,
        ContractAction.RESUME,
    ):
        document = read_version(session, contract, row).contract
        check_not_expired(document, now)
        document.check_free_texts()  # one that was kept from before may hide something, and then can only be ended
    if reason is not None:
        check_visible_line(reason, "a reason", longest=MAX_REASON_CHARACTERS)
    row.state = after.value
    if after in FINAL_STATES:
        row.ended_at = now
    session.flush()
    facts: dict[str, Fact] = {} if reason is None else {"reason": reason}
    record_change(session, ACTION_ENTRY_KINDS[action], row, by, facts)
    return read_version(session, contract, row)


def select_version_rows(
    session: Session, contract_id: str, action: ContractAction, version: int | None
) -> tuple[ContractRow, ContractVersionRow]:
    """A contract and the version that ``action`` is for: the one named, or the newest that allows it."""
    contract = contract_row(session, contract_id, lock=True)
    rows = version_rows(session, contract_id)
    if version is not None:
        return contract, find_version_row(rows, version)
    able = [row for row in rows if (ContractState(row.state), action) in TRANSITIONS]
    return contract, (able or rows)[0]


def find_version_row(rows: Sequence[ContractVersionRow], version: int) -> ContractVersionRow:
    """The version of that number among a contract's, newest first; raises ``NotFound``."""
    for row in rows:
        if row.version == version:
            return row
    raise NotFound(
        f"Contract {rows[0].contract_id} has no version {version} here.",
        next_step=f"name one from 1 to {rows[0].version}",
    )


def check_not_expired(contract: Contract, now: datetime) -> None:
    """Raise ``Conflict`` when the term is over."""
    if now >= contract.expires:
        raise Conflict(f"The term of contract {contract.id} is over.", next_step="draft a new version or contract")


def record_change(session: Session, kind: str, row: ContractVersionRow, by: str, facts: Mapping[str, Fact]) -> None:
    """Write the entry of a change: the version, the hash of its document, and the facts given."""
    record(session, kind, row.contract_id, {"version": row.version, "sha256": row.sha256, **facts}, by=by)
