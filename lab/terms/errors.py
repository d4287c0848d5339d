"""The error families: one root, and for each family its code, the exit code of a command and the HTTP status.

A user meets no other expected error than a ``ShulabError``. It says what was expected and what was found, names the
next step, and never carries a data value (an enterprise's code, a feature, a key). Counts, column names, file names,
row numbers and hashes are not data values.

Commands exit with the family's exit code, the service answers with its status. Beyond the families a command exits with
0 (success), 1 (a fault of Shulab itself) or 2 (wrong usage).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class ShulabError(Exception):
    """Root of all expected errors.

    ``detail``: one sentence, what was expected and what was found. ``next_step``: what the reader can do about it.
    """

    code: ClassVar[str] = "fault"
    exit_code: ClassVar[int] = 1
    status: ClassVar[int] = 500

    def __init__(self, detail: str, *, next_step: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.detail} Next: {self.next_step}" if self.next_step else self.detail

    def as_dict(self) -> dict[str, str]:
        """The error for programs (``--json`` output)."""
        return {"error": self.code, "detail": self.detail, "next_step": self.next_step}


class InvalidInput(ShulabError):
    """A file, table or message cannot be accepted as it is."""

    code = "invalid-input"
    exit_code = 3
    status = 422


class NotAllowed(ShulabError):
    """The contract (its clauses, state, signatures or ceilings) does not allow the operation."""

    code = "refused"
    exit_code = 4
    status = 403


class Unreachable(ShulabError):
    """The other party cannot be reached, or speaks another version of the protocol.

    ``retry_after``: seconds until it makes sense to ask again.
    """

    code = "unreachable"
    exit_code = 5
    status = 503
    retry_after: int = 5


class Busy(Unreachable):
    """The other party has other work to do first; it did not begin the request."""

    code = "busy"

    def __init__(self, detail: str, *, next_step: str = "", retry_after: int = 5) -> None:
        super().__init__(detail, next_step=next_step)
        self.retry_after = retry_after


class NoRoom(Unreachable):
    """The other party's disk is full: it accepts nothing new until somebody there makes room."""

    code = "no-room"


class NotAuthentic(ShulabError):
    """A signature, key, passphrase or fingerprint is wrong."""

    code = "not-authentic"
    exit_code = 6
    status = 401


class NotFound(ShulabError):
    """The contract, model, register, run or file does not exist here."""

    code = "not-found"
    exit_code = 7
    status = 404


class Conflict(ShulabError):
    """The object exists already, or is in another state."""

    code = "conflict"
    exit_code = 8
    status = 409


class MachineFault(ShulabError):
    """The machine cannot do it: a full or read-only disk, no permission for a file, too little memory."""

    code = "machine"
    exit_code = 9
    status = 507


ERROR_FAMILIES: Mapping[str, type[ShulabError]] = {
    family.code: family
    for family in (InvalidInput, NotAllowed, Unreachable, Busy, NoRoom, NotAuthentic, NotFound, Conflict, MachineFault)
}
"""The families by their codes."""
_PASSING = (408, 429)
"""Statuses below 500 that say "later": request timeout, too many requests (RFC 9110, RFC 6585)."""


def find_family(status: int) -> type[ShulabError]:
    """The family of an HTTP status that is no success; of one that no family has, ``InvalidInput`` for a fault of the
    request (400 to 499), ``Unreachable`` for anything else.
    """
    if status in _PASSING or not 400 <= status < 500:
        return Unreachable
    return next((family for family in ERROR_FAMILIES.values() if family.status == status), InvalidInput)
