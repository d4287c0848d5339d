"""The tree as a person finds it: few siblings a folder, unit tests where the tested module is, no class name twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("lab", "models", "protocols", "sandbox")
MOST_SIBLINGS = 13
"""Modules and packages in one folder. About nine is the aim; the largest rooms have this many, and no more."""
MOST_LINES = 60
"""Lines of one function."""
MIGRATIONS = ROOT / "lab" / "bureau" / "store" / "migrations" / "versions"


def test_no_folder_holds_more_than_a_person_keeps_in_mind() -> None:
    crowded = {}
    for top in PRODUCT:
        for folder in [ROOT / top, *(path for path in (ROOT / top).rglob("*") if path.is_dir())]:
            names = [
                path.name
                for path in folder.iterdir()
                if path.name not in ("__init__.py", "__pycache__")
                and (path.suffix == ".py" or (path.is_dir() and any(path.rglob("*.py"))))
            ]
            if folder != MIGRATIONS and len(names) > MOST_SIBLINGS:
                crowded[str(folder.relative_to(ROOT))] = sorted(names)
    assert crowded == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {}
    for top in PRODUCT:
        for path in (ROOT / top).rglob("*.py"):
            if MIGRATIONS in path.parents:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    if lines > MOST_LINES:
                        long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}


def test_each_unit_test_lies_where_its_module_lies() -> None:
    strays = []
    for path in (ROOT / "tests" / "unit").rglob("test_*.py"):
        place = path.relative_to(ROOT / "tests" / "unit")
        tested = ROOT / place.parent / place.stem.removeprefix("test_")
        if not tested.with_suffix(".py").is_file() and not (tested / "__init__.py").is_file():
            strays.append(str(place))
    assert strays == []


def test_unit_tests_hold_no_helpers_of_their_own() -> None:
    """Actors and fixtures are in ``tests/support``, once."""
    others = [
        str(path.relative_to(ROOT))
        for room in ("unit", "attacks", "properties", "protocol", "service", "architecture")
        for path in (ROOT / "tests" / room).rglob("*.py")
        if not path.name.startswith("test_") and path.name not in ("conftest.py", "__init__.py")
    ]
    assert others == []


def test_no_class_name_stands_for_two_things() -> None:
    places = defaultdict(list)
    for top in PRODUCT:
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
