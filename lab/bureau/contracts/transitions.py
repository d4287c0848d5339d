"""Moving one version along the workflow: which version, the step, its ledger entry, and coming into force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from lab.bureau.contracts.repository import Held, contract_row, held, version_rows
from lab.bureau.contracts.workflow import FINAL, TRANSITIONS, Action, State, advance
from lab.bureau.ledger import Fact, record
from lab.bureau.store.tables import ContractRow, ContractVersionRow
from lab.terms.contract.document import Contract
from lab.terms.errors import Conflict, NotFound
from lab.terms.text.visible_line import check_line

REASON = 500
"""Characters of a reason at most; the ledger keeps it."""
IN_FORCE = frozenset({State.ACTIVE, State.SUSPENDED})
KINDS = {
    Action.SUBMIT: "contract.submitted",
    Action.RETURN: "contract.returned",
    Action.REVIEW: "contract.reviewed",
    Action.APPROVE: "contract.approved",
    Action.REJECT: "contract.rejected",
    Action.ACTIVATE: "contract.active",
    Action.SUSPEND: "contract.suspended",
    Action.RESUME: "contract.resumed",
    Action.REVOKE: "contract.revoked",
    Action.EXPIRE: "contract.expired",
    Action.RETIRE: "contract.retired",
}
"""The ledger's name of each step."""


def activate(session: Session, contract: ContractRow, row: ContractVersionRow, by: str, now: datetime) -> Held:
    """Bring an approved version that both signed into force, in place of the former one.

    While the former one is suspended it waits: signing must not lift a suspension.
    """
    document = held(session, contract, row)
    document.signed.verify()
    for former in version_rows(session, contract.id):
        if former.version == contract.in_force and State(former.state) is State.SUSPENDED:
            return document
        if former.version == contract.in_force and State(former.state) is State.ACTIVE:
            step(session, contract, former, Action.RETIRE, by, now, f"replaced by version {row.version}")
    contract.in_force = row.version
    return step(session, contract, row, Action.ACTIVATE, by, now)


def step(
    session: Session,
    contract: ContractRow,
    row: ContractVersionRow,
    action: Action,
    by: str,
    now: datetime,
    reason: str | None = None,
) -> Held:
    after = advance(contract.id, State(row.state), action)
    if action in (Action.SUBMIT, Action.REVIEW, Action.APPROVE, Action.ACTIVATE, Action.RESUME):
        document = held(session, contract, row).contract
        check_term(document, now)
        document.check_texts()  # one that was kept from before may hide something, and then can only be ended
    if reason is not None:
        check_line(reason, "a reason", longest=REASON)
    row.state = after.value
    if after in FINAL:
        row.ended_at = now
    session.flush()
    facts: dict[str, Fact] = {} if reason is None else {"reason": reason}
    record_change(session, KINDS[action], row, by, facts)
    return held(session, contract, row)


def choose(
    session: Session, contract_id: str, action: Action, version: int | None
) -> tuple[ContractRow, ContractVersionRow]:
    contract = contract_row(session, contract_id, lock=True)
    rows = version_rows(session, contract_id)
    if version is not None:
        return contract, find_row(rows, version)
    able = [row for row in rows if (State(row.state), action) in TRANSITIONS]
    return contract, (able or rows)[0]


def find_row(rows: Sequence[ContractVersionRow], version: int) -> ContractVersionRow:
    """The version of that number among a contract's, newest first; raises ``NotFound``."""
    for row in rows:
        if row.version == version:
            return row
    raise NotFound(
        f"Contract {rows[0].contract_id} has no version {version} here.",
        next_step=f"name one from 1 to {rows[0].version}",
    )


def check_term(contract: Contract, now: datetime) -> None:
    """Raise ``Conflict`` when the term is over."""
    if now >= contract.expires:
        raise Conflict(f"The term of contract {contract.id} is over.", next_step="draft a new version or contract")


def record_change(session: Session, kind: str, row: ContractVersionRow, by: str, facts: Mapping[str, Fact]) -> None:
    """Write the entry of a change: the version, the hash of its document, and the facts given."""
    record(session, kind, row.contract_id, {"version": row.version, "sha256": row.sha256, **facts}, by=by)
