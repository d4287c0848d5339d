"""Room on the bureau's disk: below a limit there is an alarm, and below a reserve nothing new is accepted.

The reserve is for what is charged already: its replies and ledger entries still find room, so that a disk that fills up
stops new work and does not break off old work. A disk that is full all the same is said to be full, to the bank too.
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.bureau.configuration.home import BureauHome
from lab.disk.free_space import NO_ROOM_HINT, free_bytes
from lab.terms.errors import NoRoom

MIB = 1024 * 1024
FULL_BYTES = 8 * MIB
"""With less than this the disk counts as full."""


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """Free bytes on the disk of the bureau's folder, and the two limits of the settings."""

    free: int
    alarm_below: int
    reserve: int

    @property
    def is_low(self) -> bool:
        """Whether somebody should make room."""
        return self.free < self.alarm_below

    @property
    def is_reserved(self) -> bool:
        """Whether only what is charged already may use what is left."""
        return self.free < self.reserve

    @property
    def is_full(self) -> bool:
        """Whether nothing can be written."""
        return self.free < min(FULL_BYTES, self.reserve)

    @property
    def level(self) -> int:
        """How bad it is: 0, 1 for low, 2 for reserved, 3 for full."""
        return 3 if self.is_full else 2 if self.is_reserved else int(self.is_low)


def read_disk_room(home: BureauHome) -> DiskRoom:
    """The room there is now."""
    settings = home.settings
    return DiskRoom(free_bytes(home.folder), settings.disk_alarm_mib * MIB, settings.disk_reserve_mib * MIB)


def check_room(home: BureauHome) -> None:
    """Raise ``NoRoom`` if nothing new may be accepted. Cheap: one call of the system."""
    if read_disk_room(home).is_reserved:
        raise NoRoom(
            "The bureau has no room on its disk for new work; nothing was accepted or charged.", next_step=NO_ROOM_HINT
        )


def check_not_full(home: BureauHome) -> None:
    """Raise ``NoRoom`` if what is charged cannot be answered now either."""
    if read_disk_room(home).is_full:
        raise NoRoom(
            "The bureau's disk is full: what is charged waits until there is room.",
            next_step="ask the bureau to make room; then run the same command again, which charges nothing twice",
        )
