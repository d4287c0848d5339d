"""Reports what a job did. The job is done and paid for by then, so a failure to print is no failure of the job."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import typer

from lab.terms.errors import InvalidInput

_STDERR = 2


def require_matches(manifest: Mapping[str, Any]) -> None:
    """End the command with the exit code of ``InvalidInput`` if the file had codes and none matched.

    The job is finished all the same; its warnings, which were shown, say what may be wrong.
    """
    if manifest["accepted"] and not manifest["matched"]:
        raise typer.Exit(InvalidInput.exit_code)


@contextmanager
def results_are_kept(run: str) -> Iterator[None]:
    """Print what run ``run`` did in the block; if that can't be printed, say where the results are, and go on.

    A closed pipe, a full disk behind stdout and a terminal of another encoding end nothing here.
    """
    try:
        yield
        sys.stdout.flush()
    except (OSError, UnicodeError):
        _abandon(sys.stdout)
        told = f"The job is finished; its results could not be printed. See: lab bank runs {run}\n"
        with suppress(OSError):
            os.write(_STDERR, told.encode("ascii", "replace"))


def _abandon(stream: object) -> None:
    """Have what is left of a stream go nowhere, so that the interpreter does not fail on it when it ends."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
        os.close(nowhere)
