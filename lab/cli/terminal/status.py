"""What a party has set up, what waits for a person, and what comes next: one line each, the same for every party."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from lab.cli.terminal.output import CommandOutput
from lab.terms.text.bilingual import BilingualText

_LEAST_FREE_BYTES = 1_000_000_000
_LEAST_FREE_SHARE = 0.05
_SOON = timedelta(days=14)


@dataclass(frozen=True)
class StatusLine:
    """``item``: its name for programs; ``label`` and ``found`` for people; ``next_step``: what a person may do;
    ``waits``: whether something waits for it."""

    item: str
    label: BilingualText
    found: str
    next_step: str = ""
    waits: bool = False


@dataclass(frozen=True)
class PartyStatus:
    """The status of one party: ``bank`` or ``bureau``, its name and its folder."""

    party: str
    name: str
    home: str
    lines: tuple[StatusLine, ...]

    @property
    def next_steps(self) -> list[str]:
        """What to do next, what waits first, each once."""
        ordered = sorted((line for line in self.lines if line.next_step), key=lambda line: not line.waits)
        return list(dict.fromkeys(line.next_step for line in ordered))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        lines = [asdict(line) | {"label": list(line.label)} for line in self.lines]
        return {
            "party": self.party,
            "name": self.name,
            "home": self.home,
            "waiting": [line.item for line in self.lines if line.waits],
            "next_steps": self.next_steps,
            "lines": lines,
        }


def show_status(output: CommandOutput, status: PartyStatus) -> None:
    """Show the lines as a table, and below it what comes next."""
    title = {"bank": "银行 Bank", "bureau": "数据局 Bureau"}[status.party]
    output.table(
        f"{title}: {status.name} · {status.home}",
        ("项 item", "情况 found"),
        [(" ".join(line.label), ("! " if line.waits else "") + line.found) for line in status.lines],
    )
    for step in status.next_steps:
        output.say_next_step(step)


def disk_line(folder: Path) -> StatusLine:
    """How much room the disk of a folder has; it waits for a person when that is little."""
    usage = shutil.disk_usage(folder)
    low = usage.free < _LEAST_FREE_BYTES or usage.free < _LEAST_FREE_SHARE * usage.total
    found = f"{usage.free / 1e9:.1f} / {usage.total / 1e9:.1f} GB 可用 free"
    return StatusLine("disk", ("磁盘", "disk"), found, "free some space on the disk of this folder" if low else "", low)


def ends_soon(starts: datetime, expires: datetime, now: datetime) -> bool:
    """Whether a contract in force has so little time left that a person should see to the next one.

    That is 14 days, and of a short contract its last quarter: one made for 14 days does not end soon on its first day.
    """
    return now <= expires < now + min(_SOON, (expires - starts) / 4)


def listed(names: Iterable[str], *, most: int = 5) -> str:
    """Some names in one cell, and how many more there are."""
    every = list(names)
    return ", ".join(every[:most]) + (f" … (+{len(every) - most})" if len(every) > most else "")
