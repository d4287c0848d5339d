"""The one error root of Shulab and its families.

Every error a person may meet is a ``ShulabError``: it says what was wanted and what was found, names the next step, and
never carries a data value (a code, a feature, a key). Counts, column names, file names, row numbers and hashes are not
data values.

Exit codes of the ``lab`` command and HTTP statuses of the service are properties of the family, so the two never
disagree:

====  ======  ==========================================================
exit  status  family
====  ======  ==========================================================
0     2xx     success
1     500     an unexpected fault of Shulab itself
2     --      the command line was wrong (usage)
3     422     ``InvalidInput``: a file, table or message is not acceptable
4     403     ``NotAllowed``: the contract, its state or its ceilings say no
5     503     ``Unreachable``: the other party does not answer
6     401     ``NotAuthentic``: a signature, key or passphrase is wrong
7     404     ``NotFound``: the thing named does not exist here
8     409     ``Conflict``: the thing exists already, or is in another state
====  ======  ==========================================================
"""

from __future__ import annotations

from typing import ClassVar


class ShulabError(Exception):
    """Root of all expected errors.

    ``detail`` is one sentence (what was wanted, what was found); ``next_step`` names what the reader can do about it.
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
        """The error as a program reads it (``--json`` output and problem documents)."""
        return {"error": self.code, "detail": self.detail, "next_step": self.next_step}


class InvalidInput(ShulabError):
    """A file, table or message that cannot be accepted as it is."""

    code = "invalid-input"
    exit_code = 3
    status = 422


class NotAllowed(ShulabError):
    """The contract (its terms, state, signatures or ceilings) does not allow the operation."""

    code = "refused"
    exit_code = 4
    status = 403


class Unreachable(ShulabError):
    """The other party cannot be reached, or does not speak this protocol version."""

    code = "unreachable"
    exit_code = 5
    status = 503


class Busy(Unreachable):
    """The other party is there and has something to do first; the request was not begun."""

    code = "busy"

    def __init__(self, detail: str, *, next_step: str = "", retry_after: int = 5) -> None:
        super().__init__(detail, next_step=next_step)
        self.retry_after = retry_after


class NotAuthentic(ShulabError):
    """A signature, key, passphrase or fingerprint does not check."""

    code = "not-authentic"
    exit_code = 6
    status = 401


class NotFound(ShulabError):
    """The named contract, model, register, run or file does not exist here."""

    code = "not-found"
    exit_code = 7
    status = 404


class Conflict(ShulabError):
    """The thing exists already, or is in a state that forbids the transition."""

    code = "conflict"
    exit_code = 8
    status = 409
