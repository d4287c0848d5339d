"""What a feature is: a figure of an enterprise, computed from its records by one SELECT."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from lab.terms.errors import InvalidInput, NotFound
from lab.terms.text.bilingual import BilingualText
from lab.terms.text.nearest_name import nearest_name
from models.shared.canonical_json import dump_canonical


class FeatureType(StrEnum):
    """What the values of a feature are, and so how they are kept and rounded."""

    INTEGER = "integer"
    NUMBER = "number"
    """Rounded to four decimals."""
    SHARE = "share"
    """A number that is mostly between 0 and 1; rounded to four decimals."""
    AMOUNT = "amount"
    """Yuan, rounded to two decimals."""
    YES_NO = "yes-no"
    CODE = "code"

    @property
    def is_ordered(self) -> bool:
        """Whether more and less have a meaning, so that a direction can be stated."""
        return self is not FeatureType.CODE


class MissingRule(StrEnum):
    """What an enterprise has for which the SELECT gives no row. A row without a value is missing under either rule."""

    ZERO = "zero"
    """Nothing happened: 0, or no."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class FeatureDefinition:
    """One feature. ``label`` and ``reason`` are (Chinese, English).

    ``items``: codes (``DOMAIN.NAME``) of the items that ``sql`` reads. ``window_months``: ``$window_start`` is so many
    months before ``$as_of``; 0: the SELECT has no window. ``monotonic``: 1 if a higher value never lowers the risk, -1
    if it never raises it, 0 if neither is known.
    """

    name: str
    label: BilingualText
    reason: BilingualText
    dimension: str
    items: tuple[str, ...]
    window_months: int
    sql: str
    type: FeatureType
    unit: str
    monotonic: int
    missing: MissingRule

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of the items, in order."""
        return tuple(dict.fromkeys(code.partition(".")[0] for code in self.items))

    def columns(self, domain: str) -> tuple[str, ...]:
        """The items of one domain, as columns."""
        pairs = (code.partition(".") for code in self.items)
        return tuple(name for of, _, name in pairs if of == domain)


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """All features of a bureau, by file and place in it."""

    definitions: tuple[FeatureDefinition, ...]

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical form of all definitions."""
        return hashlib.sha256(b"".join(dump_canonical(one) for one in self.definitions)).hexdigest()

    def find(self, name: str) -> FeatureDefinition:
        """The feature of this name; raises ``NotFound`` with the nearest one."""
        known = {one.name: one for one in self.definitions}
        if name not in known:
            nearest = nearest_name(name, list(known))
            raise NotFound(
                "There is no feature of this name" + (f" (nearest: {nearest})." if nearest else "."),
                next_step="`lab bureau feature list` names all",
            )
        return known[name]

    def choose(self, names: Iterable[str]) -> FeatureSet:
        """Those of these names, in the order of the set; raises ``NotFound``."""
        wanted = {self.find(name).name for name in names}
        return FeatureSet(tuple(one for one in self.definitions if one.name in wanted))


def months_before(day: date, months: int) -> date:
    """The same day ``months`` months earlier, or the last day of a shorter month; raises ``InvalidInput``."""
    place = day.year * 12 + day.month - 1 - months
    year, month = place // 12, place % 12 + 1
    if year < 1:
        raise InvalidInput("Expected a day after the year 1.", next_step="check --as-of")
    following = date(year + month // 12, month % 12 + 1, 1)
    last = (following - date(year, month, 1)).days
    return date(year, month, min(day.day, last))
