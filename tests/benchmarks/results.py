"""RESULTS.md, written section by section: a run replaces what an earlier one of the same name told."""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"


def keep(section: str, text: str) -> None:
    """Put the text in its section of RESULTS.md, in place of an earlier one."""
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"
    block = f"{begin}\n{text}{end}\n"
    if begin in old:
        head, rest = old.split(begin, 1)
        new = head + block.rstrip("\n") + rest.split(end, 1)[1]
    else:
        new = old.rstrip("\n") + "\n\n" + block
    RESULTS.write_text(new, encoding="utf-8")


def where(cores: str) -> str:
    """Day, processor, cores and Python of a run."""
    return f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, cores {cores}, Python {platform.python_version()}"


def _processor() -> str:
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"model name\s*: (.+)", told)
    name = found.group(1) if found else platform.processor()
    return f"{name} ({'with' if 'avx512ifma' in told else 'no'} AVX-512 IFMA)"
