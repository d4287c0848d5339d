"""Runs whose register counted an adverse record that the bureau put right since: what a bank knows, and what it says.

The bureau names versions of its register, the same for every bank, and no enterprise. What it named is kept in
``superseded/<contract>.json``, each time that the bureau is asked for the register, so that portraits say it offline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.bank.connection.responses import RegisterState
from lab.disk.checked_files import file_identity, read_sealed_json, seal_json
from lab.disk.private_files import replace_private

FOLDER = "superseded"
_HINT = "remove the file: it comes again with `lab bank status --online`"
_MESSAGE = (
    "An adverse record that counted in register {0} was put right since this run; {1} · "
    "本次运行所用登记 {0} 中计入的一条失信记录此后已修复或更正；{2}"
)
_NEWER = "score again with `lab bank rescore {0}`", "请用 `lab bank rescore {0}` 重新评分"
_NO_NEWER = "the bureau has no newer register yet", "数据局尚无更新的登记版本"


def keep_superseded(folder: Path, contract: str, state: RegisterState) -> None:
    """Keep what the bureau named for a contract's register; ``folder``: the bank's. Other registers' stay."""
    path = folder / FOLDER / f"{contract}.json"
    found = dict(_read(folder, contract))
    registers = dict(found.get("registers", {}))
    registers[state.name] = {"newest": state.version, "superseded": list(state.superseded)}
    if registers == found.get("registers", {}) or not (state.superseded or path.exists()):
        return
    path.parent.mkdir(mode=0o700, exist_ok=True)
    replace_private(path, json.dumps(seal_json({"registers": registers}, file_identity(path, 2)), indent=1).encode())


def superseded_warning(folder: Path, run: str, manifest: Mapping[str, Any]) -> str:
    """The sentence to be shown with a finished run's portraits, English and Chinese, or an empty text.

    ``folder``: the bank's; ``run``: the run's name. Raises ``DamagedFile``.
    """
    registers = _read(folder, str(manifest.get("contract", ""))).get("registers", {})
    for used in str(manifest.get("register", "")).split(", "):
        name, _, version = used.rpartition("-")
        known = registers.get(name)
        if known is not None and version.isdigit() and int(version) in known["superseded"]:
            newer = known["newest"] not in known["superseded"] and known["newest"] > int(version)
            en, zh = _NEWER if newer else _NO_NEWER
            return _MESSAGE.format(used, en.format(run), zh.format(run))
    return ""


def _read(folder: Path, contract: str) -> Mapping[str, Any]:
    path = folder / FOLDER / f"{contract}.json"
    if not contract or not path.exists():
        return {}
    return read_sealed_json(path, identity=file_identity(path, 2), next_step=_HINT)
