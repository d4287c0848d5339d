"""The quality score of each domain, as the newest assessment gives it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.quality.kept_assessments import list_kept, read_kept


def domain_quality(home: BureauHome, session: Session) -> Mapping[str, str]:
    """Scores from 0 to 100 as decimal text, by domain; domains without one are left out.

    Raises ``DamagedFile`` if the newest assessment is not as it was written.
    """
    kept = sorted(list_kept(session), key=lambda one: one.assessed_at)
    if not kept:
        return {}
    domains = read_kept(home, kept[-1]).domains
    return {one.code: f"{one.score:.2f}" for one in domains if one.score is not None}
