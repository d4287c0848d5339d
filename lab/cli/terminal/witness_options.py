"""Parsing of ``--witness`` and ``--quorum``, which officers and auditors give."""

from __future__ import annotations

from collections.abc import Sequence

from lab.terms.errors import InvalidInput
from lab.terms.keys.party import Party
from lab.terms.witnessing.quorum import WitnessQuorum
from lab.terms.witnessing.signed_note import SIGNATURE_COSIGNATURE, NoteKey


def parse_witness_terms(witnesses: Sequence[str] | None, quorum: int | None) -> WitnessQuorum | None:
    """The witnesses and their quorum; None if no witness was named. Raises ``InvalidInput``."""
    if not witnesses:
        if quorum is not None:
            raise InvalidInput("Expected --witness with --quorum.", next_step="name the witnesses")
        return None
    if quorum is not None and not len(witnesses) < 2 * quorum <= 2 * len(witnesses):
        raise InvalidInput(
            f"Expected a --quorum of more than half of the {len(witnesses)} witnesses, and no more than there are; "
            f"found {quorum}.",
            next_step=f"give {len(witnesses) // 2 + 1} to {len(witnesses)}, or leave it out",
        )
    keys = [NoteKey.parse(vkey, kind=SIGNATURE_COSIGNATURE) for vkey in witnesses]
    try:
        parties = tuple(Party(name=key.name, public_key=key.public_key) for key in keys)
        return WitnessQuorum(quorum=quorum or len(parties) // 2 + 1, parties=parties)
    except ValueError:
        raise InvalidInput(
            "Expected witnesses of different names and keys, and a quorum of more than half of them.",
            next_step="check --witness and --quorum",
        ) from None
