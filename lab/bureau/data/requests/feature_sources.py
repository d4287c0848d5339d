"""Which items of the catalogue each published feature is computed from."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy.orm import Session


def feature_sources(session: Session) -> Mapping[str, Collection[str]]:
    """Codes of catalogue items by the code of the feature; features that are not known are left out."""
    return {}
