"""What the doctor finds: one line for each thing looked at, with a verdict and what can be done about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from lab.terms.text.bilingual import BilingualText

NO_TEXT: BilingualText = ("", "")


class DoctorVerdict(StrEnum):
    """``OK``: works. ``NOTE``: something is absent or weak that can be done without. ``WRONG``: it is needed."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


VERDICT_LABELS = {DoctorVerdict.OK: "正常 ok", DoctorVerdict.NOTE: "提示 note", DoctorVerdict.WRONG: "有误 wrong"}


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One line. ``found`` and ``step`` are in both languages; a step may be none.

    ``value`` is what a program compares: a version, a number of cores or bytes, the name of a path.
    """

    check: str
    """The line's name for a program."""
    label: BilingualText
    verdict: DoctorVerdict
    found: BilingualText
    next_step: BilingualText = NO_TEXT
    value: str | int | None = None

    def with_verdict(self, verdict: DoctorVerdict, step: BilingualText) -> DoctorFinding:
        """The same, judged otherwise."""
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
