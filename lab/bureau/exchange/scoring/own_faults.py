"""Faults of the bureau's own data while it serves a bank: the bank learns that they are the bureau's, and no name.

An error about a register or a model names columns and files of the bureau. The bureau's log and commands may show them;
the other party may not see them, and would look for the fault in its own file.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.terms.errors import ShulabError, Unreachable


class BureauDataFault(ShulabError):
    """What the bank is told; ``cause`` is for the bureau's log."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            "The bureau could not use its own register or model. The fault is at the bureau, not in the bank's file.",
            next_step="tell the bureau, whose log names the cause; what failed is not charged",
        )
        self.cause = cause


@contextmanager
def hide_own_faults() -> Iterator[None]:
    """Turn every error of the block, which reads the bureau's own data alone, into ``BureauDataFault``.

    ``Unreachable`` (no answer from the database or a worker) passes: the same work may succeed later. Of an error that
    Shulab did not raise, the cause is its type, because its text may carry values.
    """
    try:
        yield
    except Unreachable:
        raise
    except ShulabError as error:
        raise BureauDataFault(error.detail) from None
    except Exception as error:
        raise BureauDataFault(type(error).__name__) from error
