"""What the commands say of definitions that are not those of the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lab.bureau.data.publication.definition_history import DefinitionHistory
from lab.cli.terminal.output import CommandOutput


def show_history(out: CommandOutput, history: Sequence[DefinitionHistory]) -> None:
    """Say which definitions are not those of the day."""
    for one in history:
        if one.state != "same":
            out.say(f"注意 Note: {' '.join(one.words)}")


def history_facts(history: Sequence[DefinitionHistory]) -> list[dict[str, Any]]:
    """The same as JSON has it."""
    return [asdict(one) | {"state": one.state} for one in history]
