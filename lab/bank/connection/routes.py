"""Paths of the bureau's routes, built from names that cannot lead elsewhere."""

from __future__ import annotations

from lab.terms.errors import InvalidInput
from lab.terms.names import is_contract_id, is_hex32, is_job_id


def contract_path(contract: str, rest: str = "") -> str:
    """The path of a contract, or of ``rest`` below it; raises ``InvalidInput`` for a malformed id."""
    if not is_contract_id(contract):
        raise InvalidInput(
            "Expected a contract id (lower-case letters, digits, hyphens).", next_step="check --contract"
        )
    return f"/v1/contracts/{contract}" + (f"/{rest}" if rest else "")


def check_job_id(job: str) -> str:
    """``job``; raises ``InvalidInput`` for a malformed job id."""
    if not is_job_id(job):
        raise InvalidInput("Expected a job's id (letters, digits, dots, hyphens).", next_step="report this")
    return job


def check_sha256(sha256: str) -> str:
    """``sha256``; raises ``InvalidInput`` for a malformed hash."""
    if not is_hex32(sha256):
        raise InvalidInput("Expected a SHA-256 hash of 64 hexadecimal digits.", next_step="report this")
    return sha256
