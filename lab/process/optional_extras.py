"""How an optional extra is installed: from the folder or file that this program came from, never by its name alone.

The name is not registered at the public package index, so whoever registers it there could have their own package
installed by ``pip install shulab[…]`` ("dependency confusion", CWE-427).
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]


def extra_command(extra: str, checkout: Path = _CHECKOUT) -> str:
    """The command that installs ``extra`` of this very program into this environment."""
    source = str(checkout) if (checkout / "pyproject.toml").is_file() else "PATH/TO/shulab-VERSION.whl"
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(f'{source}[{extra}]')}"
