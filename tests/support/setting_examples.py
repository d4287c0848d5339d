"""Writes the example of each settings file in ``deploy/settings``: every setting with its explanation and its default.

The explanations are the docstrings of the settings' own classes, so an example cannot say anything else than the code.
Run as ``python -m tests.support.setting_examples`` (part of ``make pages``).
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Mapping
from enum import Enum
from itertools import pairwise
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from lab.bureau.configuration.home import BureauSettings
from sandbox.settings import ServiceSettings

FOLDER = Path(__file__).parents[2] / "deploy" / "settings"
_WIDTH = 112
_HEADS = {
    "bureau.toml": "数据局设置 Settings of the bureau: this file in its folder; SHULAB_BUREAU_<NAME> takes precedence.",
    "service.toml": "服务设置 Settings of the service: this file in the bureau's folder; SHULAB_SERVICE_<NAME> takes "
    "precedence. Sizes in bytes, times in seconds.",
}
_NOTE = "A line that begins with `# name =` shows a default, or a file where there is none. Written by `make pages`."
_SET: dict[str, dict[str, str]] = {
    "bureau.toml": {"name": "示例市数据局 Sample City Data Bureau"},
    "service.toml": {"public_url": "https://bureau.example"},
}
"""What an example sets; all other settings are shown with their defaults, as comments."""
_TABLES = {
    "watch_limits": "[watch_limits]\nrefused = 100",
    "witnesses": '[[witnesses]]\nkey = "audit.example/witness+aab4a55a+BG0ZJu8wv3jciLAF91Yf44TXGcTY0Dlrd/gAu2m12WBb"\n'
    'url = "https://witness.audit.example:7380"\nca_file = "/etc/shulab/witness-ca.pem"',
}
"""Settings that are tables, which TOML wants last."""
CLASSES: Mapping[str, type[BaseSettings]] = {"bureau.toml": BureauSettings, "service.toml": ServiceSettings}


def example(file: str) -> str:
    """The text of one example."""
    settings, explained = CLASSES[file], explanations(CLASSES[file])
    parts = [_comment(f"{_HEADS[file]} {_NOTE}")]
    names = [name for name in settings.model_fields if name not in _TABLES]
    for name in names:
        value = _SET[file].get(name)
        line = f"{name} = {_toml(value)}" if value is not None else f"# {name} = {_toml(_default(settings, name))}"
        parts.append(f"{_comment(explained[name])}\n{line}")
    for name in [name for name in settings.model_fields if name in _TABLES]:
        parts.append(f"{_comment(explained[name])}\n" + textwrap.indent(_TABLES[name], "# "))
    return "\n\n".join(parts) + "\n"


def explanations(settings: type[BaseSettings]) -> dict[str, str]:
    """The docstring below each field of a class, as one line without markup."""
    parsed = ast.parse(textwrap.dedent(inspect.getsource(settings)))
    body = next(one for one in parsed.body if isinstance(one, ast.ClassDef)).body
    found: dict[str, str] = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            text = below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
            if isinstance(text, str):
                found[field.target.id] = re.sub(r"\s+", " ", text.replace("``", "`")).strip()
    return found


def _comment(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _default(settings: type[BaseSettings], name: str) -> object:
    value = settings.model_fields[name].get_default(call_default_factory=True, validated_data={})
    if value is None:  # a file that is not set
        return f"/etc/shulab/{name.removesuffix('_file').replace('_', '-')}"
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _toml(value: object) -> str:
    """A TOML value."""
    if isinstance(value, Enum):
        value = value.value
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Write the examples."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file in CLASSES:
        (FOLDER / file).write_text(example(file), encoding="utf-8")


if __name__ == "__main__":
    main()
