"""Secrets: from the environment, else from a person, else an error with the caller's next step."""

from __future__ import annotations

import io

import pytest

from lab.cli.terminal.prompts.password_prompt import read_password, read_secret
from lab.terms.errors import InvalidInput


def test_the_environment_comes_first_and_without_a_terminal_the_step_is_the_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    missing = InvalidInput("Expected the passphrase; there is no terminal.", next_step="set SHULAB_PASSPHRASE")
    monkeypatch.setenv("SHULAB_PASSPHRASE", "correct horse")
    assert read_secret("SHULAB_PASSPHRASE", "passphrase", missing) == "correct horse"
    monkeypatch.delenv("SHULAB_PASSPHRASE")
    with pytest.raises(InvalidInput) as found:
        read_secret("SHULAB_PASSPHRASE", "passphrase", missing)
    assert found.value is missing
    with pytest.raises(InvalidInput, match="SHULAB_PASSWORD"):
        read_password("SHULAB_PASSWORD", "password")
