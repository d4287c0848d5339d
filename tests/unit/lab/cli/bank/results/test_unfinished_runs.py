"""What ``lab bank runs`` says of a run that is not finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.bank.results.unfinished_runs import show_unfinished
from lab.cli.terminal.output import CommandOutput


def test_no_space_is_shown_as_an_escape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_unfinished(CommandOutput(), tmp_path)
    shown = capsys.readouterr().out
    assert "canaries included: 0" in shown and "\\u0020" not in shown
