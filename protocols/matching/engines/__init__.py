"""The engine interface of matching, and the engines by name.

An engine is a two-party oblivious pseudorandom function: the bureau holds a key s, and for an identifier x the value
F(x) = H(x)^s. ``bureau`` engines evaluate their own register directly and a bank's blinded identifiers blindly;
``bank`` engines blind, and find which of their identifiers the bureau's set-up holds. The two halves of an engine
are modules of their own (``<engine>.bank``, ``<engine>.bureau``), loaded by name, so neither party needs the other's
code.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from protocols.wire.frame import Frame

ENGINES: tuple[str, ...] = ("openmined",)
DEFAULT_ENGINE = "openmined"


class UnknownEngine(ValueError):
    """An engine name this version does not have."""


class BankSession(Protocol):
    """One matching session at the bank; its blinding key dies with it."""

    def blind(self, identifiers: Sequence[str]) -> NDArray[np.uint8]:
        """Blinded elements, uint8 [n, width], in the order of ``identifiers``."""

    def intersect(self, setup: Frame, evaluated: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Indices, ascending, of the identifiers whose evaluated element the set-up holds."""

    def unblind(self, evaluated: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The 32-byte values F(x), uint8 [n, 32], of evaluated elements."""


class BankEngine(Protocol):
    """The bank's half of an engine."""

    WIDTH: int
    """Bytes of an element on the wire."""

    def open_session(self) -> BankSession:
        """A session under a fresh blinding key."""


class BureauEngine(Protocol):
    """The bureau's half of an engine; plain functions of a key, so that work can be split over processes."""

    WIDTH: int
    """Bytes of an element on the wire."""

    def generate_key(self) -> bytes:
        """A fresh evaluation key."""

    def evaluate_register(self, key: bytes, identifiers: Sequence[str]) -> NDArray[np.uint8]:
        """The evaluated register, uint8 [n, >= 32], in order; the last 32 bytes of a row are F(x)."""

    def build_setup(
        self, key: bytes, identifiers: Sequence[str], *, announced: int, values: NDArray[np.uint8] | None
    ) -> Frame:
        """The set-up frame for a bank that announces at most ``announced`` identifiers."""

    def evaluate_blinded(self, key: bytes, blinded: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Evaluated elements, in order; raises ``ValueError`` for what is no group element."""


def bank_engine(name: str) -> BankEngine:
    """The bank's half of engine ``name``; raises ``UnknownEngine``."""
    return cast(BankEngine, _half(name, "bank"))


def bureau_engine(name: str) -> BureauEngine:
    """The bureau's half of engine ``name``; raises ``UnknownEngine``."""
    return cast(BureauEngine, _half(name, "bureau"))


def _half(name: str, side: str) -> object:
    if name not in ENGINES:
        raise UnknownEngine(f"wanted one of the engines {', '.join(ENGINES)}; found another name")
    return importlib.import_module(f"{__name__}.{name}.{side}")
