"""A contract as a W3C ODRL 2.2 Agreement in JSON-LD, and back.

The agreement says every term of the contract and carries the signatures; reading it back gives the very bytes that were
signed. Shulab's own words are a profile (``docs/odrl-profile.md``). RDF and SHACL libraries are loaded only when a
document is read or validated, because they are slow to load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.terms.contract.document import SignedContract
from lab.terms.contract.odrl.agreement import to_odrl
from lab.terms.contract.odrl.vocabulary import PROFILE

__all__ = ["PROFILE", "from_odrl", "to_odrl", "validate_odrl"]


def validate_odrl(document: Mapping[str, Any] | str | bytes) -> None:
    """Hold a JSON-LD document against the ODRL Information Model, and against the profile if it names it.

    Raises ``InvalidInput`` naming the shapes and paths that failed, never a value. Nothing is fetched.
    """
    from lab.terms.contract.odrl.graph import read_graph
    from lab.terms.contract.odrl.validation import validate_agreement

    validate_agreement(read_graph(document))


def from_odrl(document: Mapping[str, Any] | str | bytes) -> SignedContract:
    """The signed contract that an agreement of the profile says; raises ``InvalidInput``.

    What comes back has the same canonical bytes as what ``to_odrl`` was given. Signatures are carried, not verified:
    call ``SignedContract.verify``. A document that says anything beyond the contract is refused.
    """
    from lab.terms.contract.odrl.extraction import extract_contract
    from lab.terms.contract.odrl.graph import read_graph
    from lab.terms.contract.odrl.validation import validate_agreement

    graph = read_graph(document)
    return extract_contract(graph, validate_agreement(graph))
