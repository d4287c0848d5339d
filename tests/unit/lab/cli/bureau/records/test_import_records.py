"""The commands for deliveries, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.bureau.bureau import Bureau
from lab.cli import build_app
from lab.terms.errors import Conflict, InvalidInput, NotFound
from tests.support.delivering_bureau import FIRMS, TAX, TAX_HEADER, tax_rows


@pytest.fixture
def home(tmp_path: Path) -> Path:
    Bureau.create(tmp_path / "home", name="某局").close()
    return tmp_path / "home"


@pytest.fixture
def office(tmp_path: Path) -> Path:
    folder = tmp_path / "office"
    folder.mkdir()
    (folder / "tax.toml").write_text(TAX)
    (folder / "t.csv").write_text("\n".join([TAX_HEADER, *tax_rows(), "x,2026-03-01,1,0,A级"]) + "\n")
    changed = [row.replace("A级", "B级") for row in tax_rows()[:2]]
    (folder / "c.csv").write_text("\n".join([TAX_HEADER, *changed]) + "\n")
    return folder


def run(capfd: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    """A command of ``lab bureau``; what it says under --json."""
    capfd.readouterr()
    build_app("bureau")(["bureau", *map(str, words), "--json"], standalone_mode=False)
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_import_correct_delete_and_list(home: Path, office: Path, capfd: pytest.CaptureFixture[str]) -> None:
    at = ("--home", home, "--mapping", office / "tax.toml")
    done = run(capfd, "records", "import", office / "t.csv", *at)
    assert (done["stored"], done["set_aside"], done["reasons"]) == (60, 1, {"length": 1})
    assert Path(done["deliveries"][0]["set_aside_file"]).exists()
    assert run(capfd, "records", "import", office / "t.csv", *at)["known"] == 1
    assert run(capfd, "records", "correct", office / "c.csv", *at, "--reason", "查实")["stored"] == 2
    assert run(capfd, "records", "delete", office / "c.csv", *at, "--reason", "撤销")["stored"] == 2
    listed = run(capfd, "records", "deliveries", "--home", home)["deliveries"]
    assert [(one["operation"], one["why"], one["by"]) for one in listed] == [
        ("delete", "撤销", "local"),
        ("correct", "查实", "local"),
        ("add", "", "local"),
    ]
    for words, family in (
        (("records", "import", office / "t.csv", "--home", home), InvalidInput),
        (("records", "import", office / "t.csv", *at, "--received", "2999-01-01"), InvalidInput),
        (("records", "import", office / "t.csv", *at, "--deliveries", office / "d.toml"), InvalidInput),
        (("records", "import", office / "t.csv", *at, "--by", "nobody"), NotFound),
        (("records", "correct", office / "c.csv", *at, "--reason", " "), InvalidInput),
    ):
        with pytest.raises(family):
            run(capfd, *words)


def test_a_person_reads_counts_and_reasons(home: Path, office: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [
        "bureau",
        "records",
        "import",
        str(office / "t.csv"),
        "--mapping",
        str(office / "tax.toml"),
        "--home",
        str(home),
    ]
    build_app("bureau")(words, standalone_mode=False)
    shown = capfd.readouterr().out
    assert "搁置原因" in shown and "60" in shown and "deliveries/set-aside" in shown.replace("\n", "")
    assert not any(firm in shown for firm in FIRMS)


def test_a_draft_is_written_and_checked(home: Path, office: Path, capfd: pytest.CaptureFixture[str]) -> None:
    at = ("--home", home)
    drafted = run(capfd, "mapping", "suggest", office / "t.csv", "--domain", "tax", "--out", office / "draft.toml", *at)
    assert drafted["items"]["period"]["column"] == "所属期" and (office / "draft.toml").exists()
    with pytest.raises(Conflict):
        run(capfd, "mapping", "suggest", office / "t.csv", "--domain", "tax", "--out", office / "draft.toml", *at)
    with pytest.raises(NotFound, match="did you mean tax"):
        run(capfd, "mapping", "suggest", office / "t.csv", "--domain", "taxx", *at)
    found = run(capfd, "mapping", "check", office / "tax.toml", office / "t.csv", *at)
    assert (found["rows"], found["set_aside"]) == (61, 1)
    assert run(capfd, "mapping", "check", office / "tax.toml", *at)["domain"] == "tax"


def test_legacy_codes_are_imported_and_counted(home: Path, office: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (office / "l.csv").write_text(f"legacy_code,enterprise\n440301103097413,{FIRMS[0]}\n")
    assert run(capfd, "legacy-codes", "import", office / "l.csv", "--home", home)["added"] == 1
    found = run(capfd, "legacy-codes", "list", "--home", home)
    assert (found["total"], found["kinds"]["registration-15"]) == (1, 1)
