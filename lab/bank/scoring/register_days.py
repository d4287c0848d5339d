"""Of which day the records are that a run's scores come from: what the bureau says of the register's versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from lab.bank.connection.responses import RegisterState
from lab.terms.errors import ShulabError


def describe_register_days(
    registers: str, known: RegisterState, ask: Callable[[], RegisterState]
) -> Mapping[str, dict[str, str]]:
    """``{"register_days": {"main-2": "2026-06-30"}}`` for the versions that scored (``registers``, with commas).

    ``known``: the register when the job began. The bureau is asked again if a version was published meanwhile; nothing
    is said of a version whose day the bureau does not name, as of one that was imported from a file.
    """
    used = [name for name in registers.split(", ") if name]
    states = [known]
    if any(name != known.label for name in used):
        with suppress(ShulabError):  # the scores are there; only the day of their records is not known
            states.append(ask())
    days = {state.label: state.day for state in states if state.day}
    return {"register_days": {name: days[name] for name in used if name in days}}
