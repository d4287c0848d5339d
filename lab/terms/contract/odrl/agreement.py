"""Writes a signed contract as an ODRL 2.2 Agreement in JSON-LD.

Every node has a name, so that a contract always gives the same graph. Nodes that many rules share (parties,
constraints, the duty of consent) are written in full at their first use and by name afterwards.
"""

from __future__ import annotations

from typing import Any

from lab.terms.contract.document import Contract, ContractItem, SignedContract
from lab.terms.contract.odrl.vocabulary import (
    CEILING_OPERANDS,
    CONTEXT,
    ODRL,
    OPERATION_ACTIONS,
    PERMITTED_ACTIONS,
    PROFILE,
    PROHIBITED_ACTIONS,
    SHULAB,
    VCARD,
    XSD,
    item_iri,
    model_iri,
    policy_iri,
    price_iri,
)
from lab.terms.keys.party import Party

JsonLdNode = dict[str, Any]


def to_odrl(signed: SignedContract) -> JsonLdNode:
    """The agreement as a JSON-LD object; ``lab.terms.contract.odrl.from_odrl`` reads the same bytes and signatures from
    it.
    """
    contract = signed.contract
    document: JsonLdNode = {
        # The prefixes are listed because some editions of the W3C context lack some of them.
        "@context": [CONTEXT, {"odrl": ODRL, "shulab": SHULAB, "vcard": VCARD, "xsd": XSD}],
        "@type": "Agreement",
        "@id": policy_iri(contract),
        # In some editions of the W3C context "uid" is an alias of "@id", in others a property; this form means the
        # same in both.
        "odrl:uid": {"@id": policy_iri(contract)},
        "profile": PROFILE,
        "conflict": "prohibit",
        "shulab:schema": contract.schema_,
        "shulab:contract": contract.id,
        "shulab:version": contract.version,
        "shulab:sha256": contract.sha256,
        "shulab:idKind": contract.id_kind,
        "shulab:engine": contract.engine,
        "shulab:parameters": contract.parameters,
        "shulab:consentReason": contract.consent.why,
        "shulab:operations": {"@list": [{"@id": f"shulab:{OPERATION_ACTIONS[one]}"} for one in contract.operations]},
        "shulab:items": {"@list": [{"@id": item_iri(item.code)} for item in contract.items]},
    }
    for name, signature in (("bureau", signed.bureau_signature), ("bank", signed.bank_signature)):
        if signature is not None:
            document[f"shulab:{name}Signature"] = signature
    if contract.witnesses is not None:
        document["shulab:witnessQuorum"] = contract.witnesses.quorum
        document["shulab:witnesses"] = {"@list": [_witness(contract, party) for party in contract.witnesses.parties]}
    if contract.request is not None:
        document["shulab:request"] = contract.request
    if contract.prices is not None:
        document["shulab:free"] = contract.prices.free
        if contract.prices.units:
            document["shulab:currency"] = contract.prices.currency
            document["shulab:prices"] = {
                "@list": [{"@id": price_iri(contract, one.unit)} for one in contract.prices.units]
            }
    writer = _AgreementWriter(contract)
    document["permission"] = writer.operations() + writer.permissions()
    document["prohibition"] = writer.prohibitions()
    document["obligation"] = writer.obligations() + writer.compensations()
    return document


class _AgreementWriter:
    """Writes the rules of one agreement. ``_once`` writes a node in full once, and then its name."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._policy = policy_iri(contract)
        self._written: set[str] = set()

    def operations(self) -> list[JsonLdNode]:
        """A permission for each operation, under all constraints."""
        rules = []
        for operation in dict.fromkeys(self._contract.operations):
            rule = self._rule(f"operation:{operation.value}", f"shulab:{OPERATION_ACTIONS[operation]}")
            rule |= {
                "target": self._once("data", {"@type": "AssetCollection"}),
                "constraint": self._common() + self._terms_of_use(),
            }
            if self._contract.consent.required:
                duty = {"action": "obtainConsent", "consentingParty": "shulab:enterprise"}
                rule["duty"] = [self._once("consent", duty)]
            rules.append(rule)
        return rules

    def permissions(self) -> list[JsonLdNode]:
        """A permission for each item that may be used at all."""
        return [
            self._rule(f"allow:{_local(item)}", action) | {"target": self._item(item), "constraint": self._common()}
            for item in self._contract.items
            if (action := PERMITTED_ACTIONS[item.form]) is not None
        ]

    def prohibitions(self) -> list[JsonLdNode]:
        """A prohibition for each item that may not be used in every form."""
        return [
            self._rule(f"forbid:{_local(item)}", action) | {"target": self._item(item)}
            for item in self._contract.items
            if (action := PROHIBITED_ACTIONS[item.form]) is not None
        ]

    def obligations(self) -> list[JsonLdNode]:
        """Both sides delete in time; the bureau informs the bank when it stops the agreement."""
        days = f"P{self._contract.retention_days}D"
        kept = [self._constraint("retention", "elapsedTime", "lteq", {"@value": days, "@type": "xsd:duration"})]
        results = self._once("results", {"@type": "Asset"})
        stopped = [self._constraint("stopped", "event", "eq", {"@id": "shulab:suspensionOrRevocation"})]
        return [
            self._rule("delete:bank", "delete") | {"target": results, "constraint": kept},
            self._rule("delete:bureau", "delete", by="bureau") | {"target": results, "constraint": kept},
            self._rule("inform", "inform", by="bureau")
            | {"informedParty": self._iri("bank"), "target": results, "constraint": stopped},
        ]

    def compensations(self) -> list[JsonLdNode]:
        """What the bank owes for a unit of use. The amount is text, so that it is read back as it was agreed."""
        prices = self._contract.prices
        found = []
        for one in prices.units if prices is not None else ():
            owed: JsonLdNode = {
                "@id": price_iri(self._contract, one.unit),
                "leftOperand": "payAmount",
                "operator": "eq",
                "rightOperand": one.price,
                "unit": {"@id": f"urn:iso:std:iso:4217:{prices.currency if prices else ''}"},
                "shulab:per": {"@id": f"shulab:{one.unit.value}"},
            }
            rule = self._rule(f"compensate:{one.unit.value}", "compensate")
            found.append(rule | {"compensatedParty": self._iri("bureau"), "constraint": [owed]})
        return found

    def _common(self) -> list[JsonLdNode]:
        """Purpose, recipients and term: the constraints of every permission."""
        contract = self._contract
        dates = contract.model_dump(mode="json")
        names = {"@list": list(contract.recipients)}
        return [
            self._constraint("purpose", "purpose", "eq", {"@id": f"shulab:{contract.purpose.value}"}),
            self._constraint("recipients", "recipient", "isAnyOf", names),
            self._constraint("starts", "dateTime", "gteq", {"@value": dates["starts"], "@type": "xsd:dateTime"}),
            self._constraint("expires", "dateTime", "lt", {"@value": dates["expires"], "@type": "xsd:dateTime"}),
        ]

    def _terms_of_use(self) -> list[JsonLdNode]:
        """Models, detail and ceilings: the other constraints of the operations."""
        contract = self._contract
        models = [
            {
                "@id": model_iri(model),
                "shulab:name": model.name,
                "shulab:version": model.version,
                "shulab:sheetSha256": model.sheet_sha256,
            }
            for model in contract.models
        ]
        found = [
            self._constraint("models", "shulab:model", "isAnyOf", {"@list": models}),
            self._constraint("detail", "shulab:detail", "eq", {"@id": f"shulab:{contract.detail.value}"}),
        ]
        for name, (operand, operator) in CEILING_OPERANDS.items():
            more: JsonLdNode = {"unit": {"@id": "shulab:identifier"}} if name == "identifiers" else {}
            if name == "scores_per_enterprise":
                days = f"P{contract.ceilings.period_days}D"
                more = {"shulab:within": {"@value": days, "@type": "xsd:duration"}}
            number = getattr(contract.ceilings, name)
            found.append(self._constraint(name.replace("_", "-"), operand, operator, number, more))
        return found

    def _rule(self, name: str, action: str, *, by: str = "bank") -> JsonLdNode:
        """A rule in which ``by`` is the assignee and the other party the assigner."""
        assigner, assignee = ("bureau", "bank") if by == "bank" else ("bank", "bureau")
        return {
            "@id": self._iri(name),
            "assigner": self._party(assigner),
            "assignee": self._party(assignee),
            "action": action,
        }

    def _party(self, role: str) -> JsonLdNode | str:
        party: Party = getattr(self._contract, role)
        return self._once(role, {"@type": "Party", "vcard:fn": party.name, "shulab:publicKey": party.public_key})

    def _item(self, item: ContractItem) -> JsonLdNode | str:
        iri = item_iri(item.code)
        return self._once_at(iri, {"@type": "Asset", "shulab:code": item.code, "partOf": self._iri("data")})

    def _constraint(self, name: str, operand: str, operator: str, value: object, more: JsonLdNode | None = None) -> Any:
        parts = {"leftOperand": operand, "operator": operator, "rightOperand": value}
        return self._once(f"constraint:{name}", parts | (more or {}))

    def _once(self, name: str, node: JsonLdNode) -> JsonLdNode | str:
        return self._once_at(self._iri(name), node)

    def _once_at(self, iri: str, node: JsonLdNode) -> JsonLdNode | str:
        if iri in self._written:
            return iri
        self._written.add(iri)
        return {"@id": iri} | node

    def _iri(self, name: str) -> str:
        return f"{self._policy}#{name}"


def _witness(contract: Contract, party: Party) -> JsonLdNode:
    iri = f"{policy_iri(contract)}#witness:{party.public_key}"
    return {"@id": iri, "shulab:witnessName": party.name, "shulab:publicKey": party.public_key}


def _local(item: ContractItem) -> str:
    return item_iri(item.code).rpartition(":")[2]
