"""Settings: environment before file before default, and errors that name the setting but not its value."""

from __future__ import annotations

import pytest

from lab.terms.errors import InvalidInput
from sandbox.settings import load_settings

CANARY = "canary-8c1f"


def test_defaults_need_no_file(tmp_path):
    assert load_settings(tmp_path).heavy_places == 4


def test_the_file_goes_before_defaults_and_the_environment_before_the_file(tmp_path, monkeypatch):
    (tmp_path / "service.toml").write_text("heavy_places = 3\nretry_after = 9\n")
    monkeypatch.setenv("SHULAB_SERVICE_HEAVY_PLACES", "5")
    settings = load_settings(tmp_path)
    assert (settings.heavy_places, settings.retry_after) == (5, 9)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f'heavy_places = "{CANARY}"', "heavy_places"),
        ("heavy_places = 0", "heavy_places"),
        ("batch_bytes = 99999999999999", "batch_bytes"),
        ("heavy_palces = 3", "heavy_palces"),
        (f"heavy_places = {CANARY}", "TOML"),
        (b"\xff\xfe", "TOML"),
    ],
)
def test_what_does_not_fit_is_named_without_its_value(tmp_path, text, named):
    (tmp_path / "service.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidInput, match=named) as caught:
        load_settings(tmp_path)
    assert CANARY not in str(caught.value)


def test_a_wrong_environment_is_named_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SHULAB_SERVICE_REQUEST_SECONDS", CANARY)
    with pytest.raises(InvalidInput, match="request_seconds") as caught:
        load_settings(tmp_path)
    assert CANARY not in str(caught.value)
