"""An offer: what a bureau tells a registered bank of a published model, so that the bank can plan a job.

It counts columns and outputs and names engines and parameter sets. It holds no weight, no cut point, no feature and no
item; the number of enterprises in the register is rounded up to two digits.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lab.terms.contract.document import ResultDetail
from lab.terms.errors import InvalidInput
from lab.terms.field_types import Slug
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
    """What one detail of a model costs: ciphertext columns up and outputs down, in each batch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Annotated[int, Field(ge=0, le=4096)]
    outputs: Annotated[int, Field(ge=1, le=4096)]


class ModelOffer(BaseModel):
    """A published model version. ``register_entries``: enterprises in its register, rounded up to two digits."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [OFFER_EXAMPLE]})

    model: Slug
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    id_kind: IdKind
    register_entries: Annotated[int, Field(ge=0, le=10**10)]
    details: Annotated[dict[ResultDetail, DetailCost], Field(min_length=1)]
    engines: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=20)]
    parameters: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=20)]


def parse_offer(found: Any) -> ModelOffer:
    """An offer from parsed JSON; raises ``InvalidInput``."""
    try:
        return ModelOffer.model_validate(found)
    except ValidationError:
        raise InvalidInput(
            "Wanted a bureau's offer of a model; found something else.", next_step="check both versions; ask the bureau"
        ) from None
