"""A new step of the workflow is one row of words and one row of rules; nothing else is edited.

Everything that reads the tables does so when it is loaded, so the row is added in a process of its own, before.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[5]
NEW_ROW = """
import sys
from lab.terms import contract_steps as steps
steps.CONTRACT_STEPS["shelve"] = steps.ContractStep(
    "shelve", "搁置", "contract.shelved", "合同搁置", "contract shelved",
    who="an officer", help="搁置 Shelve a contract that is in force.", needs_reason=True,
)
from lab.bureau.contracts import workflow
from lab.bureau.people.permissions import Permission
State = workflow.ContractState
workflow.WORKFLOW["shelve"] = workflow.StepRule(
    (State.ACTIVE,), State.SUSPENDED, Permission.SUSPEND_CONTRACTS, stops_jobs=True
)
"""
READERS = """
from typer.testing import CliRunner
from lab.cli.officer.commands import app
from lab.sdk.client import ServiceClient
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from sandbox.api.people.contracts_admin import OfficerStep

assert OfficerStep("shelve").name == "SHELVE"
shown = CliRunner().invoke(app, ["shelve", "--help"]).output
assert "搁置" in shown and "--reason" in shown, shown
assert ENTRY_KINDS["contract.shelved"].en == "contract shelved"
assert "active --> suspended : shelve" in workflow.draw_diagram()
assert "| shelve | 搁置 | an officer | `lab officer shelve --reason` |" in workflow.draw_step_table()
client, sent = ServiceClient.__new__(ServiceClient), []
client.post = lambda path, form: sent.append((path, form)) or {}
client.step("c-1", "shelve", reason=" why ")
assert sent == [("/v1/desk/contracts/c-1/steps/shelve", {"reason": "why"})]
"""
TAKEN = """
from lab.bureau.contracts import lifecycle
from lab.bureau.ledger.entries import read_entries
from lab.bureau.store import migrate, open_database
from tests.support.bureau_scene import START
from tests.support.contract_papers import BEN, bring, contract, keyed

store = open_database(f"sqlite:///{sys.argv[1]}")
migrate(store.engine)
with keyed(store).begin() as session:
    bring(session, contract(), State.ACTIVE)
    shelved = lifecycle.take_step(session, "c-test-1", "shelve", BEN, START, reason="why")
    assert shelved.state is State.SUSPENDED
    assert [row.kind for row in read_entries(session)][-1] == "contract.shelved"
"""


def test_a_new_step_is_one_row(tmp_path: Path) -> None:
    script = NEW_ROW + READERS + TAKEN
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "b.db")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
