"""A person reads errors in both languages, or in the one that SHULAB_LANG names; a program reads English."""

from __future__ import annotations

import json
import sys

import pytest

import lab.cli
from lab.cli.terminal.errors.error_language import ErrorLanguage, check_language, find_language
from lab.cli.terminal.output import report_error
from lab.terms.errors import InvalidInput, NotFound

ENGLISH, CHINESE = "Expected a bank's folder; there is none here.", "应为银行目录；这里没有。"
STEP, CHINESE_STEP = "run `lab bank init`, or give --home", "请运行 `lab bank init`，或给出 --home"


@pytest.mark.parametrize(
    ("language", "shown", "hidden"),
    [
        ("", (ENGLISH, CHINESE, STEP, CHINESE_STEP), ()),
        ("both", (ENGLISH, CHINESE, STEP, CHINESE_STEP), ()),
        ("zh", (CHINESE, CHINESE_STEP), (ENGLISH, STEP)),
        ("en", (ENGLISH, STEP), (CHINESE, CHINESE_STEP)),
    ],
)
def test_an_error_is_read_in_the_language_that_is_named(
    language: str,
    shown: tuple[str, ...],
    hidden: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SHULAB_LANG", language)
    report_error(NotFound(ENGLISH, next_step=STEP), as_json=True)
    told = capsys.readouterr()
    assert all(text in told.err for text in shown) and not any(text in told.err for text in hidden)
    assert json.loads(told.out) == {"error": "not-found", "detail": ENGLISH, "next_step": STEP}


def test_what_has_no_chinese_is_shown_in_english(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHULAB_LANG", "zh")
    report_error(NotFound("Expected no such message.", next_step="none"), as_json=False)
    told = capsys.readouterr().err.splitlines()
    assert told == ["错误 error (not-found): Expected no such message.", "下一步 next: none"]


@pytest.mark.parametrize("words", ["bank scoer", "bank score --nonsense", "bank score", "bench matching --rows x"])
def test_wrong_usage_is_told_in_chinese_too(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHULAB_LANG", "both")
    monkeypatch.setattr(sys, "argv", ["lab", *words.split()])
    assert lab.cli._run(words.split()[0]) == 2
    line = next(line for line in capsys.readouterr().err.splitlines() if "error (usage)" in line)
    assert any("\u4e00" <= char <= "\u9fff" for char in line.partition(": ")[2]), line


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_language({"SHULAB_LANG": "fr"}) is ErrorLanguage.BOTH
    with pytest.raises(InvalidInput, match="SHULAB_LANG"):
        check_language({"SHULAB_LANG": "fr"})
    check_language({})
    check_language({"SHULAB_LANG": "zh"})
