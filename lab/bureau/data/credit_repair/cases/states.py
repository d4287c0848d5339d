"""The states of a case, and how each kind of case may end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.bureau.data.credit_repair.rules.definition import CaseKind
from lab.terms.text.bilingual import BilingualEnum


class CaseState(BilingualEnum):
    """Where a case stands."""

    OPEN = ("open", "办理中", "open")
    GRANTED = ("granted", "准予修复", "repair granted")
    REFUSED = ("refused", "不予修复", "repair refused")
    UPHELD = ("upheld", "异议成立", "objection upheld")
    REJECTED = ("rejected", "异议不成立", "objection rejected")


OUTCOMES: dict[CaseKind, tuple[CaseState, CaseState]] = {
    CaseKind.REPAIR: (CaseState.GRANTED, CaseState.REFUSED),
    CaseKind.OBJECTION: (CaseState.UPHELD, CaseState.REJECTED),
}
"""How a case of each kind may end: for the enterprise, against it."""
FAVOURABLE = (CaseState.GRANTED, CaseState.UPHELD)
"""The outcomes after which a record does not count."""


@dataclass(frozen=True, slots=True)
class RegisterVersionRef:
    """A version of a register, by name and number."""

    register: str
    version: int

    def __str__(self) -> str:
        return f"{self.register}-{self.version}"


@dataclass(frozen=True, slots=True)
class CaseDecision:
    """How a case ends, with reasons. ``superseded``: register versions that counted the record."""

    outcome: CaseState
    reason: str
    superseded: Sequence[RegisterVersionRef] = ()
