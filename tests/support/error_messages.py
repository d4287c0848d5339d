"""The messages of errors as the code has them, beside the catalogue of their Chinese.

``python -m tests.support.error_messages`` lists what has no Chinese, and takes out of the catalogue what the code does
not have any more.
"""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

from lab.terms.errors import ERROR_FAMILIES

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "lab" / "terms" / "text" / "translation"
LIBRARY = "library.toml"
"""Messages of a library, which are not in the code here."""
_RAISED = {family.__name__ for family in ERROR_FAMILIES.values()} | {"ShulabError", "HttpProblem"}


def raised_messages() -> dict[str, str]:
    """Sentences and next steps of the errors that the code raises, with gaps as ``{}``, and the file of each."""
    found: dict[str, str] = {}
    constants = _constants()
    for path, node in _nodes():
        if isinstance(node, ast.Call):
            for text in _message_arguments(node, constants):
                found.setdefault(text, str(path.relative_to(ROOT)))
    return found


def all_texts() -> set[str]:
    """Every text in the code, with gaps as ``{}``: a message may be in a table."""
    return {text for _, node in _nodes() for text in _texts(node)}


def translated_messages() -> dict[str, str]:
    """The catalogue of our own messages: English, Chinese."""
    found: dict[str, str] = {}
    for file in sorted(CATALOGUE.glob("*.toml")):
        if file.name != LIBRARY:
            found |= tomllib.loads(file.read_text(encoding="utf-8"))["messages"]
    return found


def remove_unused() -> int:
    """Take messages that the code does not have out of the catalogue; returns how many."""
    known, removed = all_texts(), 0
    for file in sorted(CATALOGUE.glob("*.toml")):
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if file.name == LIBRARY or _key(line) in (None, *known)]
        removed += len(lines) - len(kept)
        file.write_text("".join(kept), encoding="utf-8")
    return removed


def _key(line: str) -> str | None:
    if not line.startswith('"'):
        return None
    key = tomllib.loads(line)
    return next(iter(key))


def _nodes() -> Iterator[tuple[Path, ast.AST]]:
    for top in ("lab", "models", "protocols", "sandbox"):
        for path in sorted((ROOT / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                yield path, node


def _constants() -> dict[str, set[str]]:
    """The texts of the constants in the code, by their names: a step that several errors share has a name."""
    found: dict[str, set[str]] = {}
    for _, node in _nodes():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            found.setdefault(node.targets[0].id, set()).update(_texts(node.value))
    return found


def _message_arguments(call: ast.Call, constants: dict[str, set[str]]) -> Iterator[str]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name in _RAISED:
        for argument in call.args[1:2] if name == "HttpProblem" else call.args[:1]:
            yield from _texts(argument)
    for keyword in call.keywords:
        if keyword.arg == "next_step":
            yield from _texts(keyword.value)
            if isinstance(keyword.value, ast.Name):
                yield from constants.get(keyword.value.id, ())


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _texts(node.body)
        yield from _texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


if __name__ == "__main__":
    print(f"removed: {remove_unused()}")
    have = translated_messages()
    for message, file in raised_messages().items():
        if message not in have:
            print(f"{file}: {json.dumps(message, ensure_ascii=False)}")
