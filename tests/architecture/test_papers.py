"""SECURITY.md, ARCHITECTURE.md and the decisions name modules, tests and files that exist; threats name attacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECURITY = (ROOT / "SECURITY.md").read_text("utf-8")
TESTS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY)
MODULES = re.findall(r"`((?:lab|models|protocols|sandbox)\.[a-z_.]+)`", SECURITY)
PAPERS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "protocols").rglob("*.md")]
PROSE = {paper: re.sub(r"```.*?```|^    .*$", "", paper.read_text("utf-8"), flags=re.S | re.M) for paper in PAPERS}
LINKS = [(paper, link) for paper, text in PROSE.items() for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]


ATTACK = re.compile(r"`(tests/attacks/test_\w+\.py)`: without `(\w+)`, with `(\w+)`")
"""How a threat names its attack: the file, the test that succeeds, the test that fails."""


def threats() -> list[list[str]]:
    """The cells of each row of the table of threats, those that only name a boundary aside."""
    section = SECURITY.partition("\n## Threats, by trust boundary\n")[2].partition("\n## ")[0]
    rows = [line.strip().strip("|").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [cells for cells in rows[1:] if not cells[0].strip().startswith("**")]


THREATS = threats()


def test_security_names_tests_and_modules() -> None:
    assert len(TESTS) >= 20
    assert len(MODULES) >= 15


@pytest.mark.parametrize(("path", "name"), TESTS, ids=[name for _, name in TESTS])
def test_a_named_test_exists(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("cells", THREATS, ids=[cells[0].strip()[:60] for cells in THREATS])
def test_every_threat_names_an_attack_that_succeeds_without_its_control_and_fails_with_it(cells: list[str]) -> None:
    assert len(cells) == 5, "a row has threat, control, as shipped, module and attack"
    named = ATTACK.findall(cells[-1])
    assert named, "a threat without an attack goes to 'What is not prevented'"
    for path, without, with_it in named:
        text = (ROOT / path).read_text("utf-8")
        assert without != with_it
        for name in (without, with_it):
            assert re.search(rf"^(async )?def {name}\(", text, re.MULTILINE), f"{path} has no test {name}"
        assert text.startswith('"""'), f"{path} does not say who attacks, what they want and what stands in the way"
    assert re.search(r"`(?:lab|models|protocols|sandbox|setup)\b[\w.]*`", cells[3]), "a row names a module"


def test_every_attack_is_named_by_a_threat() -> None:
    named = {path for cells in THREATS for path, _, _ in ATTACK.findall(cells[-1])}
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "attacks").glob("test_*.py")}
    assert there - named == set()


@pytest.mark.parametrize("module", sorted(set(MODULES)))
def test_a_named_module_exists(module: str) -> None:
    place = ROOT.joinpath(*module.split("."))
    assert place.is_dir() or place.with_suffix(".py").is_file()


@pytest.mark.parametrize(("paper", "link"), LINKS, ids=[f"{p.name}-{link}" for p, link in LINKS])
def test_a_link_leads_somewhere(paper: Path, link: str) -> None:
    assert (paper.parent / link).exists()


def test_every_decision_is_in_the_list() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_no_path_of_a_machine_stands_in_the_repository() -> None:
    wrong = re.compile(r"(?<![\w.])/(?:work|home|root|Users)/\w")
    found = []
    for folder in ("lab", "models", "protocols", "sandbox", "tests", "docs", "notebooks", ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".toml", ".j2", ".ipynb", ".css") and wrong.search(
                path.read_text("utf-8")
            ):
                found.append(str(path.relative_to(ROOT)))
    assert found == []
