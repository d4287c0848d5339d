"""The witnesses that a contract names, and how many of them must cosign the bureau's ledger."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from lab.terms.fields.field_types import FrozenDocument
from lab.terms.keys.party import Party
from lab.terms.witnessing.signed_note import is_key_name


class WitnessQuorum(FrozenDocument):
    """The witnesses, by name and cosigning key, and the number that must cosign before the bank accepts a receipt.

    The quorum is more than half: otherwise a bureau could show one fork to some honest witnesses and another to the
    rest. Names and keys are unique, so that nobody counts twice.
    """

    quorum: Annotated[int, Field(ge=1, le=16)]
    parties: Annotated[tuple[Party, ...], Field(min_length=1, max_length=16)]

    @model_validator(mode="after")
    def _check(self) -> WitnessQuorum:
        if not len(self.parties) < 2 * self.quorum <= 2 * len(self.parties):
            raise ValueError("a quorum is more than half of the witnesses, and no more than there are")
        if any(not is_key_name(party.name) for party in self.parties):
            raise ValueError("a witness's name has printable ASCII without space and plus")
        for what in ("name", "public_key"):
            if len({getattr(party, what) for party in self.parties}) != len(self.parties):
                raise ValueError("a contract names each witness once")
        return self
