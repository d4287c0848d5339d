"""What the doctor finds: one line a check, with a verdict and a next step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from lab.terms.text.bilingual import BilingualText

NO_TEXT: BilingualText = ("", "")


class DoctorVerdict(StrEnum):
    """``OK``: works. ``NOTE``: something optional is absent or weak. ``WRONG``: something necessary is."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


VERDICT_LABELS = {DoctorVerdict.OK: "正常 ok", DoctorVerdict.NOTE: "提示 note", DoctorVerdict.WRONG: "有误 wrong"}


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One line. ``found`` and ``next_step`` are in both languages; ``next_step`` may be empty.

    ``value`` is for programs: a version, a number of cores or bytes, the name of a backend.
    """

    check: str
    """The line's name for a program."""
    label: BilingualText
    verdict: DoctorVerdict
    found: BilingualText
    next_step: BilingualText = NO_TEXT
    value: str | int | None = None

    def with_verdict(self, verdict: DoctorVerdict, step: BilingualText) -> DoctorFinding:
        """The same line with another verdict and next step."""
        return replace(self, verdict=verdict, next_step=step)

    def as_dict(self) -> dict[str, Any]:
        """The line as a program reads it."""
        return {
            "check": self.check,
            "verdict": self.verdict.value,
            "value": self.value,
            "found": {"zh": self.found[0], "en": self.found[1]},
            "next_step": {"zh": self.next_step[0], "en": self.next_step[1]},
        }
