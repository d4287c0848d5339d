"""Whether the catalogue, the features and the quality rules are those that the bureau had on a day that is over.

Records are as they were known on the day; what is computed from them is defined by what is in force now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.configuration.home import BureauHome
from lab.bureau.data.catalogue.versions import list_catalogue_versions
from lab.bureau.data.credit_repair.rules.in_force import rules_in_force
from lab.bureau.data.features.stored_tables import FeatureInputs
from lab.bureau.data.quality.rules import current_rules
from lab.bureau.store.tables import FeatureTableRow, QualityAssessmentRow
from lab.terms.text.bilingual import BilingualText

State = Literal["same", "changed", "unknown"]
_WORDS: dict[str, BilingualText] = {
    "catalogue": ("目录", "catalogue"),
    "features": ("特征定义", "feature definitions"),
    "quality_rules": ("质量规则", "quality rules"),
}
_STATES: dict[State, BilingualText] = {
    "same": ("与当日相同", "as on that day"),
    "changed": ("当日以后有变，现用今日的版本", "changed since that day; today's are used"),
    "unknown": ("当日的版本未知，现用今日的版本", "those of that day are not known; today's are used"),
}


@dataclass(frozen=True, slots=True)
class DefinitionHistory:
    """One kind of definitions. ``then_sha256``: in force at the end of the day; None if nothing says so."""

    what: str
    now_sha256: str
    then_sha256: str | None

    @property
    def state(self) -> State:
        """Whether they changed."""
        if self.then_sha256 is None:
            return "unknown"
        return "same" if self.then_sha256 == self.now_sha256 else "changed"

    @property
    def words(self) -> BilingualText:
        """What is to be said of them."""
        (zh, en), (state_zh, state_en) = _WORDS[self.what], _STATES[self.state]
        return f"{zh}：{state_zh}", f"{en}: {state_en}"


@dataclass(frozen=True, slots=True)
class RulesInUse:
    """SHA-256 of the rules besides catalogue and features that decide what a version is: which records count (as in
    force on its day), and whether their quality allows it."""

    repair_rules_sha256: str
    quality_rules_sha256: str


def find_rules_in_use(session: Session, home: BureauHome, day: date) -> RulesInUse:
    """The rules by which a version of ``day`` is made."""
    return RulesInUse(rules_in_force(session, day).sha256, current_rules(home).sha256)


def definition_history(
    session: Session, home: BureauHome, inputs: FeatureInputs, today: date
) -> tuple[DefinitionHistory, ...]:
    """Catalogue, features and quality rules now and at the end of ``inputs.day``; empty for ``today`` itself.

    The catalogue's versions are dated. Features and quality rules are files: those of the last feature table and of the
    last assessment by that day are taken for those of the day.
    """
    if inputs.day >= today:
        return ()
    end = datetime.combine(inputs.day + timedelta(days=1), time(), tzinfo=datetime.now().astimezone().tzinfo)
    end = end.astimezone(UTC)
    catalogues = (one for one in list_catalogue_versions(session) if one.imported_at is None or one.imported_at < end)
    table, assessment = FeatureTableRow, QualityAssessmentRow
    features = select(table.features_sha256).where(table.computed_at < end).order_by(table.computed_at.desc())
    rules = select(assessment.rules).where(assessment.assessed_at < end).order_by(assessment.assessed_at.desc())
    return (
        DefinitionHistory("catalogue", inputs.catalogue.sha256, next(catalogues).sha256),
        DefinitionHistory("features", inputs.features.sha256, session.scalar(features.limit(1))),
        DefinitionHistory("quality_rules", current_rules(home).sha256, session.scalar(rules.limit(1))),
    )
