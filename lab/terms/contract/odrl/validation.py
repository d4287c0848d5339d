"""Validates a graph by the ODRL Information Model and, if it names Shulab's profile, by the profile.

The rules are SHACL shapes in files beside this module, each with its section of the model. This module adds the
statements that the model implies, runs the shapes, and reports which shape failed on which path, never on which value.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NoReturn

from pyshacl import validate as run_shapes
from rdflib import RDF, Graph, Namespace, URIRef
from rdflib.namespace import SH
from rdflib.term import Node

from lab.terms.contract.odrl.graph import MAX_STATEMENTS
from lab.terms.contract.odrl.vocabulary import CEILING_OPERANDS, ODRL, PROFILE, SHULAB
from lab.terms.errors import InvalidInput

_O, _S = Namespace(ODRL), Namespace(SHULAB)
_RULES = (_O.permission, _O.prohibition, _O.obligation)
_SHARED = (
    *("action", "relation", "target", "output", "function", "assigner", "assignee"),
    *("attributedParty", "attributingParty", "compensatedParty", "compensatingParty", "consentingParty"),
    *("consentedParty", "informedParty", "informingParty", "trackingParty", "trackedParty"),
    *("contractingParty", "contractedParty"),
)
"""Properties that a policy may state once for all its rules (section 2.7.1)."""
_RANGES = {
    _O.permission: _O.Permission,
    _O.prohibition: _O.Prohibition,
    _O.obligation: _O.Duty,
    _O.duty: _O.Duty,
    _O.remedy: _O.Duty,
    _O.consequence: _O.Duty,
}
_LOGICAL = (_O["or"], _O.xone, _O["and"], _O.andSequence)
_SHOWN = 8
_LARGE = 2_000


def validate_agreement(graph: Graph) -> URIRef:
    """The agreement in ``graph``; raises ``InvalidInput`` naming the shapes and paths that failed."""
    agreements = list(graph.subjects(RDF.type, _O.Agreement))
    if len(agreements) != 1:
        _fail(["AgreementHasUid (one agreement is expected in a document)"])
    agreement = agreements[0]
    implied = _implied(graph, agreement)
    failures = _failures(implied, "odrl-shapes.ttl")
    if not failures and (agreement, _O.profile, URIRef(PROFILE)) in graph:
        _add_profile_types(implied, agreement)
        failures = _failures(implied, "profile-shapes.ttl")
    if failures or not isinstance(agreement, URIRef):
        _fail(failures)
    return agreement


def _implied(graph: Graph, agreement: Node) -> Graph:
    """The graph with implied statements: properties shared by all rules, and types of rules and constraints."""
    implied = Graph()
    for triple in graph:
        implied.add(triple)
    _share_properties(graph, agreement, implied)
    for predicate, kind in _RANGES.items():
        for node in graph.objects(None, predicate):
            implied.add((node, RDF.type, kind))
    for predicate in (_O.constraint, _O.refinement):
        for node in graph.objects(None, predicate):
            logical = any((node, operand, None) in graph for operand in _LOGICAL)
            implied.add((node, RDF.type, _O.LogicalConstraint if logical else _O.Constraint))
    return implied


def _share_properties(graph: Graph, agreement: Node, implied: Graph) -> None:
    """Move properties that the agreement states for all its rules to each rule (section 2.7.1)."""
    rules = [rule for kind in _RULES for rule in graph.objects(agreement, kind)]
    for name in _SHARED:
        for value in list(graph.objects(agreement, _O[name])):
            implied.remove((agreement, _O[name], value))
            for rule in rules:
                implied.add((rule, _O[name], value))
            if len(implied) > 2 * MAX_STATEMENTS:
                _fail([f"RuleAction (at most {2 * MAX_STATEMENTS} statements, those shared by rules counted for each)"])


def _add_profile_types(graph: Graph, agreement: Node) -> None:
    graph.add((agreement, RDF.type, _S.Contract))
    operands = {_expanded(operand) for operand, _ in CEILING_OPERANDS.values()}
    for node, operand in list(graph.subject_objects(_O.leftOperand)):
        if operand in operands:
            graph.add((node, RDF.type, _S.Ceiling))


def _expanded(name: str) -> URIRef:
    return _S[name.removeprefix("shulab:")] if name.startswith("shulab:") else _O[name]


def _failures(graph: Graph, shapes: str) -> list[str]:
    """Each failed shape once, with its path and its rule in words."""
    # A report on each failure is long, so for a large document only the first is reported.
    conforms, report, _ = run_shapes(
        graph, shacl_graph=_shapes(shapes), inference="none", advanced=False, abort_on_first=len(graph) > _LARGE
    )
    if conforms:
        return []
    if not isinstance(report, Graph):
        raise TypeError("the validator gave no report")
    found = set()
    for result in report.subjects(RDF.type, SH.ValidationResult):
        if (None, SH.result, result) not in report:
            continue
        path = report.value(result, SH.resultPath)
        found.add(_name_shape(_shapes(shapes), report.value(result, SH.sourceShape)) + _name_path(report, path))
    return sorted(found)


@cache
def _shapes(name: str) -> Graph:
    return Graph().parse(
        data=files("lab.terms.contract.odrl").joinpath(name).read_text(encoding="utf-8"), format="turtle"
    )


def _name_shape(shapes: Graph, shape: Node | None) -> str:
    """The name and rule of ``shape``, or of the named shape that it is a property of."""
    owner = shape if isinstance(shape, URIRef) else shapes.value(predicate=SH.property, object=shape)
    asked = shapes.value(owner, SH.message)
    return f"{str(owner).rpartition('#')[2]} ({asked})"


def _name_path(report: Graph, path: Node | None) -> str:
    """`` at <property>``; the names are those of the shapes, never of the document."""
    return f" at {str(path).rpartition('/')[2].rpartition('#')[2]}" if isinstance(path, URIRef) else ""


def _fail(failures: list[str]) -> NoReturn:
    shown = "; ".join(failures[:_SHOWN]) + ("; ..." if len(failures) > _SHOWN else "")
    raise InvalidInput(
        f"Expected an ODRL 2.2 Agreement; these rules are not kept: {shown}.",
        next_step="correct the document, or export the contract again with `lab officer export --odrl`",
    )
