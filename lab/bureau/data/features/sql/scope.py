"""What the SELECT of one feature may name, and what it has named so far."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Scope:
    """What a SELECT may name: the declared domains and columns, and what it defines itself."""

    feature: str
    domains: frozenset[str]
    columns: frozenset[str]
    by_time: bool
    """Whether every domain has one record of a day for one enterprise, so that the newest record is one."""
    aliases: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
