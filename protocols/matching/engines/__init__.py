"""The engine interface of matching, and the engines by name.

An engine is a two-party oblivious pseudorandom function. The bureau holds a key s; for an identifier x the evaluation
F(x) is 32 bytes made from H(x)^s. The bureau evaluates its own register in clear and a bank's identifiers blinded; the
bank blinds and unblinds. The two halves of an engine are modules of their own (``<engine>.bank``, ``<engine>.bureau``),
loaded by name, so neither party needs the other's code. Both are plain functions of a key, so their work can be split
over processes (``protocols.compute_pool``).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

ENGINES: tuple[str, ...] = ("x25519", "openmined")
"""The first is the default."""
DEFAULT_ENGINE = ENGINES[0]


class UnknownEngine(ValueError):
    """The name of an engine that this version does not have."""


class BankEngine(Protocol):
    """The bank's half of an engine."""

    ELEMENT_BYTES: int
    """Bytes of an element on the wire."""

    SCALAR_MATERIAL_BYTES: int
    """Uniform bytes from which a canary's scalar is made."""

    def derive_blinding_keys(self, seed: bytes) -> tuple[bytes, bytes]:
        """The keys that blind and unblind, from 32 uniform bytes; the same seed gives the same keys."""

    def blind(self, key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
        """Blinded elements, uint8 [n, width], in the order of ``identifiers``."""

    def check_elements(self, evaluated: NDArray[np.uint8]) -> None:
        """Check received elements by the cheap rules; raises ``ValueError``."""

    def unblind(self, key: bytes, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The evaluations F(x), uint8 [n, 32]; raises ``ValueError`` for an element outside the group."""

    def canary_elements(self, material: Sequence[bytes]) -> NDArray[np.uint8]:
        """r·B for the scalar r of each piece, uint8 [m, width]: as uniform as a blinded identifier."""

    def expected_canaries(self, material: Sequence[bytes], public_key: bytes) -> NDArray[np.uint8]:
        """The ``comparable_bytes`` of each canary's right evaluation r·P, uint8 [m, 32]; raises ``ValueError``."""

    def comparable_bytes(self, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The bytes of evaluated elements that determine F(x), uint8 [n, 32]: equal for a point and its negative."""

    def check_public_key(self, public_key: bytes) -> None:
        """Raise ``ValueError`` unless ``public_key`` can be a bureau's P = s·B."""


class BureauEngine(Protocol):
    """The bureau's half of an engine."""

    ELEMENT_BYTES: int
    """Bytes of an element on the wire."""

    SCALAR_MATERIAL_BYTES: int
    """Uniform bytes from which an evaluation key is made."""

    def arithmetic_library(self) -> str:
        """The name of the library that does the arithmetic in this process."""

    def generate_key(self) -> bytes:
        """A fresh evaluation key."""

    def derive_key(self, material: bytes) -> bytes:
        """The evaluation key from uniform bytes."""

    def public_key(self, key: bytes) -> bytes:
        """P = s·B, in the encoding of elements."""

    def evaluate_register(self, key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
        """The evaluations F(x), uint8 [n, 32], in order."""

    def check_elements(self, blinded: NDArray[np.uint8]) -> None:
        """Check received elements by the cheap rules, before any arithmetic; raises ``ValueError``."""

    def evaluate_elements(self, key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Evaluated elements, uint8 [n, width], in order; raises ``ValueError`` for one outside the group."""


def bank_engine(name: str) -> BankEngine:
    """The bank's half of engine ``name``; raises ``UnknownEngine``."""
    return cast(BankEngine, importlib.import_module(engine_module(name, "bank")))


def bureau_engine(name: str) -> BureauEngine:
    """The bureau's half of engine ``name``; raises ``UnknownEngine``."""
    return cast(BureauEngine, importlib.import_module(engine_module(name, "bureau")))


def engine_module(name: str, side: Literal["bank", "bureau"]) -> str:
    """The module with a half of engine ``name``; raises ``UnknownEngine``."""
    if name not in ENGINES:
        raise UnknownEngine(f"wanted one of the engines {', '.join(ENGINES)}; found another name")
    return f"{__name__}.{name}.{side}"
