"""Which of a register's columns a model is trained on, and what is known of where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from sqlalchemy.orm import Session

from lab.bureau.data.publication.origins import find_origin
from lab.bureau.data.register import Snapshot
from lab.terms.errors import InvalidInput
from lab.terms.text.known_names import describe_unknown_names
from models.bureau.feature_origin import Direction, FeatureOrigin


def split_names(text: str) -> list[str]:
    """The names of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def choose_features(snapshot: Snapshot, names: Sequence[str]) -> Snapshot:
    """The version with these columns alone, in its own order; all, if none is named. Raises ``InvalidInput``."""
    if not names:
        return snapshot
    unknown = [name for name in names if name not in snapshot.columns]
    if unknown:
        raise InvalidInput(
            f"Expected columns of register {snapshot.name}; found {describe_unknown_names(unknown, snapshot.columns)}.",
            next_step="`lab bureau register show` lists the columns of a register",
        )
    return replace(snapshot, columns=tuple(column for column in snapshot.columns if column in names))


def feature_origins(session: Session, snapshot: Snapshot, *, monotonic: bool) -> tuple[FeatureOrigin, ...]:
    """Where the columns of a version that was published from features come from; empty for an imported file.

    ``monotonic``: with the directions that the definitions state; raises ``InvalidInput`` if the version has none.
    """
    origin = find_origin(session, snapshot.name, snapshot.version)
    if origin is None:
        if monotonic:
            raise InvalidInput(
                f"Expected a register that was published from features; {snapshot.name} was imported from a file, and "
                "nothing states the directions of its columns.",
                next_step="publish features with `lab bureau register publish`, or train without --monotonic",
            )
        return ()
    return tuple(
        FeatureOrigin(one.column, cast(Direction, one.monotonic if monotonic else 0), one.sources, *one.reason)
        for one in origin.columns
    )
