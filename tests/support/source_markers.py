"""Markers that claim security, read from the source text of tests, so that no test is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MARKERS = ("threat", "without_control", "with_control", "property")
NEVER_RUN = ("skip", "xfail", "soak")
"""Markers under which ``make test`` does not run a test, or does not count its failure."""


class ClaimError(Exception):
    """A marker that says too little, or a claim without its test."""


@dataclass(frozen=True)
class TestFunction:
    """A test: the path of its file from the repository's root, and its name."""

    __test__ = False

    path: str
    name: str


@dataclass(frozen=True)
class Marker:
    """One of our markers in a source text; ``test`` is ``None`` for a marker of the whole module."""

    kind: str
    path: str
    test: TestFunction | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def place(self) -> str:
        return f"{self.path}::{self.test.name}" if self.test else self.path


def read_markers(root: Path) -> dict[str, list[Marker]]:
    """Our markers of each test file below ``root / "tests"``, in the order of the text.

    Raises ``ClaimError`` for a marker that pytest or this reader would pass over.
    """
    found = {}
    for path in sorted((root / "tests").rglob("test_*.py")):
        name = path.relative_to(root).as_posix()
        found[name] = list(_markers(name, path.read_text("utf-8")))
    return found


def _markers(path: str, text: str) -> list[Marker]:
    tree = ast.parse(text, path)
    found: list[Marker] = []
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            found += _of_module(path, node.value)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found += _of_function(path, node)
    written = sum(_name(node) in MARKERS for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    if written != len(found):
        raise ClaimError(f"{path}: {written} claims are written and {len(found)} are of a test or in pytestmark.")
    return found


def _of_module(path: str, value: ast.expr) -> list[Marker]:
    marks = value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value]
    ours = [marker for mark in marks for marker in _marker(path, None, mark)]
    _refuse_never_run(path, ours, marks)
    return ours


def _of_function(path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[Marker]:
    test = TestFunction(path, node.name)
    ours = [marker for mark in node.decorator_list for marker in _marker(path, test, mark)]
    if ours and not node.name.startswith("test_"):
        raise ClaimError(f"{path}::{node.name}: pytest runs no function of this name, so it holds no claim.")
    _refuse_never_run(f"{path}::{node.name}", ours, node.decorator_list)
    return ours


def _refuse_never_run(place: str, ours: list[Marker], marks: list[ast.expr]) -> None:
    if ours and any(_name(mark) in NEVER_RUN for mark in marks):
        raise ClaimError(f"{place}: `make test` does not run it or does not count it, so it holds no claim.")


def _marker(path: str, test: TestFunction | None, mark: ast.expr) -> Iterator[Marker]:
    name = _name(mark)
    if name not in MARKERS:
        return
    if not isinstance(mark, ast.Call):
        raise ClaimError(f"{path}: the marker {name} says nothing by itself; give it a name.")
    try:
        args = tuple(ast.literal_eval(arg) for arg in mark.args)
        kwargs = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in mark.keywords}
    except ValueError:
        raise ClaimError(
            f"{path}: the marker {name} must hold literal text, because no test is run to read it."
        ) from None
    yield Marker(name, path, test, args, kwargs)


def _name(mark: ast.expr) -> str:
    """The name of a pytest marker, ``threat`` of ``pytest.mark.threat(...)``; empty if ``mark`` is something else."""
    called = mark.func if isinstance(mark, ast.Call) else mark
    if isinstance(called, ast.Attribute) and ast.unparse(called.value) == "pytest.mark":
        return called.attr
    return ""
