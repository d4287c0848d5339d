"""``lab bureau catalogue``: a bureau replaces the catalogue by its own, and everything says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lab.bureau.bureau import Bureau
from lab.cli.bureau.data.catalogue import catalogue
from lab.cli.doctor.digests import check_digests
from lab.terms.errors import Conflict, InvalidInput, NotFound, ShulabError
from tests.support.small_catalogues import edited, small_files


class CatalogueCommands:
    """Runs ``lab bureau catalogue`` in this process."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, *words: str | Path) -> dict[str, Any]:
        more = [] if words[0] == "check-only" else ["--home", str(self.home)]
        done = CliRunner().invoke(catalogue, [*map(str, words), *more, "--json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def fails(self, family: type[ShulabError], *words: str | Path) -> str:
        with pytest.raises(family) as caught:
            self.run(*words)
        assert caught.value.next_step
        return caught.value.detail


@pytest.fixture
def lab(tmp_path: Path) -> CatalogueCommands:
    Bureau.create(tmp_path / "bureau", name="示例数据局").close()
    return CatalogueCommands(tmp_path / "bureau")


def test_a_bureau_replaces_the_catalogue_by_its_own(lab: CatalogueCommands, tmp_path: Path) -> None:
    own = tmp_path / "own"
    lab.run("export", "--format", "toml", "--out", own)
    text = (own / "tax.toml").read_text(encoding="utf-8")
    (own / "tax.toml").write_text(text.replace('zh = "销售额"', 'zh = "应税销售额"'), encoding="utf-8")
    checked = lab.run("check", own)
    assert [one["code"] for one in checked["changed"]] == ["tax.sales"] and checked["items"] == 119
    assert lab.run("list")["versions"][0]["version"] == 0  # checking imports nothing
    done = lab.run("import", own, "--by", "李伟", "--reason", "用词")
    assert (done["version"], done["new"], done["dropped"]) == (1, True, [])
    assert lab.run("import", own)["new"] is False
    first, embedded = lab.run("list")["versions"]
    assert (first["imported_by"], first["reason"], embedded["version"]) == ("李伟", "用词", 0)
    assert lab.run("show", "tax.sales")["items"][0]["zh"] == "应税销售额"
    assert lab.run("show", "tax.sales", "--version", "0")["items"][0]["zh"] == "销售额"
    assert lab.run("search", "应税")["matches"][0]["code"] == "tax.sales"
    assert lab.run("diff", "0", "1")["changed"] == checked["changed"]


def test_a_wrong_catalogue_is_refused_with_file_and_next_step(lab: CatalogueCommands, tmp_path: Path) -> None:
    edited("tax", 'grade = "sensitive"', 'grade = "sensitiv"').write(tmp_path / "own")
    for command in ("check", "import"):
        assert "tax.toml: defaults.grade" in lab.fails(InvalidInput, command, tmp_path / "own")
    assert "catalogue.toml" in lab.fails(NotFound, "import", tmp_path / "nowhere")
    small_files().write(tmp_path / "small")
    assert "visible" in lab.fails(InvalidInput, "import", tmp_path / "small", "--by", "a\u202eb")
    code = "91350100M000100Y43"
    assert "code" in lab.fails(InvalidInput, "import", tmp_path / "small", "--reason", f"for {code}")
    assert len(lab.run("list")["versions"]) == 1


def test_an_export_needs_a_folder_that_can_be_made(lab: CatalogueCommands, tmp_path: Path) -> None:
    lab.fails(NotFound, "export", "--format", "csv", "--out", tmp_path / "a" / "b")
    lab.fails(NotFound, "export", "--format", "csv", "--out", tmp_path / "a", "--version", "3")
    (tmp_path / "file").write_text("x")
    lab.fails(Conflict, "export", "--format", "csv", "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"


def test_the_doctor_finds_a_damaged_catalogue(lab: CatalogueCommands, tmp_path: Path) -> None:
    small_files().write(tmp_path / "small")
    lab.run("import", tmp_path / "small")
    homes = {"bank": tmp_path / "none", "bureau": lab.home}
    (whole,) = check_digests(homes)
    assert whole.value == 0
    (file,) = (lab.home / "catalogues").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-5])
    _, damaged = check_digests(homes)
    assert damaged.value == f"catalogues/{file.name}" and "catalogue again" in damaged.next_step[1]
    file.unlink()
    assert len(check_digests(homes)) == 2
