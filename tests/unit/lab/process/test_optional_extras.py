"""An extra is installed from where the program came from: no advice names a package that a stranger could register."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from lab.process.optional_extras import extra_command

ROOT = Path(__file__).parents[4]


def test_the_extra_comes_from_the_checkout(tmp_path: Path) -> None:
    assert shlex.split(extra_command("hsm"))[1:] == ["-m", "pip", "install", f"{ROOT}[hsm]"]
    assert shlex.split(extra_command("hsm", tmp_path))[-1] == "PATH/TO/shulab-VERSION.whl[hsm]"


def test_no_text_advises_to_install_a_package_by_our_name() -> None:
    advice = re.compile(r"install\s+(?:-\S+\s+)*['\"]?shulab")
    places = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    places += [path for top in ("lab", "models", "protocols", "sandbox") for path in (ROOT / top).rglob("*.py")]
    found = [
        str(path.relative_to(ROOT))
        for path in places
        if path.name != "optional_extras.py" and advice.search(path.read_text("utf-8"))
    ]
    assert found == []
