"""Variables whose names nobody knows are refused, with the nearest known name; values are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.process.environment_names import (
    BUREAU_VARIABLES,
    COMMAND_VARIABLES,
    TEST_VARIABLES,
    check_command_variables,
    check_setting_variables,
)
from lab.terms.errors import InvalidInput

ROOT = Path(__file__).parents[4]
CANARY = "canary-77d0"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.upper().startswith("SHULAB_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SHULAB_PASPHRASE", "SHULAB_PASSPHRASE"),
        ("SHULAB_BANK_HOM", "SHULAB_BANK_HOME"),
        ("SHULAB_BNAK_HOME", "SHULAB_BANK_HOME"),
        ("SHULAB_SERVCE_TLS_KEY", "SHULAB_SERVICE_TLS_KEY"),
        ("SHULAB_BUREU_DATABASE_URL", "SHULAB_BUREAU_DATABASE_URL"),
        ("shulab_session", "SHULAB_SESSION"),
        ("SHULAB_QQQQ", None),
    ],
)
def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, meant: str | None) -> None:
    monkeypatch.setenv(name, CANARY)
    with pytest.raises(InvalidInput) as caught:
        check_command_variables()
    shown = f"found {name} (did you mean {meant}?)." if meant else f"found {name}."
    assert caught.value.detail.endswith(shown) and CANARY not in str(caught.value)


def test_all_known_variables_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*COMMAND_VARIABLES, *BUREAU_VARIABLES, *TEST_VARIABLES, "SHULAB_SERVICE_ANYTHING", "OTHER"):
        monkeypatch.setenv(name, "x")
    check_command_variables()


def test_settings_have_their_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHULAB_BUREAU_HOME", "x")
    monkeypatch.setenv("shulab_bureau_workers", "1")
    check_setting_variables("SHULAB_BUREAU_", ["workers", "database_url"])
    monkeypatch.setenv("SHULAB_BUREAU_DATBASE_URL", CANARY)
    with pytest.raises(InvalidInput, match=r"DATBASE_URL \(did you mean SHULAB_BUREAU_DATABASE_URL\?\)") as caught:
        check_setting_variables("SHULAB_BUREAU_", ["workers", "database_url"])
    assert CANARY not in str(caught.value)


def test_no_setting_comes_in_two_spellings_or_in_letters_that_look_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("\u017fhulab_bureau_workers", CANARY)  # a long s, whose capital is S
    with pytest.raises(InvalidInput, match="only known variables"):
        check_setting_variables("SHULAB_BUREAU_", ["workers"])
    monkeypatch.delenv("\u017fhulab_bureau_workers")
    monkeypatch.setenv("SHULAB_BUREAU_WORKERS", "1")
    check_setting_variables("SHULAB_BUREAU_", ["workers"])
    monkeypatch.setenv("Shulab_Bureau_Workers", "2")
    with pytest.raises(InvalidInput, match="two spellings of SHULAB_BUREAU_WORKERS"):
        check_setting_variables("SHULAB_BUREAU_", ["workers"])


def test_every_variable_that_the_code_names_is_known() -> None:
    known = {*COMMAND_VARIABLES, *BUREAU_VARIABLES, *TEST_VARIABLES}
    assert {name for name in _named() if not name.endswith("_")} - known == set()


def _named() -> Iterator[str]:
    for folder in ("lab", "sandbox", "protocols", "models", "notebooks"):
        for file in (ROOT / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            # Settings of the bureau and the service are checked against their classes, not against the list.
            yield from re.findall(r"\bSHULAB_(?!SERVICE_|BUREAU_SEAL\b|BUREAU_KEY_FILE\b)[A-Z0-9_]+", text)
