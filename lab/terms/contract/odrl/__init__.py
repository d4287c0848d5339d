"""A contract as a W3C ODRL 2.2 Agreement in JSON-LD, and back.

The agreement holds every clause of the contract and its signatures; reading it back gives the same signed bytes.
Shulab's own terms form a profile (``docs/odrl-profile.md``). The RDF and SHACL libraries are slow to load, so they are
loaded only when a document is read or validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.terms.contract.document import SignedContract
from lab.terms.contract.odrl.agreement import to_odrl
from lab.terms.contract.odrl.vocabulary import PROFILE

__all__ = ["PROFILE", "from_odrl", "to_odrl", "validate_odrl"]


def validate_odrl(document: Mapping[str, Any] | str | bytes) -> None:
    """Validate a JSON-LD document by the ODRL Information Model, and by the profile if the document names it.

    Raises ``InvalidInput`` naming the shapes and paths that failed, never a value. Nothing is fetched.
    """
    from lab.terms.contract.odrl.graph import read_graph
    from lab.terms.contract.odrl.validation import validate_agreement

    validate_agreement(read_graph(document))


def from_odrl(document: Mapping[str, Any] | str | bytes) -> SignedContract:
    """The signed contract in an agreement of the profile; raises ``InvalidInput``.

    The contract has the same canonical bytes as the one given to ``to_odrl``. Signatures are read but not verified:
    call ``SignedContract.verify``. A document that says more than the contract is refused.
    """
    from lab.terms.contract.odrl.extraction import extract_contract
    from lab.terms.contract.odrl.graph import read_graph
    from lab.terms.contract.odrl.validation import validate_agreement

    graph = read_graph(document)
    return extract_contract(graph, validate_agreement(graph))
