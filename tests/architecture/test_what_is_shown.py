"""Nothing that came from outside is markup: who may draw on a terminal, how, and how pages and tables are written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("lab", "sandbox", "models", "protocols")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TEMPLATES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.j2"))
DRAW = {
    "lab/cli/terminal/output.py",
    "lab/cli/terminal/help_formatting.py",
    "lab/cli/terminal/text_table.py",
    "lab/bank/portraits/pages/terminal_portrait.py",
    "lab/simulation/trial/terminal_summary.py",
    "lab/simulation/demo/results.py",
}
"""The modules that import ``rich``; only the first has a console."""
MARKS_SAFE = {
    "lab/bank/portraits/pages/svg_charts.py",
    "lab/simulation/trial/charts.py",
    "lab/terms/text/styled_page.py",
}
"""The modules that call text markup of a page: our style sheets, and drawings whose texts are escaped one by one."""

INTERPRETERS = ("rich.markup", "rich.emoji", "rich.markdown", "rich.ansi")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in SOURCES:
        yield name(path), ast.parse(path.read_text("utf-8"))


def imported(tree: ast.Module) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{one.name}" for one in node.names}
    return found


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_few_modules_draw_and_none_interprets() -> None:
    drawing = set()
    for module, tree in trees():
        found = {one for one in imported(tree) if one.split(".")[0] == "rich"}
        if found:
            drawing.add(module)
        assert not {
            one for one in found if one.startswith(("rich.markup", "rich.print", "rich.emoji", "rich.markdown"))
        }
        assert "rich" not in found, module
        if module != "lab/cli/terminal/output.py":
            assert not {"rich.console.Console", "rich.progress.Progress"} & found, module
    assert drawing == DRAW


def test_no_call_turns_markup_on() -> None:
    for module, tree in trees():
        for called, node in calls(tree):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            for option in ("markup", "emoji", "highlight"):
                assert given.get(option, "False") == "False", (module, node.lineno)
            assert not called.endswith(("from_markup", "from_ansi", "render_str")), (module, node.lineno)
            if called.endswith("add_column") and module in DRAW:
                assert given.get("overflow") == "'fold'", (module, node.lineno)  # else what is long is cut
            if called.endswith("TextColumn"):
                assert given.get("markup") == "False", (module, node.lineno)
            if called.split(".")[-1] == "Typer":
                assert given.get("rich_markup_mode", "") in ("None", "'markdown'") or not given, (module, node.lineno)


OWN_LINKS = {("index.html.j2", '"{{ one.file }}"'), ("index.html.j2", '"{{ file }}"')}


def test_only_the_output_module_talks_to_the_terminal() -> None:
    talking = {"typer.echo", "typer.secho", "typer.prompt", "typer.confirm", "print", "rich.print"}
    allowed = {
        ("lab/cli/terminal/output.py", "typer.prompt"),
        ("lab/cli/terminal/output.py", "typer.confirm"),
        ("lab/cli/__init__.py", "print"),
    }
    found = {(module, called) for module, tree in trees() for called, _ in calls(tree) if called in talking}
    assert found <= allowed
    for module, tree in trees():
        written = [called for called, _ in calls(tree) if called in ("sys.stdout.write", "sys.stderr.write")]
        # The template is our own text; the rehearsal's child writes a path for its parent.
        assert not written or module in (
            "lab/cli/terminal/output.py",
            "lab/cli/steward/commands.py",
            "lab/simulation/__main__.py",
        ), module


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_no_template_marks_anything_safe(path: Path) -> None:
    text = path.read_text("utf-8")
    said = re.findall(r"\{\{.*?\}\}|\{%.*?%\}", text, re.S)
    for one in said:
        safe = re.search(r"\|\s*(safe|tojson|urlize|xmlattr|forceescape)\b|Markup|autoescape", one)
        assert not safe or one == "{{ style | safe }}", one
    assert "<script" not in text.lower() and "javascript:" not in text.lower()
    # A value in an attribute stands between quotation marks, which escaping covers; in no handler, address or style but
    # the colours of the trial's legend, which are constants.
    for attribute, value in re.findall(r'([\w-]+)=((?:"[^"]*"|[^\s>"]+))', text):
        if "{{" in value:
            assert value.startswith('"'), (attribute, value)
            assert not attribute.startswith("on") and attribute not in ("src", "srcdoc"), attribute
            # The index of portraits links pages by names that are numbers (``lab.bank.portraits.portrait_folder``).
            assert attribute != "href" or (path.name, value) in OWN_LINKS, value
            assert attribute != "style" or re.fullmatch(r'"background:\{\{ (good|bad) \}\}"', value), value


def test_pages_escape_and_show_everything() -> None:
    environments = 0
    for module, tree in trees():
        for called, node in calls(tree):
            if called.endswith("Environment"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert given["autoescape"] == "True" and "finalize" in given, module
                environments += 1
            if called == "Markup":
                assert module in MARKS_SAFE, module
    assert environments == 2


def test_one_module_writes_csv() -> None:
    for module, tree in trees():
        written = [
            called for called, _ in calls(tree) if called.endswith((".write_csv", "csv.writer", "csv.DictWriter"))
        ]
        assert not written or module == "lab/tables/spreadsheet_csv.py", module
