"""Short names in their written form: slugs, ids, hashes, references to a model, kinds of identifiers.

Nothing heavy is imported here, because commands read this module when they start.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, get_args

from lab.terms.errors import InvalidInput

IdKind = Literal["uscc", "opaque"]
"""How enterprises are identified: ``uscc``, unified social credit codes; ``opaque``, numbers that both sides know."""

SLUG_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}$"
"""Names of models, registers, engines and parameter sets: safe in paths, addresses and file names."""
CONTRACT_ID_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{3,63}$"
REQUEST_ID_PATTERN: Final = r"^r-[0-9]{8}-[0-9a-f]{8}$"
JOB_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
HEX32_PATTERN: Final = r"^[0-9a-f]{64}$"
"""32 bytes in hexadecimal: a SHA-256 hash or an Ed25519 public key."""
HEX64_PATTERN: Final = r"^[0-9a-f]{128}$"
"""64 bytes in hexadecimal: an Ed25519 signature."""
_VERSION: Final = r"[1-9][0-9]{0,8}"
MODEL_REF_PATTERN: Final = rf"{SLUG_PATTERN[:-1]}(@{_VERSION})?$"


def as_id_kind(text: str) -> IdKind:
    """``text``, which was stored as a kind of identifiers; raises ``ValueError`` for anything else."""
    for kind in get_args(IdKind):
        if text == kind:
            found: IdKind = kind
            return found
    raise ValueError("no kind of identifiers")


def is_slug(text: str) -> bool:
    """Whether ``text`` can name a model, register, engine or parameter set."""
    return re.fullmatch(SLUG_PATTERN, text) is not None


def is_contract_id(text: str) -> bool:
    """Whether ``text`` has the form of a contract's id."""
    return re.fullmatch(CONTRACT_ID_PATTERN, text) is not None


def is_job_id(text: str) -> bool:
    """Whether ``text`` has the form of a job's id."""
    return re.fullmatch(JOB_ID_PATTERN, text) is not None


def is_hex32(text: str) -> bool:
    """Whether ``text`` is 32 bytes in hexadecimal: a SHA-256 hash or an Ed25519 public key."""
    return re.fullmatch(HEX32_PATTERN, text) is not None


def is_hex64(text: str) -> bool:
    """Whether ``text`` is 64 bytes in hexadecimal: an Ed25519 signature."""
    return re.fullmatch(HEX64_PATTERN, text) is not None


class ModelRef(NamedTuple):
    """A model by name and version, written ``name@version``; without a version, the newest one."""

    name: str
    version: int | None = None

    def __str__(self) -> str:
        return self.name if self.version is None else f"{self.name}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read ``name`` or ``name@version``; raises ``InvalidInput``."""
        if re.fullmatch(MODEL_REF_PATTERN, text) is None:
            raise InvalidInput(
                "Expected a model as NAME or NAME@VERSION, the name of lower-case letters, digits, dots and hyphens "
                "(at most 64).",
                next_step="write it as credit or credit@1",
            )
        name, _, version = text.partition("@")
        return cls(name, int(version) if version else None)
