"""A catalogue on the terminal, and an export from a service that may be hostile."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.tables.catalogue_tables import show_comparison, show_matches, write_export
from lab.terms.errors import InvalidInput


def exported(name: str, content: str = "") -> dict:
    return {"files": [{"name": name, "base64": content or base64.b64encode(b"x").decode()}]}


@pytest.mark.parametrize(
    "name",
    [
        "../x.csv",
        "/etc/passwd",
        "a/b.csv",
        ".bashrc",
        "x",
        "",
        "x.csv\n",
        "x.CSV",
        "con..csv",
        "x\u202e.csv",
        "x.a.b.c",
    ],
)
def test_no_file_leaves_the_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        write_export(CommandOutput(True), exported(name), tmp_path / "out")
    assert list(tmp_path.rglob("*")) == []


def test_what_is_not_base64_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    found = exported("a.csv")
    found["files"] += exported("b.csv", "not base64!")["files"]
    with pytest.raises(InvalidInput):
        write_export(CommandOutput(True), found, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        assert write_export(CommandOutput(True), exported("catalogue.dcat.jsonld"), tmp_path / "out") == [
            "catalogue.dcat.jsonld"
        ]
    assert (tmp_path / "out" / "catalogue.dcat.jsonld").read_bytes() == b"x"


def test_hostile_names_are_shown_and_do_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[31m税\u202e[bold]务"
    match = dict.fromkeys(("code", "kind", "zh", "en", "domain", "owner_zh", "owner_en", "grade"), name)
    show_matches(CommandOutput(), {"query": name, "matches": [match]})
    show_matches(CommandOutput(), {"query": name, "matches": []})
    change = dict.fromkeys(("code", "field", "before", "after"), name)
    show_comparison(CommandOutput(), {"added": [name], "removed": [], "changed": [change]})
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\u202e" not in shown and "[bold]" in shown.replace("\n", "")
