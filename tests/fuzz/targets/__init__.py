"""Every target by its name."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import matching, papers, records, scoring, tables, wire

TARGETS: dict[str, Target] = {
    target.name: target for room in (wire, matching, scoring, papers, records, tables) for target in room.TARGETS
}
