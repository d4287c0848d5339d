"""Misspelt settings are refused in the file and in the environment, with the nearest known name and without values."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bureau.configuration.home import BureauSettings
from lab.terms.errors import InvalidInput
from models.shared.catalogue_words import SensitivityGrade

CANARY = "canary-2b6e"


def read(tmp_path: Path, text: str) -> BureauSettings:
    (tmp_path / "bureau.toml").write_text('name = "A"\n' + text, encoding="utf-8")
    return BureauSettings.read(tmp_path / "bureau.toml")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f'two_officers_abov = "{CANARY}"', "two_officers_abov (did you mean two_officers_above?)"),
        (f'Two_Officers_Above = "{CANARY}"', "Two_Officers_Above (did you mean two_officers_above?)"),
        (f'NAME = "{CANARY}"', "NAME (did you mean name?)"),  # beside `name`: only one of them would count
        (f'databse_url = "{CANARY}"', "databse_url (did you mean database_url?)"),
        (f'[watch_limit]\nrefused = "{CANARY}"', "watch_limit (did you mean watch_limits?)"),
        (f'[[witnesses]]\nkye = "{CANARY}"\nurl = "https://w"', "kye (did you mean key?) in [[witnesses]]"),
        (f'"\\u001b[2Jname" = "{CANARY}"', "name"),
    ],
)
def test_a_misspelt_setting_in_the_file_is_refused(tmp_path: Path, text: str, shown: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, text)
    assert shown in caught.value.detail and CANARY not in str(caught.value) and "\x1b" not in str(caught.value)
    assert str(tmp_path / "bureau.toml") in caught.value.next_step


def test_a_misspelt_setting_in_the_environment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHULAB_BUREAU_TWO_OFFICERS_ABOV", CANARY)
    with pytest.raises(InvalidInput, match=r"did you mean SHULAB_BUREAU_TWO_OFFICERS_ABOVE\?") as caught:
        read(tmp_path, "")
    assert CANARY not in str(caught.value)


def test_a_table_in_the_environment_that_is_no_json_is_named_without_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHULAB_BUREAU_WATCH_LIMITS", CANARY)
    with pytest.raises(InvalidInput, match="JSON") as caught:
        read(tmp_path, "")
    assert CANARY not in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    (tmp_path / "bureau.toml").mkdir()
    with pytest.raises(InvalidInput) as caught:
        BureauSettings.read(tmp_path / "bureau.toml")
    assert caught.value.next_step


def test_what_is_spelt_right_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHULAB_BUREAU_HOME", str(tmp_path))
    assert read(tmp_path, 'two_officers_above = "public"').two_officers_above is not SensitivityGrade.INTERNAL
