"""Nothing is published from records that were not assessed, that are too poor, or whose checks did not all run."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.quality.kept_assessments import KeptAssessment, kept_of_latest_day, read_kept
from lab.bureau.data.quality.rules import current_rules
from lab.terms.errors import NotAllowed

_MOST_NAMED = 10


class NamedManifest(Protocol):
    """A state of the records, named by its hash."""

    @property
    def sha256(self) -> str:
        """The manifest's SHA-256."""


def check_publication_gate(
    session: Session, home: BureauHome, manifest: NamedManifest, catalogue: Catalogue
) -> KeptAssessment:
    """Raise ``NotAllowed`` unless the records as of ``manifest`` were assessed under the catalogue and the rules in
    force, every check ran, and none blocks; the error names the checks.

    Of assessments for several days those of the latest count, all of them: a kinder baseline outweighs no other.
    Raises ``DamagedFile`` if a kept assessment is not as it was recorded. Returns the newest that allows it.
    """
    rules = current_rules(home)
    kept = kept_of_latest_day(session, manifest.sha256, catalogue.sha256, rules.sha256)
    if not kept:
        raise NotAllowed(
            "The quality of these records was not assessed under the catalogue and the rules in force.",
            next_step="run `lab bureau quality assess`",
        )
    for one in kept:
        found = read_kept(home, one)
        blocking = found.blocking
        if blocking or found.verdict == "block":
            more = f" and {len(blocking) - _MOST_NAMED} more" if len(blocking) > _MOST_NAMED else ""
            raise NotAllowed(
                f"The quality of these records does not allow publication: {', '.join(blocking[:_MOST_NAMED])}{more}.",
                next_step="look at `lab bureau quality report`, have the departments correct it, and assess again",
            )
    return kept[0]
