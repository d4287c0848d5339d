"""The role of a pool's workers, and their limits."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

WorkerRole = Literal["scoring", "matching"]


ROLE_MODULES: dict[str, str] = {"scoring": "protocols.scoring.bureau", "matching": "protocols.matching.bureau"}
"""The module that workers load before their first job. ``scoring`` parses contexts and batches of banks with SEAL, and
never gets a key. ``matching`` evaluates elements that the service has parsed, under a matching key, and never loads
SEAL."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Settings of one fork server and its jobs: the role, seconds a job, bytes of address space, whether confinement is
    required, and the modules to load besides the role's own."""

    role: str
    seconds: int
    memory_bytes: int
    confinement_required: bool
    modules: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The settings as a JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerSettings:
        """The settings from what ``to_json`` returned."""
        return cls(**json.loads(text))
