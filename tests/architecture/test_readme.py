"""README and guides say what the commands say: each command and option they show exists, each link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.support.command_page import PAGE, render
from tests.support.command_tree import all_commands, resolve

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
README_BYTES = 6_000
PAPERS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def shown(paper: Path) -> list[str]:
    """Every `lab …` line in a paper's shell blocks, continuation lines joined."""
    text = paper.read_text("utf-8")
    lines = [line for block in BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    bare = [line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    bare = [re.sub(r"^(?:[A-Z_]+=\S+ +)+", "", line) for line in bare]
    return [line for line in bare if line.startswith("lab ")]


SHOWN = [(paper, line) for paper in PAPERS for line in shown(paper)]
IDS = [f"{paper.relative_to(ROOT)}-{place}" for place, (paper, _) in enumerate(SHOWN)]


def test_papers_show_commands() -> None:
    assert len(shown(ROOT / "README.md")) >= 8
    assert len(SHOWN) >= 80


@pytest.mark.parametrize(("paper", "line"), SHOWN, ids=IDS)
def test_shown_command_and_its_options_exist(paper: Path, line: str) -> None:
    words = [word.rstrip("]") for word in shlex.split(line, comments=True)]
    command, rest = resolve(words[1:])
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word.startswith("-"):
            name = word.split("=")[0]
            assert name in options | {"--help"}, f"{paper.name} shows {word} with `{line[:40]}…`; its --help does not"
    required = [p for p in command.params if p.required and isinstance(p, click.Option)]
    missing = [p.opts[0] for p in required if not set(p.opts) & set(rest)]
    assert "--help" in rest or not missing, f"{paper.name} leaves out {missing} in `{line[:60]}…`"


def test_the_page_of_commands_is_current() -> None:
    """Write it anew with `make pages` when this fails."""
    assert PAGE.read_text("utf-8") == render()


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_every_command_explains_itself(name: str) -> None:
    """A person can follow ``--help``: the command and each of its options and arguments has words."""
    command = all_commands()[name]
    assert command.help and len(command.help) > 20
    silent = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not silent, f"options without words: {silent}"
    assert any(option.name == "json" or "--json" in option.opts for option in command.params), "no --json"


def test_readme_is_short() -> None:
    assert len(README.encode()) <= README_BYTES


@pytest.mark.parametrize(
    "target", re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README) + re.findall(r'src="([^":]+)"', README)
)
def test_readme_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


TARGETS = sorted({target for paper in PAPERS for target in re.findall(r"`make ([a-z-]+)", paper.read_text("utf-8"))})


@pytest.mark.parametrize("target", TARGETS)
def test_make_targets_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


NAMED = [
    (paper, name, path)
    for paper in PAPERS
    for name, path in re.findall(
        r"`(\w+)` in \[((?:lab|models|protocols|sandbox)/[\w/]+\.py)\]", paper.read_text("utf-8")
    )
]


@pytest.mark.parametrize(("paper", "name", "path"), NAMED, ids=[name for _, name, _ in NAMED])
def test_a_table_named_with_its_file_is_there(paper: Path, name: str, path: str) -> None:
    text = (ROOT / path).read_text("utf-8")
    assert re.search(rf"^{name}\b", text, re.MULTILINE), f"{paper.name} names {name}, which {path} does not have"
