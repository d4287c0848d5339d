"""Paths of the bureau's routes, made of names that cannot lead elsewhere."""

from __future__ import annotations

import re

from lab.terms.errors import InvalidInput

_CONTRACT = re.compile(r"^[a-z0-9][a-z0-9-]{3,63}$")
_JOB = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
_HASH = re.compile(r"^[0-9a-f]{64}$")


def contract_path(contract: str, rest: str = "") -> str:
    """The path of a contract, or of what lies below it; raises ``InvalidInput`` for what is no contract's id."""
    if not _CONTRACT.fullmatch(contract):
        raise InvalidInput("Wanted a contract id (lower-case letters, digits, hyphens).", next_step="check --contract")
    return f"/v1/contracts/{contract}" + (f"/{rest}" if rest else "")


def check_job_id(job: str) -> str:
    """``job``; raises ``InvalidInput`` if it cannot be a job's id."""
    if not _JOB.fullmatch(job):
        raise InvalidInput("Wanted a job's id (letters, digits, dots, hyphens).", next_step="report this")
    return job


def check_sha256(sha256: str) -> str:
    """``sha256``; raises ``InvalidInput`` if it is none."""
    if not _HASH.fullmatch(sha256):
        raise InvalidInput("Wanted a SHA-256 hash of 64 hexadecimal digits.", next_step="report this")
    return sha256
