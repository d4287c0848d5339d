"""Papers link to files that exist, and decisions are listed. What SECURITY.md claims: test_security_pages.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPERS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "protocols").rglob("*.md")]
PROSE = {paper: re.sub(r"```.*?```|^    .*$", "", paper.read_text("utf-8"), flags=re.S | re.M) for paper in PAPERS}
LINKS = [(paper, link) for paper, text in PROSE.items() for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)]


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
