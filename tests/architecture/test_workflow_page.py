"""The page on the workflow shows the table that is in force."""

from __future__ import annotations

import re
from pathlib import Path

from lab.bureau.contracts.workflow import WORKFLOW, ContractState, draw_diagram, draw_step_table
from lab.cli.officer.views import STATE_LABELS
from lab.terms.contract_steps import CONTRACT_STEPS

PAGE = Path(__file__).parents[2] / "docs" / "contract-workflow.md"


def test_the_diagram_is_drawn_from_the_table() -> None:
    """Put what ``draw_diagram()`` gives between the markers when this fails."""
    found = re.search(
        r"<!-- diagram: begin -->\n```mermaid\n(.*?)\n?```\n<!-- diagram: end -->", PAGE.read_text("utf-8"), re.S
    )
    assert found is not None
    assert found[1] == draw_diagram()


def test_the_table_of_steps_is_drawn_from_the_rows() -> None:
    """Put what ``draw_step_table()`` gives between the markers when this fails."""
    found = re.search(r"<!-- steps: begin -->\n(.*?)\n<!-- steps: end -->", PAGE.read_text("utf-8"), re.S)
    assert found is not None
    assert found[1] == draw_step_table()


def test_every_step_has_words_and_rules() -> None:
    assert list(CONTRACT_STEPS) == list(WORKFLOW)
    assert all(bool(step.help) is (WORKFLOW[step.action].permission is not None) for step in CONTRACT_STEPS.values())


def test_every_state_and_action_has_a_row_and_the_words_that_commands_show() -> None:
    rows = dict(re.findall(r"^\| ([a-z-]+) \| (\S+) \|", PAGE.read_text("utf-8"), re.M))
    del rows["state"], rows["action"]
    assert set(rows) == {state.value for state in ContractState} | set(WORKFLOW)
    assert {name: rows[name] for name in STATE_LABELS} == STATE_LABELS
