"""The token for the service's metrics: a file in the bureau's folder for Prometheus, made when it is first needed.

A token in the service's settings overrides it.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from lab.disk.locks import lock_folder
from lab.disk.private_files import replace_private
from lab.terms.errors import InvalidInput

METRICS_TOKEN_FILE = "metrics.token"
_MIN_TOKEN_CHARACTERS = 16


def metrics_token(folder: Path) -> str:
    """The token in the bureau's ``folder``; raises ``InvalidInput`` for a file without one."""
    file = folder / METRICS_TOKEN_FILE
    with lock_folder(folder / "executors"):
        if not file.exists():
            replace_private(file, secrets.token_urlsafe(32).encode() + b"\n")
        token = file.read_text("ascii", errors="replace").strip()
    if len(token) < _MIN_TOKEN_CHARACTERS:
        raise InvalidInput(
            f"Expected a token of at least {_MIN_TOKEN_CHARACTERS} characters in {METRICS_TOKEN_FILE}.",
            next_step=f"remove {file}",
        )
    return token


def prometheus_configuration(file: Path, address: str, *, tls: bool) -> str:
    """The section ``scrape_configs`` of Prometheus's configuration for this service."""
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
