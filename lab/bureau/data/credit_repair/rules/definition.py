"""What the rules of credit repair say: classes with their terms, which records are adverse, legal days, sources.

The rules are data (``default/rules.toml``, or a bureau's own file); ``rule_file`` reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from lab.terms.text.bilingual import BilingualEnum, BilingualText


class CaseKind(BilingualEnum):
    """What is asked for about an adverse record."""

    REPAIR = ("repair", "信用修复", "credit repair")
    OBJECTION = ("objection", "异议", "objection")


class RepairCondition(BilingualEnum):
    """What a repair needs before it may be asked for."""

    LEAST_TERM = ("least-term", "最短公示期届满", "the least term of publicity is over")
    CORRECTED = ("corrected", "失信行为已纠正、义务已履行", "what was wrong is put right, all duties are done")
    COMMITMENT = ("commitment", "已公开作出信用承诺", "a commitment was made in public")


class Unpublished(StrEnum):
    """Whether a record of a class counts that was not published."""

    COUNTS = "counts"
    DOES_NOT_COUNT = "does-not-count"


class OnCorrection(StrEnum):
    """What a correction does by itself."""

    ENDS = "ends"
    """The record stops counting from the day of correction."""
    ALLOWS_REPAIR = "allows-repair"


class Uncorrected(StrEnum):
    """What the end of the greatest term does for a record that was not corrected."""

    ENDS = "ends"
    GOES_ON = "goes-on"


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of a rule. ``verified``: the text was read, with its section or article; ``article``: empty if not."""

    name: str
    title: BilingualText
    verified: bool
    article: str = ""
    quoted: str = ""


@dataclass(frozen=True, slots=True)
class AdverseClass:
    """A class of adverse information. The terms are in months from the day of the decision."""

    code: str
    title: BilingualText
    least_months: int
    greatest_months: int
    unpublished: Unpublished
    on_correction: OnCorrection
    uncorrected: Uncorrected
    conditions: tuple[RepairCondition, ...]
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class AdverseSource:
    """Which records of a domain are adverse, and which items say what of them.

    ``when``: items and the values of which a record has one; all of ``when`` must fit. ``class_of``: the class by the
    code in ``class_item``; ``otherwise``: the class for a cell that is empty, or of all if there is no ``class_item``.
    ``start``: the first of these DATE items that is filled in is the day of the decision. The others are names of
    items, or empty.
    """

    domain: str
    when: Mapping[str, tuple[str | bool, ...]]
    class_item: str
    class_of: Mapping[str, AdverseClass]
    otherwise: AdverseClass
    start: tuple[str, ...]
    corrected: str
    published: str
    removed: str
    repaired: str
    notice: bool
    citation: Citation

    @property
    def items(self) -> tuple[str, ...]:
        """All items of the domain that the rules read, each once."""
        named = (
            *self.when,
            self.class_item,
            *self.start,
            self.corrected,
            self.published,
            self.removed,
            self.repaired,
        )
        return tuple(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True, slots=True)
class LegalDays:
    """How many working days a decision may take."""

    working_days: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class RepairRules:
    """A whole file of rules. ``sha256``: of the file's bytes."""

    title: BilingualText
    in_force: date
    classes: Mapping[str, AdverseClass]
    sources: tuple[AdverseSource, ...]
    legal_days: Mapping[CaseKind, LegalDays]
    sha256: str

    def source(self, domain: str) -> AdverseSource | None:
        """What is adverse in a domain; None if nothing is."""
        return next((one for one in self.sources if one.domain == domain), None)

    @property
    def unverified(self) -> tuple[str, ...]:
        """The names of the sources that nobody checked against the text, in order of their first use."""
        cited = [
            *(one for group in self.classes.values() for one in group.citations),
            *(one.citation for one in self.sources),
            *(one.citation for one in self.legal_days.values()),
        ]
        return tuple(dict.fromkeys(one.name for one in cited if not one.verified))
