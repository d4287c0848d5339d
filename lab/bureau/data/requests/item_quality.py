"""The quality score of each domain, as the newest assessment gives it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session


def domain_quality(session: Session) -> Mapping[str, str]:
    """Decimal text by domain; domains that were never assessed are left out."""
    return {}
