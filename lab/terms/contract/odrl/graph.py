"""Reads JSON-LD from outside into an RDF graph: bounded in size and depth, and without network access.

A document may name only the ODRL context, whose terms are in a file beside this module. Contexts inside the document
are accepted unless they import others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, NoReturn

from rdflib import BNode, Dataset, Graph, Literal, URIRef
from rdflib.collection import Collection
from rdflib.graph import DATASET_DEFAULT_GRAPH_ID
from rdflib.namespace import RDF
from rdflib.term import Node

from lab.terms.contract.odrl.vocabulary import CONTEXT
from lab.terms.errors import InvalidInput

MAX_DOCUMENT_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 24
MAX_VALUES = 100_000
MAX_STATEMENTS = 20_000
"""Enough for a contract of a thousand items; such a graph is validated in about ten seconds."""
_CONTEXTS = frozenset({CONTEXT, CONTEXT.replace("http:", "https:")})
_CONTEXT_COST = 1000
"""The context counts as so many values, so that a small document cannot expand into a large one."""
_BASE = "urn:shulab:relative:"
_NOT_IN_IRIS = frozenset('<>" {}|\\^`')


def read_graph(document: Mapping[str, Any] | str | bytes) -> Graph:
    """The graph of a JSON-LD document; raises ``InvalidInput``.

    ``document``: the JSON text, or what it parses to.
    """
    found = parse_json(document) if isinstance(document, str | bytes) else document
    budget = [MAX_VALUES]
    closed = _close(found, 0, budget)
    if not isinstance(closed, dict):
        _refuse("a JSON object")
    text = json.dumps(closed)
    if len(text) > 2 * MAX_DOCUMENT_BYTES:
        _refuse(f"at most {MAX_DOCUMENT_BYTES} bytes")
    dataset = Dataset()
    try:
        dataset.parse(data=text, format="json-ld", publicID=_BASE)
    except Exception:  # the parser raises errors of many kinds for a malformed document
        _refuse("well-formed JSON-LD")
    graph = Graph()
    for subject, predicate, value, name in dataset.quads():
        if name not in (None, DATASET_DEFAULT_GRAPH_ID):
            _refuse("one graph; it names another")
        if not all(_is_well_formed(node) for node in (subject, predicate, value)):
            _refuse("well-formed IRIs")
        graph.add((subject, predicate, value))
        if len(graph) > MAX_STATEMENTS:
            _refuse(f"at most {MAX_STATEMENTS} statements")
    return graph


def _is_well_formed(node: object) -> bool:
    """Whether a node's IRI, or a literal's datatype, is well-formed: the parser accepts forbidden characters."""
    iri = node.datatype if isinstance(node, Literal) else node
    return not isinstance(iri, URIRef) or _NOT_IN_IRIS.isdisjoint(iri)


def parse_json(text: str | bytes) -> Any:
    """JSON of bounded size in which no key is repeated; raises ``InvalidInput``."""
    if len(text) > MAX_DOCUMENT_BYTES:
        _refuse(f"at most {MAX_DOCUMENT_BYTES} bytes")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError
        return found

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=_no_number)
    except (ValueError, RecursionError):
        _refuse("JSON, no key repeated")


def canonical_statements(graph: Graph) -> frozenset[tuple[str, str, str]]:
    """The statements in comparable form, lists by their members; raises ``InvalidInput`` for another unnamed node."""
    said = set()
    for subject, predicate, value in graph:
        if isinstance(subject, BNode):
            if predicate in (RDF.first, RDF.rest):
                continue
            _refuse("a name for every node")
        members = read_list(graph, value)
        said.add((subject.n3(), predicate.n3(), value.n3() if members is None else str([m.n3() for m in members])))
    return frozenset(said)


def read_list(graph: Graph, head: Node | None) -> list[Node] | None:
    """The members of an RDF list, or None if ``head`` is not a list; raises ``InvalidInput`` for a broken list."""
    if head != RDF.nil and not isinstance(head, BNode):
        return None
    if head is None or (head != RDF.nil and (head, RDF.first, None) not in graph):
        _refuse("a name for every node")
    _check_list(graph, head)
    members = list(Collection(graph, head))
    if any(isinstance(member, BNode) for member in members):
        _refuse("a name for every node")
    return members


def _check_list(graph: Graph, head: Node) -> None:
    """Raise ``InvalidInput`` unless the list ends and each node has one owner, one member and one successor."""
    seen: set[Node] = set()
    at = head
    while at != RDF.nil:
        ends = list(graph.objects(at, RDF.rest))
        # A list with two owners would be read once for each of them.
        owners = len(list(islice(graph.subject_predicates(at), 2)))
        if at in seen or owners != 1 or len(ends) != 1 or len(list(graph.objects(at, RDF.first))) != 1:
            _refuse("lists that are whole and have one owner")
        seen.add(at)
        at = ends[0]


@cache
def _odrl_terms() -> dict[str, Any]:
    text = files("lab.terms.contract.odrl").joinpath("context.jsonld").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)["@context"]
    return found


def _close(value: Any, depth: int, budget: list[int]) -> Any:
    """The document with ODRL's context inlined, so that nothing is left to fetch."""
    budget[0] -= 1
    if depth > MAX_DEPTH or budget[0] < 0:
        _refuse(f"at most {MAX_DEPTH} levels and {MAX_VALUES} values")
    if isinstance(value, Mapping):
        return _close_node(value, depth, budget)
    if isinstance(value, list | tuple):
        return [_close(part, depth + 1, budget) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return _text(value)


def _close_node(node: Mapping[Any, Any], depth: int, budget: list[int]) -> dict[str, Any]:
    if "uid" in node and "@id" in node:
        _refuse("one of uid and @id in a node")
    return {
        _text(key): (_close_context if key == "@context" else _close)(part, depth + 1, budget)
        for key, part in node.items()
    }


def _close_context(value: Any, depth: int, budget: list[int]) -> Any:
    if isinstance(value, str):
        if value not in _CONTEXTS:
            _refuse(f"no context from elsewhere but {CONTEXT}")
        budget[0] -= _CONTEXT_COST
        return _odrl_terms()
    if isinstance(value, list | tuple):
        return [_close_context(part, depth + 1, budget) for part in value]
    if isinstance(value, Mapping) and "@import" in value:
        _refuse("no context that imports another")
    return _close(value, depth, budget)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        _refuse("JSON")
    try:
        value.encode()
    except UnicodeEncodeError:
        _refuse("text in Unicode")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError


def _refuse(wanted: str) -> NoReturn:
    raise InvalidInput(
        f"Expected an agreement in JSON-LD with {wanted}; found otherwise.",
        next_step="export the contract again with `lab officer export --odrl`",
    )


__all__ = ["Graph", "Literal", "URIRef", "canonical_statements", "parse_json", "read_graph", "read_list"]
