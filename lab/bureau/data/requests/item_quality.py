"""The quality score of each domain, as the newest assessment gives it."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.quality.kept_assessments import newest_scores


def domain_quality(home: BureauHome, session: Session) -> Mapping[str, str]:
    """Scores from 0 to 100 as decimal text, by domain; domains without one are left out.

    Raises ``DamagedFile`` if the newest assessment is not as it was written.
    """
    return {code: f"{score:.2f}" for code, score in newest_scores(home, session)[1].items()}
