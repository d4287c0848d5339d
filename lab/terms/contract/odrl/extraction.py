"""Reads a contract from an agreement, and checks that the agreement says that contract and nothing else."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.term import Node

from lab.terms.contract.document import Operation, Purpose, ReleaseForm, ResultDetail, SignedContract, parse_contract
from lab.terms.contract.odrl.agreement import to_odrl
from lab.terms.contract.odrl.graph import canonical_statements, read_graph, read_list
from lab.terms.contract.odrl.vocabulary import (
    CEILING_OPERANDS,
    ODRL,
    OPERATION_ACTIONS,
    PERMITTED_ACTIONS,
    PROFILE,
    SHULAB,
    VCARD,
)
from lab.terms.contract.prices import PriceUnit
from lab.terms.errors import InvalidInput

_O, _S, _V = Namespace(ODRL), Namespace(SHULAB), Namespace(VCARD)
_OPERATIONS = {_S[name]: operation for operation, name in OPERATION_ACTIONS.items()}
_FORMS = {_S[action.partition(":")[2]]: form for form, action in PERMITTED_ACTIONS.items() if action is not None}


def extract_contract(graph: Graph, agreement: URIRef) -> SignedContract:
    """The signed contract in a valid agreement of the profile; verifies no signature.

    Raises ``InvalidInput`` for another profile, for a missing term, and if the contract written as an agreement again
    gives other statements: then the document says more than the contract.
    """
    profiles = set(graph.objects(agreement, _O.profile))
    if profiles != {URIRef(PROFILE)}:
        # A processor that does not know a profile must stop (ODRL Information Model, section 3.1).
        _refuse(f"of the profile {PROFILE}, and of no other")
    reading = _AgreementReader(graph, agreement)
    signed = parse_contract(json.dumps(reading.signed()))
    try:
        again = read_graph(to_odrl(signed))
    except ValueError:  # a number that canonical JSON cannot hold
        _refuse("whose numbers are below 2^53")
    said, meant = canonical_statements(graph), canonical_statements(again)
    if said != meant:
        raise InvalidInput(
            f"Expected an agreement that says one contract and nothing else; {len(said - meant)} statements are not "
            f"the contract's, {len(meant - said)} of the contract's are missing.",
            next_step="export the contract again with `lab officer export --odrl`; to change terms, amend it",
        )
    return signed


class _AgreementReader:
    """Reads the terms of one agreement from the graph."""

    def __init__(self, graph: Graph, agreement: URIRef) -> None:
        self._graph, self._agreement = graph, agreement
        permissions = list(graph.objects(agreement, _O.permission))
        self._operations = [rule for rule in permissions if self._one(rule, _O.action) in _OPERATIONS]
        self._items = {
            self._one(rule, _O.target): form
            for rule in permissions
            if (form := _FORMS.get(URIRef(str(self._one(rule, _O.action))))) is not None
        }
        if not self._operations:
            _refuse("that permits one of the profile's operations")

    def signed(self) -> dict[str, Any]:
        """The document as ``parse_contract`` reads it."""
        found: dict[str, Any] = {"contract": self._contract()}
        for name in ("bureau", "bank"):
            signature = self._graph.value(self._agreement, _S[f"{name}Signature"])
            found[f"{name}_signature"] = None if signature is None else str(signature)
        return found

    def _contract(self) -> dict[str, Any]:
        rule = self._operations[0]
        policy = self._agreement
        return {
            "schema": self._text(policy, _S.schema),
            "id": self._text(policy, _S.contract),
            "version": self._whole(policy, _S.version),
            "bureau": self._party(self._one(rule, _O.assigner)),
            "bank": self._party(self._one(rule, _O.assignee)),
            "purpose": self._local(self._right("purpose", "eq"), [one.value for one in Purpose]),
            "recipients": [str(one) for one in self._list(self._right("recipient", "isAnyOf"))],
            "items": [self._item(one) for one in self._list(self._one(policy, _S["items"]))],
            "operations": [self._operation(one) for one in self._list(self._one(policy, _S.operations))],
            "detail": self._local(self._right("shulab:detail", "eq"), [one.value for one in ResultDetail]),
            "models": [self._model(one) for one in self._list(self._right("shulab:model", "isAnyOf"))],
            "id_kind": self._text(policy, _S.idKind),
            "engine": self._text(policy, _S.engine),
            "parameters": self._text(policy, _S.parameters),
            "ceilings": {
                name: self._whole(self._constraint(*place), _O.rightOperand) for name, place in CEILING_OPERANDS.items()
            }
            | {"period_days": self._days(self._constraint(*CEILING_OPERANDS["scores_per_enterprise"]), _S.within)},
            "consent": {
                "required": any(self._graph.objects(rule, _O.duty)),
                "why": self._text(policy, _S.consentReason),
            },
            "retention_days": self._days(self._constraint("elapsedTime", "lteq"), _O.rightOperand),
            "witnesses": self._witnesses(),
            "prices": self._prices(),
            "request": self._optional_text(_S.request),
            "starts": str(self._right("dateTime", "gteq")),
            "expires": str(self._right("dateTime", "lt")),
        }

    def _party(self, node: Node) -> dict[str, str]:
        return {"name": self._text(node, _V.fn), "public_key": self._text(node, _S.publicKey)}

    def _witnesses(self) -> dict[str, Any] | None:
        head = self._graph.value(self._agreement, _S.witnesses)
        if head is None:
            return None
        parties = [
            {"name": self._text(node, _S.witnessName), "public_key": self._text(node, _S.publicKey)}
            for node in self._list(head)
        ]
        return {"quorum": self._whole(self._agreement, _S.witnessQuorum), "parties": parties}

    def _prices(self) -> dict[str, Any] | None:
        free = self._graph.value(self._agreement, _S.free)
        if free is None:
            return None
        head = self._graph.value(self._agreement, _S.prices)
        units = [
            {
                "unit": self._local(self._one(node, _S.per), [one.value for one in PriceUnit]),
                "price": self._text(node, _O.rightOperand),
            }
            for node in (self._list(head) if head is not None else ())
        ]
        return {"free": str(free) == "true", "currency": self._optional_text(_S.currency), "units": units}

    def _optional_text(self, predicate: URIRef) -> str | None:
        found = self._graph.value(self._agreement, predicate)
        return None if found is None else str(found)

    def _item(self, node: Node) -> dict[str, str]:
        form = self._items.get(node, ReleaseForm.NONE)
        return {"code": self._text(node, _S.code), "form": form.value}

    def _operation(self, node: Node) -> str:
        operation: Operation | None = _OPERATIONS.get(URIRef(str(node)))
        return operation.value if operation is not None else _refuse("that lists the profile's operations")

    def _model(self, node: Node) -> dict[str, Any]:
        return {
            "name": self._text(node, _S.name),
            "version": self._whole(node, _S.version),
            "sheet_sha256": self._text(node, _S.sheetSha256),
        }

    def _constraint(self, operand: str, operator: str) -> Node:
        """The one constraint with this left operand and operator."""
        left = _S[operand.partition(":")[2]] if ":" in operand else _O[operand]
        found = [
            node
            for node in self._graph.subjects(_O.leftOperand, left)
            if (node, _O.operator, _O[operator]) in self._graph
        ]
        return found[0] if len(found) == 1 else _refuse(f"that has one constraint {operand} {operator}")

    def _right(self, operand: str, operator: str) -> Node:
        return self._one(self._constraint(operand, operator), _O.rightOperand)

    def _one(self, node: Node, predicate: URIRef) -> Node:
        found = list(self._graph.objects(node, predicate))
        return found[0] if len(found) == 1 else _refuse(f"with one {_local_name(predicate)} where it has to be")

    def _text(self, node: Node, predicate: URIRef) -> str:
        return str(self._one(node, predicate))

    def _whole(self, node: Node, predicate: URIRef) -> int:
        value = self._one(node, predicate)
        number = value.value if isinstance(value, Literal) else None
        return number if type(number) is int else _refuse(f"whose {_local_name(predicate)} is a whole number")

    def _days(self, node: Node, predicate: URIRef) -> int:
        text = self._text(node, predicate)
        digits = text.removeprefix("P").removesuffix("D")
        if text != f"P{digits}D" or not (digits.isascii() and digits.isdigit()) or len(digits) > 6:
            _refuse(f"whose {_local_name(predicate)} is a duration in days, like P30D")
        return int(digits)

    def _local(self, node: Node, known: list[str]) -> str:
        name = str(node).removeprefix(SHULAB)
        return name if str(node).startswith(SHULAB) and name in known else _refuse("of the profile's own words")

    def _list(self, head: Node) -> list[Node]:
        members = read_list(self._graph, head)
        return members if members is not None else _refuse("whose lists are JSON-LD lists")


def _local_name(predicate: URIRef) -> str:
    return str(predicate).rpartition("#")[2].rpartition("/")[2]


def _refuse(wanted: str) -> NoReturn:
    raise InvalidInput(
        f"Expected an agreement {wanted}; found otherwise.",
        next_step="export the contract again with `lab officer export --odrl`",
    )
