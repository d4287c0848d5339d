"""A drafter hands over an ODRL agreement that says more than the contract which is made of it, or something else.

A person reads the agreement, another machine the contract. They want a permission (to a partner), a longer retention
or another purpose in the one and not in the other. What stops it: the contract read back must give the very same
statements, shapes are checked, and JSON with a repeated key is refused.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from lab.terms.contract.odrl import extraction, from_odrl, to_odrl
from lab.terms.errors import InvalidInput
from tests.support.drawn_documents import plain_contract, signed

pytestmark = pytest.mark.threat(
    "Agreement that hides a term",
    who="a stranger",
    wants="to hide or change a term in an ODRL agreement",
    stopped_by={
        "way back": (
            "The agreement must match its SHACL shapes, and the contract that is read from it must give the same "
            "agreement again."
        ),
        "no repeated key": "JSON with a repeated key is refused.",
    },
    code=["lab.terms.contract.odrl"],
)

Document = dict[str, Any]


def permit_a_partner(document: Document) -> None:
    """Another permission, to another assignee."""
    rule = copy.deepcopy(document["permission"][-1])
    for key in ("uid", "@id"):
        rule.pop(key, None)
    rule["@id"] = "urn:shulab:contract:c-test:1:rule:more"
    rule["assignee"] = {"@id": "urn:example:partner"}
    document["permission"].append(rule)


def say_it_beside(document: Document) -> None:
    """A remark that a person reads as a term."""
    document["http://purl.org/dc/terms/description"] = "May be passed on to Another Ltd, for resale."


def put_an_obligation_in(document: Document) -> None:
    """An obligation that nobody made."""
    document["obligation"] = [
        *document.get("obligation", []),
        {"@id": "urn:shulab:more", "action": "delete", "assigner": "urn:example:partner"},
    ]


WAYS: dict[str, Callable[[Document], None]] = {
    "another permission": permit_a_partner,
    "a remark": say_it_beside,
    "an obligation": put_an_obligation_in,
}
ways = pytest.mark.parametrize("way", WAYS)


def hidden(way: str) -> bool:
    """Whether the altered agreement is taken for the contract, which says nothing of what was put in."""
    document: Document = json.loads(json.dumps(to_odrl(signed(plain_contract()))))
    WAYS[way](document)
    assert document != json.loads(json.dumps(to_odrl(signed(plain_contract()))))
    return from_odrl(document).contract == plain_contract()


@pytest.mark.without_control("way back")
@ways
def test_without_the_way_back_the_term_is_hidden(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "canonical_statements", lambda _: frozenset())
    monkeypatch.setattr("lab.terms.contract.odrl.validation.validate_agreement", lambda graph: agreement_of(graph))
    assert hidden(way)


def agreement_of(graph: Any) -> Any:
    from rdflib import RDF, URIRef

    return next(graph.subjects(RDF.type, URIRef("http://www.w3.org/ns/odrl/2/Agreement")))


@pytest.mark.with_control("way back")
@ways
def test_the_agreement_is_refused(way: str) -> None:
    with pytest.raises(InvalidInput):
        hidden(way)


def twice() -> str:
    """A purpose that stands there twice: which one counts depends on who reads."""
    text = json.dumps(to_odrl(signed(plain_contract())))
    return text.replace('"permission":', '"permission": [], "permission":', 1)


@pytest.mark.without_control("no repeated key")
def test_without_the_rule_on_keys_a_repeated_one_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.terms.contract.odrl.graph.parse_json", json.loads)
    assert from_odrl(twice()).contract == plain_contract()


@pytest.mark.with_control("no repeated key")
def test_a_repeated_key_is_refused() -> None:
    with pytest.raises(InvalidInput):
        from_odrl(twice())
