"""Contracts as ODRL agreements: each rule of the standard broken once; nothing added, fetched or told."""

from __future__ import annotations

import copy
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.terms.contract.document import ContractItem, Operation, Purpose, ReleaseForm, ResultDetail, SignedContract
from lab.terms.contract.odrl import from_odrl, to_odrl, validate_odrl
from lab.terms.contract.odrl.vocabulary import OPERATION_ACTIONS, SHULAB
from lab.terms.errors import InvalidInput
from tests.support.drawn_documents import plain_contract, signed
from tests.support.odrl_examples import EXAMPLES

ROOT = Path(__file__).resolve().parents[5]
Document = dict[str, Any]
PLANTED = "planted-value"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("something asked the network")

    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def held() -> SignedContract:
    return signed(plain_contract())


@pytest.fixture
def document(held: SignedContract) -> Document:
    """As a file brings it: plain JSON, nothing shared between two places of it."""
    found: Document = json.loads(json.dumps(to_odrl(held)))
    return found


def refused(document: object) -> str:
    """Why the document is refused; nothing planted in it may be repeated."""
    with pytest.raises(InvalidInput) as caught:
        from_odrl(document)  # type: ignore[arg-type]
    assert PLANTED not in str(caught.value)
    return str(caught.value)


# The standard's own examples, and each of its rules


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_agreements_of_the_recommendation_are_valid(name: str) -> None:
    validate_odrl(EXAMPLES[name])
    validate_odrl(json.dumps(EXAMPLES[name]).encode())


def example(number: int = 1) -> Document:
    return copy.deepcopy(list(EXAMPLES.values())[number])


def rule(**changes: object) -> Callable[[Document], None]:
    """Change the first permission; None takes a property away."""

    def change(found: Document) -> None:
        for name, value in changes.items():
            if value is None:
                found["permission"][0].pop(name)
            else:
                found["permission"][0][name] = value

    return change


def policy(**changes: object) -> Callable[[Document], None]:
    def change(found: Document) -> None:
        for name, value in changes.items():
            if value is None:
                found.pop(name)
            else:
                found[name] = value

    return change


def constraint(**parts: object) -> Callable[[Document], None]:
    whole = {"leftOperand": "purpose", "operator": "eq", "rightOperand": PLANTED}
    return rule(constraint=[{name: value for name, value in (whole | parts).items() if value is not None}])


BROKEN: dict[str, tuple[str, Callable[[Document], None]]] = {
    "no uid": ("AgreementHasUid", policy(uid=None)),
    "no agreement": ("AgreementHasUid", policy(**{"@type": "Offer"})),
    "two uids": ("AgreementSaysItsOwnUid", policy(**{"odrl:uid": [{"@id": "urn:a:1"}, {"@id": "urn:a:2"}]})),
    "no rule": ("AgreementHasRules", policy(permission=None)),
    "a rule that is text": ("AgreementHasRules", policy(**{"odrl:prohibition": PLANTED})),
    "a profile that is text": ("AgreementProfile", policy(profile=None, **{"odrl:profile": PLANTED})),
    "a parent that is text": ("AgreementInherits", policy(**{"odrl:inheritFrom": PLANTED})),
    "two conflict strategies": ("AgreementConflict", policy(conflict=["perm", "prohibit"])),
    "an unknown conflict strategy": ("AgreementConflict", policy(conflict="use")),
    "an offer too": ("AgreementOnly", policy(**{"@type": ["Agreement", "Offer"]})),
    "no assigner": ("AgreementAssigner at assigner", rule(assigner=None)),
    "two assigners": ("AgreementAssigner at assigner", rule(assigner=["urn:a:1", "urn:a:2"])),
    "no assignee": ("AgreementAssignee at assignee", rule(assignee=None)),
    "two assignees": ("AgreementAssignee at assignee", rule(assignee=["urn:a:1", "urn:a:2"])),
    "an assignee that is text": ("AgreementAssignee", rule(assignee=None, **{"odrl:assignee": PLANTED})),
    "no action": ("RuleAction at action", rule(action=None)),
    "two actions": ("RuleAction at action", rule(action=["play", "print"])),
    "an action without a name": ("ActionNamed", rule(action=[{"refinement": []}])),
    "a refined action without a value": (
        "ActionNamed",
        rule(action=[{"refinement": [{"leftOperand": "count", "operator": "lt", "rightOperand": 3}]}]),
    ),
    "no target": ("RuleTarget at target", rule(target=None)),
    "two targets": ("RuleTarget at target", rule(target=["urn:a:1", "urn:a:2"])),
    "a duty with two targets": (
        "DutyTarget at target",
        rule(duty=[{"action": "delete", "target": ["urn:a:1", "urn:a:2"]}]),
    ),
    "a duty without action": ("RuleAction at action", rule(duty=[{"target": "urn:a:1"}])),
    "a remedy of a permission": ("RemedyOfProhibition", rule(remedy=[{"action": "delete"}])),
    "a consequence of a permission": ("ConsequenceOfDuty", rule(consequence=[{"action": "delete"}])),
    "a consequence of a consequence": (
        "ConsequenceEnds",
        rule(duty=[{"action": "inform", "consequence": [{"action": "delete", "consequence": [{"action": "use"}]}]}]),
    ),
    "a rule of two kinds": (
        "PermissionOnly",
        lambda found: found.update(
            prohibition=[{"uid": "urn:a:r"}], permission=[found["permission"][0] | {"uid": "urn:a:r"}]
        ),
    ),
    "a prohibition that is an obligation": (
        "ProhibitionOnly",
        lambda found: found.update(
            obligation=[{"uid": "urn:a:r"}], prohibition=[found["permission"][0] | {"uid": "urn:a:r"}]
        ),
    ),
    "no left operand": ("ConstraintLeftOperand at leftOperand", constraint(leftOperand=None)),
    "two left operands": ("ConstraintLeftOperand", constraint(leftOperand=["purpose", "event"])),
    "no operator": ("ConstraintOperator at operator", constraint(operator=None)),
    "two operators": ("ConstraintOperator", constraint(operator=["eq", "lt"])),
    "an unknown operator": ("ConstraintOperator", constraint(operator="purpose")),
    "no right operand": ("ConstraintRightOperand", constraint(rightOperand=None)),
    "two right operands": ("ConstraintRightOperand", constraint(rightOperand=["a", "b"])),
    "a right operand and a reference": ("ConstraintRightOperand", constraint(rightOperandReference="urn:a:1")),
    "two units": ("ConstraintDetails", constraint(unit=["a", "b"])),
    "a constraint that is text": ("ConstraintIsNode", rule(**{"odrl:constraint": PLANTED})),
    "two logical operands": (
        "LogicalConstraintOperand",
        rule(constraint=[{"and": {"@list": [{"@id": "urn:a:1"}]}, "or": {"@list": [{"@id": "urn:a:2"}]}}]),
    ),
    "a logical constraint with operands": ("LogicalConstraintOnly", constraint(**{"and": {"@list": []}})),
    "a refined collection with uid": (
        "CollectionRefined",
        rule(
            target={
                "@type": "AssetCollection",
                "uid": "urn:a:1",
                "source": "urn:a:2",
                "refinement": [{"leftOperand": "count", "operator": "lt", "rightOperand": 3}],
            }
        ),
    ),
    "a refined collection without source": (
        "CollectionRefined",
        rule(
            target={
                "@type": "AssetCollection",
                "refinement": [{"leftOperand": "count", "operator": "lt", "rightOperand": 3}],
            }
        ),
    ),
    "two sources": ("CollectionSource", rule(target={"@type": "AssetCollection", "source": ["urn:a:1", "urn:a:2"]})),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_of_the_standard_is_held(name: str) -> None:
    wanted, breaking = BROKEN[name]
    document = example()
    validate_odrl(document)
    breaking(document)
    with pytest.raises(InvalidInput, match=re.escape(wanted.partition(" ")[0])) as caught:
        validate_odrl(document)
    if " at " in wanted:
        assert wanted.partition(" at ")[2] in str(caught.value)
    assert PLANTED not in str(caught.value) and "example.com" not in str(caught.value)


def test_a_duty_of_a_prohibition_is_refused() -> None:
    document = example(8)
    document["prohibition"][0]["duty"] = document["prohibition"][0].pop("remedy")
    with pytest.raises(InvalidInput, match="DutyOfPermission"):
        validate_odrl(document)


def test_every_shape_of_the_standard_has_a_test_that_breaks_it() -> None:
    shapes = (ROOT / "lab/terms/contract/odrl/odrl-shapes.ttl").read_text()
    named = set(re.findall(r"^:(\w+) a sh:NodeShape", shapes, re.MULTILINE))
    assert {wanted.partition(" ")[0] for wanted, _ in BROKEN.values()} | {"DutyOfPermission"} == named


# Shulab's profile


def test_a_contract_comes_back_byte_for_byte_and_its_signatures_verify(
    held: SignedContract, document: Document
) -> None:
    validate_odrl(document)
    again = from_odrl(json.dumps(document))
    assert again == held and again.contract.canonical_bytes() == held.contract.canonical_bytes()
    again.verify()


@pytest.mark.parametrize("items", [(), (ContractItem(code="TAX-1"),)])
def test_a_contract_that_allows_a_count_alone_comes_back_byte_for_byte(items: tuple[ContractItem, ...]) -> None:
    held = signed(plain_contract(operations=(Operation.COUNT,), detail=ResultDetail.TOTAL, items=items))
    document = json.loads(json.dumps(to_odrl(held)))
    permitted = [rule["action"] for rule in document["permission"]]
    assert permitted == ["shulab:count", "shulab:useInModel"][: 1 + len(items)]
    again = from_odrl(document)
    assert again == held and again.contract.canonical_bytes() == held.contract.canonical_bytes()
    document["permission"][0]["action"] = "odrl:count"  # the left operand of the same name is no action of the profile
    refused(document)


def test_the_pages_words_for_operations_are_those_that_are_written() -> None:
    page = (ROOT / "docs/odrl-profile.md").read_text("utf-8")
    assert all(f"| `shulab:{OPERATION_ACTIONS[operation]}` | `odrl:use` |" in page for operation in Operation)


def test_another_serialisation_of_the_same_statements_is_the_same_contract(
    held: SignedContract, document: Document
) -> None:
    from lab.terms.contract.odrl.graph import read_graph

    expanded = json.loads(read_graph(document).serialize(format="json-ld"))
    assert "@context" not in expanded
    assert from_odrl({"@graph": expanded}) == held
    document["@context"][0] = "https://www.w3.org/ns/odrl.jsonld"
    document["permission"].reverse()
    assert from_odrl(document) == held


PROFILE_BROKEN: dict[str, tuple[str, Callable[[Document], object]]] = {
    "another schema": ("ContractNames", policy(**{"shulab:schema": PLANTED})),
    "no id": ("ContractNames", policy(**{"shulab:contract": None})),
    "a version in words": ("ContractNames", policy(**{"shulab:version": "one"})),
    "two signatures": ("ContractSignatures", policy(**{"shulab:bankSignature": ["a", "b"]})),
    "no engine": ("ContractMeans", policy(**{"shulab:engine": None})),
    "no operations": ("ContractOperations", policy(**{"shulab:operations": None})),
    "an unknown operation": (
        "lists the profile's operations",
        policy(**{"shulab:operations": {"@list": [{"@id": "odrl:sell"}]}}),
    ),
    "no items": ("ContractItems", policy(**{"shulab:items": None})),
    "no name": ("PartyNamed", lambda found: found["permission"][0]["assigner"].pop("vcard:fn")),
    "no key": ("PartyNamed", lambda found: found["permission"][0]["assignee"].update({"shulab:publicKey": PLANTED})),
    "no code": ("ItemNamed", lambda found: found["permission"][3]["target"].pop("shulab:code")),
    "no model name": (
        "ModelNamed",
        lambda found: found["permission"][0]["constraint"][4]["rightOperand"]["@list"][0].pop("shulab:name"),
    ),
    "a quorum of nobody": ("ContractWitnesses", policy(**{"shulab:witnessQuorum": 0})),
    "no witness's key": (
        "WitnessNamed",
        policy(**{"shulab:witnesses": {"@list": [{"@id": "urn:x:w", "shulab:witnessName": PLANTED}]}}),
    ),
    "free in words": ("ContractPrices", policy(**{"shulab:free": "yes"})),
    "a price that is no number": (
        "PriceStated",
        lambda found: found["obligation"][3]["constraint"][0].update(rightOperand="dear"),
    ),
    "a ceiling of nothing": (
        "CountIsWhole",
        lambda found: found["permission"][0]["constraint"][6].update(rightOperand=0),
    ),
    "a period in months": (
        "PeriodOfScores",
        lambda found: found["permission"][0]["constraint"][8].update(
            {"shulab:within": {"@value": "P1M", "@type": "xsd:duration"}}
        ),
    ),
}


@pytest.mark.parametrize("name", PROFILE_BROKEN)
def test_each_rule_of_the_profile_is_held(name: str, document: Document) -> None:
    wanted, breaking = PROFILE_BROKEN[name]
    breaking(document)
    assert wanted in refused(document)


def test_every_shape_of_the_profile_has_a_test_that_breaks_it() -> None:
    shapes = (ROOT / "lab/terms/contract/odrl/profile-shapes.ttl").read_text()
    named = set(re.findall(r"^:(\w+) a sh:NodeShape", shapes, re.MULTILINE))
    assert {wanted for wanted, _ in PROFILE_BROKEN.values() if " " not in wanted} == named


@pytest.mark.parametrize(
    "adding",
    [
        lambda found: found["permission"].append(
            found["permission"][1] | {"@id": "urn:x:more", "action": "sell", "target": "urn:x:everything"}
        ),
        lambda found: found["prohibition"].pop(0),
        lambda found: found["obligation"].pop(2),
        lambda found: found["permission"][1].update(action="shulab:researchRun"),
        lambda found: found["permission"][0]["constraint"].append(
            {"@id": "urn:x:c", "leftOperand": "payAmount", "operator": "eq", "rightOperand": PLANTED}
        ),
        lambda found: found["permission"][1]["constraint"].pop(),
        lambda found: found["permission"][2].pop("duty"),
        lambda found: found.update({"dct:description": PLANTED}),
        lambda found: found.update({"shulab:sha256": "0" * 64}),
        lambda found: found["permission"][3].update(action="shulab:releaseExact"),
    ],
)
def test_an_agreement_that_says_more_or_less_than_its_contract_is_refused(
    adding: Callable[[Document], object], document: Document
) -> None:
    adding(document)
    assert "says one contract and nothing else" in refused(document)


def test_a_changed_term_is_another_document_whose_hash_does_not_fit(document: Document) -> None:
    document["permission"][0]["constraint"][6]["rightOperand"] = 2_000_000
    assert "1 statements are not the contract's, 1 of the contract's are missing" in refused(document)


def test_another_profile_and_no_profile_are_not_read(document: Document) -> None:
    assert "profile" in refused(document | {"profile": "http://example.com/odrl:profile:01"})
    assert "profile" in refused(document | {"profile": [document["profile"], "urn:x:more"]})
    assert "profile" in refused({name: value for name, value in document.items() if name != "profile"})


def test_terms_that_make_no_contract_are_refused_by_field(document: Document) -> None:
    document["permission"][0]["constraint"][11]["rightOperand"] = 8193
    assert "rows_per_batch" in refused(document)
    document["permission"][0]["constraint"][11]["rightOperand"] = 2**60
    refused(document)


# Strangers' documents


def nested(levels: int) -> Any:
    found: Any = PLANTED
    for _ in range(levels):
        found = {"odrl:target": found}
    return found


@pytest.mark.parametrize(
    "context",
    [
        "http://attacker.example/context.jsonld",
        ["http://www.w3.org/ns/odrl.jsonld", "file:///etc/passwd"],
        {"@import": "http://attacker.example/context.jsonld"},
        {"assigner": {"@id": "odrl:assigner", "@context": "http://attacker.example/context.jsonld"}},
        "context.jsonld",
    ],
)
def test_no_context_but_that_of_odrl_is_taken_from_elsewhere(context: object, document: Document) -> None:
    assert "context" in refused(document | {"@context": context})
    document["permission"][0]["@context"] = context
    assert "context" in refused(document)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"@id": "urn:x:1", "@id": "urn:x:2"}',
        b'{"odrl:count": NaN}',
        b'{"odrl:count": "\\ud800"}',
        b"[" * 100_000,
        b'{"a": ' * 5_000,
        b" " * 3_000_000 + b"{}",
        b'{"@context": 3}',
        b'{"@context": {"a": "b", "b": "a"}, "a": "b"}',
        b'{"@id": 3, "@type": {}}',
        b'{"@type": "http://www.w3.org/ns/odrl/2/Agreement", "@list": [1], "@set": 2}',
    ],
)
def test_what_is_no_agreement_is_refused_and_no_more(text: bytes) -> None:
    refused(text)


def test_depth_and_number_of_values_are_bounded(document: Document) -> None:
    assert "levels" in refused(document | {"odrl:target": nested(40)})
    assert "levels" in refused(document | {"odrl:target": nested(100_000)}) if sys.getrecursionlimit() > 10**5 else True
    assert "values" in refused(document | {"dct:subject": list(range(200_000))})
    assert "statements" in refused(document | {"dct:subject": [f"{n}" for n in range(30_000)]})


def test_two_names_for_one_node_are_refused(document: Document) -> None:
    assert "uid" in refused(document | {"uid": "urn:x:other"})


def test_a_named_graph_hides_nothing(document: Document) -> None:
    hidden = {"@id": "urn:x:g", "@graph": [{"@id": "urn:x:1", "odrl:use": PLANTED}]}
    assert "graph" in refused({"@context": document["@context"], "@graph": [document, hidden]})


def test_a_list_that_does_not_end_is_refused(document: Document) -> None:
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    document["shulab:items"] = {"@id": "_:l", f"{rdf}first": {"@id": "urn:x:1"}, f"{rdf}rest": {"@id": "_:l"}}
    assert "lists" in refused(document)


@pytest.mark.parametrize("value", [{"@id": "/{"}, {"@value": "1", "@type": "urn:x:{"}])
def test_an_iri_that_cannot_be_written_is_refused(document: Document, value: dict[str, str]) -> None:
    document["dct:subject"] = value
    assert "IRIs" in refused(document)


def test_a_list_of_two_owners_is_refused(document: Document) -> None:
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    document["shulab:items"] = {"@id": "_:l", f"{rdf}first": {"@id": "urn:x:1"}, f"{rdf}rest": {"@list": []}}
    document["dct:subject"] = {"@id": "_:l"}
    assert "lists" in refused(document)


def test_the_context_cannot_be_named_without_end(document: Document) -> None:
    document["dct:subject"] = [{"@context": "http://www.w3.org/ns/odrl.jsonld"} for _ in range(200)]
    assert "values" in refused(document)


def test_shared_properties_are_not_multiplied_without_end(document: Document) -> None:
    document["permission"] += [{"@id": f"urn:x:r{n}"} for n in range(400)]
    document["assigner"] = [f"urn:x:p{n}" for n in range(400)]
    assert "statements" in refused(document)


# The papers and the start


def test_the_profile_page_names_every_word_of_the_profile() -> None:
    page = (ROOT / "docs/odrl-profile.md").read_text()
    items = tuple(ContractItem(code=form.value, form=form) for form in ReleaseForm)
    everything = to_odrl(signed(plain_contract(operations=tuple(Operation), items=items)))
    used = set(re.findall(r'"(?:shulab:|' + re.escape(SHULAB) + r')([\w-]+)"', json.dumps(everything)))
    shapes = (ROOT / "lab/terms/contract/odrl/profile-shapes.ttl").read_text()
    used |= set(re.findall(r"(?<!urn:)shulab:(\w+)", shapes)) - {"Contract", "Ceiling"}
    used |= {word.value for word in (*Purpose, *ResultDetail)}
    assert not {word for word in used if f"`shulab:{word}`" not in page}
    assert SHULAB in page


def test_rdf_libraries_are_not_loaded_with_the_contract_or_the_writer() -> None:
    code = (
        "import sys; from lab.terms.contract import document, odrl, plain_language, proposal; "
        "sys.exit(any(name in sys.modules for name in ('rdflib', 'pyshacl')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
