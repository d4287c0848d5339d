"""What a status says comes next: of contracts that end soon, and in the languages of errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.status import PartyStatus, StatusLine, ends_soon, show_status

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "passed", "soon"), [(14, 0, False), (14, 11, True), (365, 340, False), (365, 352, True), (14, 15, False)]
)
def test_a_contract_ends_soon_in_its_last_quarter_and_its_last_two_weeks(days: int, passed: int, soon: bool) -> None:
    assert ends_soon(START, START + timedelta(days=days), START + timedelta(days=passed)) is soon


@pytest.mark.parametrize(("language", "lines"), [("zh", 1), ("en", 1), ("both", 2)])
def test_the_next_step_is_in_the_languages_of_errors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str, lines: int
) -> None:
    monkeypatch.setenv("SHULAB_LANG", language)
    step = "register a bank by its card: `lab officer register-bank card.json`"
    show_status(
        CommandOutput(), PartyStatus("bureau", "局", "/home", (StatusLine("banks", ("银行", "banks"), "", step),))
    )
    found = [line for line in capsys.readouterr().out.splitlines() if "register-bank" in line]
    assert len(found) == lines
    assert ("register a bank" in found[-1]) == (language != "zh") and ("请凭名片登记" in found[0]) == (language != "en")
