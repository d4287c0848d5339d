"""Nothing is published from records that were not assessed, that are too poor, or whose checks did not all run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.item_definition import Catalogue
from lab.bureau.data.quality.kept_assessments import KeptAssessment, kept_of_latest_day, read_kept
from lab.bureau.data.quality.rules import current_rules
from lab.bureau.ledger.recorded_facts import all_facts
from lab.disk.checked_files import RESTORE_HINT, DamagedFile
from lab.terms.errors import NotAllowed

_MOST_NAMED = 10
_ASSESSED = "quality.assessed"


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
    _check_entries(session, (manifest.sha256, catalogue.sha256, rules.sha256), kept)
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


def _check_entries(session: Session, state: tuple[str, str, str], kept: Sequence[KeptAssessment]) -> None:
    """Raise ``DamagedFile`` unless the assessments of this state are those that the ledger has of its latest day: a row
    that blocks and was changed or removed opens no gate."""
    named = [facts for _, facts in all_facts(session, (_ASSESSED,), naming=state[0])]
    of_state = [one for one in named if (one["manifest"], one["catalogue"], one["rules"]) == state]
    latest = max((str(one["day"]) for one in of_state), default="")
    recorded = {str(one["baseline"]): str(one["sha256"]) for one in of_state if one["day"] == latest}
    if recorded != {one.baseline: one.sha256 for one in kept if one.day == latest} or len(recorded) != len(kept):
        raise DamagedFile(
            Path("quality"),
            detail="The assessments of these records are not those that the ledger names.",
            next_step=RESTORE_HINT,
        )
