"""An offer: the facts about a published model from which a registered bank can plan a job.

It has numbers of columns and outputs and names of engines and parameter sets. It has no weight, cut point, feature or
item. The number of enterprises in the register is rounded up to two digits.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.fields.bounded_types import VersionNumber
from lab.terms.fields.field_types import Slug
from lab.terms.names import IdKind

OFFER_EXAMPLE: dict[str, Any] = {
    "model": "credit",
    "version": 1,
    "id_kind": "uscc",
    "register_entries": 51_000,
    "details": {"total": {"columns": 59, "outputs": 1}, "full": {"columns": 59, "outputs": 20}},
    "engines": ["x25519", "openmined"],
    "parameters": ["bgv-8192-a"],
}


class DetailCost(BaseModel):
    """The cost of one detail in each batch: ciphertext columns up, outputs down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[int, Field(ge=0, le=4096)]
    outputs: Annotated[int, Field(ge=1, le=4096)]


class ModelOffer(BaseModel):
    """A published model version. ``register_entries``: enterprises in its register, rounded up to two digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [OFFER_EXAMPLE]})

    model: Slug
    version: VersionNumber
    id_kind: IdKind
    register_entries: Annotated[int, Field(ge=0, le=10**10)]
    details: Annotated[dict[ResultDetail, DetailCost], Field(min_length=1)]
    engines: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=20)]
    parameters: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=20)]


def parse_offer(found: Any) -> ModelOffer:
    """Read an offer from a JSON object; raises ``InvalidInput``."""
    try:
        return ModelOffer.model_validate(found)
    except ValidationError:
        raise InvalidInput(
            "Expected a bureau's offer of a model; found something else.",
            next_step="check both versions; ask the bureau",
        ) from None
