"""The token for the service's figures: a file in the bureau's folder that Prometheus reads, made when it is first asked
for. A token of the service's own settings goes first.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from lab.disk.locks import lock_folder
from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput

METRICS_TOKEN_FILE = "metrics.token"
_LEAST = 16


def metrics_token(folder: Path) -> str:
    """The token in the bureau's ``folder``; raises ``InvalidInput`` for a file that holds none."""
    file = folder / METRICS_TOKEN_FILE
    with lock_folder(folder / "executors"):
        if not file.exists():
            replace_private(file, secrets.token_urlsafe(32).encode() + b"\n")
        token = file.read_text("ascii", errors="replace").strip()
    if len(token) < _LEAST:
        raise InvalidInput(
            f"Wanted a token of at least {_LEAST} characters in {METRICS_TOKEN_FILE}.", next_step=f"remove {file}"
        )
    return token


def prometheus_configuration(file: Path, address: str, *, tls: bool) -> str:
    """What stands in Prometheus's configuration (``scrape_configs``) so that it reads the figures."""
    return "\n".join(
        (
            "scrape_configs:",
            "  - job_name: shulab",
            f"    scheme: {'https' if tls else 'http'}",
            "    authorization:",
            f"      credentials_file: {file}",
            "    static_configs:",
            f"      - targets: ['{address}']",
        )
    )
