"""The ODRL names of contract terms: from the W3C vocabulary and Shulab's own profile (docs/odrl-profile.md)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from lab.terms.contract.document import Contract, Operation, PinnedModel, ReleaseForm
from lab.terms.contract.prices import PriceUnit

CONTEXT = "http://www.w3.org/ns/odrl.jsonld"
ODRL = "http://www.w3.org/ns/odrl/2/"
PROFILE = "urn:shulab:odrl-profile:1"
SHULAB = PROFILE + "#"
VCARD = "http://www.w3.org/2006/vcard/ns#"
XSD = "http://www.w3.org/2001/XMLSchema#"

OPERATION_ACTIONS: Mapping[Operation, str] = {
    Operation.COUNT: "count",
    Operation.MATCH: "match",
    Operation.SCORE: "score",
    Operation.PORTRAIT: "portrait",
    Operation.RESEARCH_RUN: "researchRun",
}
"""Actions of the profile, by operation."""

PERMITTED_ACTIONS: Mapping[ReleaseForm, str | None] = {
    ReleaseForm.NONE: None,
    ReleaseForm.MODEL_INPUT_ONLY: "shulab:useInModel",
    ReleaseForm.BAND: "shulab:releaseBand",
    ReleaseForm.EXACT: "shulab:releaseExact",
}
"""The permitted action on an item released in a form; each of the profile's actions implies those before it."""

PROHIBITED_ACTIONS: Mapping[ReleaseForm, str | None] = {
    ReleaseForm.NONE: "use",
    ReleaseForm.MODEL_INPUT_ONLY: "distribute",
    ReleaseForm.BAND: "shulab:releaseExact",
    ReleaseForm.EXACT: None,
}
"""The prohibited action; ``odrl:distribute`` includes both ways of release."""

CEILING_OPERANDS: Mapping[str, tuple[str, str]] = {
    "identifiers": ("count", "lteq"),
    "identifiers_per_match": ("shulab:identifiersPerMatch", "lteq"),
    "scores_per_enterprise": ("shulab:scoresPerEnterprise", "lteq"),
    "jobs_per_day": ("shulab:jobsPerDay", "lteq"),
    "rows_per_job": ("shulab:rowsPerJob", "lteq"),
    "rows_per_batch": ("shulab:rowsPerBatch", "lteq"),
    "precision": ("shulab:precision", "gteq"),
}
"""Left operand and operator of each ceiling. ``period_days`` is the property ``shulab:within`` of one of them."""


def policy_iri(contract: Contract) -> str:
    """The agreement: one version of one contract."""
    return f"urn:shulab:contract:{contract.id}:{contract.version}"


def item_iri(code: str) -> str:
    """A catalogue item; the code is percent-encoded (RFC 3986)."""
    return "urn:shulab:item:" + quote(code, safe="")


def model_iri(model: PinnedModel) -> str:
    """A model version."""
    return f"urn:shulab:model:{model.name}:{model.version}"


def price_iri(contract: Contract, unit: PriceUnit) -> str:
    """The constraint that says what one unit costs."""
    return f"{policy_iri(contract)}#price:{unit.value}"
