"""The cases as the ledger tells of them, and the database's rows held against it.

A row decides whether a record counts. Whoever writes the database could let one stop counting, or count again, by a row
alone; so the rows must be those of the entries.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.data.credit_repair.cases.states import CaseState
from lab.bureau.data.credit_repair.rules.definition import CaseKind
from lab.bureau.ledger.recorded_facts import all_facts
from lab.bureau.store.tables import RepairCaseRow
from lab.disk.checked_files import RESTORE_HINT, DamagedFile

OPENED_ENTRY = {CaseKind.REPAIR: "repair.requested", CaseKind.OBJECTION: "objection.opened"}
DECIDED_ENTRY = {
    CaseState.GRANTED: "repair.granted",
    CaseState.REFUSED: "repair.refused",
    CaseState.UPHELD: "objection.upheld",
    CaseState.REJECTED: "objection.rejected",
}


def check_cases(session: Session) -> None:
    """Raise ``DamagedFile`` unless the cases are those that the ledger tells of: no record stops counting by a row."""
    states = {kind: state.value for state, kind in DECIDED_ENTRY.items()}
    recorded: dict[str, tuple[str, ...]] = {}
    for kind, facts in all_facts(session, (*OPENED_ENTRY.values(), *states)):
        case = str(facts["case"])
        opened = str(facts["opened"]) if kind not in states else recorded.get(case, ("",) * 3)[2]
        state, decided = states.get(kind, CaseState.OPEN.value), str(facts.get("decided", ""))
        recorded[case] = (str(facts["domain"]), str(facts["record"]), opened, state, decided)
    row = RepairCaseRow
    found = session.execute(select(row.id, row.domain, row.record, row.opened_on, row.state, row.decided_on))
    held = {
        case: (domain, record_id, opened.isoformat(), state, "" if decided is None else decided.isoformat())
        for case, domain, record_id, opened, state, decided in found
    }
    if held != recorded:
        raise DamagedFile(
            Path("repair_cases"),
            detail="The cases of credit repair in the database are not those that the ledger tells of.",
            next_step=RESTORE_HINT,
        )
