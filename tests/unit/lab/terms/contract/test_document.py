"""The contract document: one canonical form, signed by both, and strict about what it holds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from lab.terms.contract.document import (
    Ceilings,
    Contract,
    ContractItem,
    Operation,
    PinnedModel,
    Purpose,
    ReleaseForm,
    ResultDetail,
    SignedContract,
    parse_contract,
    signing_input,
)
from lab.terms.errors import InvalidInput, NotAllowed, NotAuthentic
from lab.terms.keys.party import Party

BUREAU, BANK = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def party(name: str, key: Ed25519PrivateKey) -> Party:
    return Party(name=name, public_key=key.public_key().public_bytes_raw().hex())


def contract(**changes: object) -> Contract:
    terms: dict[str, object] = {
        "id": "c-test",
        "bureau": party("局", BUREAU),
        "bank": party("Bank", BANK),
        "purpose": Purpose.RESEARCH,
        "recipients": ("research department",),
        "items": (ContractItem(code="tax.paid"),),
        "operations": (Operation.MATCH, Operation.SCORE),
        "detail": ResultDetail.TOTAL,
        "models": (PinnedModel(name="credit", version=1, sheet_sha256="0" * 64),),
        "id_kind": "uscc",
        "engine": "openmined",
        "parameters": "bgv-8192-a",
        "ceilings": Ceilings(),
        "starts": NOW,
        "expires": NOW + timedelta(days=1),
    }
    return Contract.model_validate(terms | changes)


def signed(document: Contract) -> SignedContract:
    message = signing_input(document)
    return SignedContract(
        contract=document, bureau_signature=BUREAU.sign(message).hex(), bank_signature=BANK.sign(message).hex()
    )


def test_both_signatures_verify_and_survive_a_round_trip() -> None:
    held = signed(contract())
    held.verify()
    again = parse_contract(held.model_dump_json(by_alias=True))
    again.verify()
    assert again.contract.canonical_bytes() == held.contract.canonical_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {"operations": (Operation.MATCH, Operation.PORTRAIT), "detail": ResultDetail.FULL},
        {"ceilings": Ceilings(identifiers=2)},
        {"recipients": ("another department",)},
        {"retention_days": 1},
        {"version": 2},
    ],
)
def test_a_changed_term_breaks_both_signatures(changes: dict[str, object]) -> None:
    held = signed(contract())
    altered = SignedContract(
        contract=contract(**changes), bureau_signature=held.bureau_signature, bank_signature=held.bank_signature
    )
    for role in ("bureau", "bank"):
        with pytest.raises(NotAuthentic, match="verify"):
            altered.verify(require=(role,))


def test_swapped_or_missing_signatures_are_refused() -> None:
    held = signed(contract())
    swapped = SignedContract(
        contract=held.contract, bureau_signature=held.bank_signature, bank_signature=held.bureau_signature
    )
    with pytest.raises(NotAuthentic):
        swapped.verify()
    with pytest.raises(NotAuthentic, match="needs the bank's signature"):
        SignedContract(contract=held.contract, bureau_signature=held.bureau_signature).verify()
    with pytest.raises(NotAuthentic):
        SignedContract(contract=held.contract, bureau_signature="zz", bank_signature="zz").verify()


def test_terms_that_make_no_contract_are_refused() -> None:
    for changes in (
        {"expires": NOW},
        {"operations": ()},
        {"starts": "2026-01-01T00:00:00"},
        {"id": "../x"},
        {"purpose": "anything"},
        {"extra": 1},
        {"ceilings": {"rows_per_batch": 10**6}},
        {"ceilings": {"identifiers": 2**53}},  # canonical JSON has no such number
        {"recipients": ()},
        {"models": ()},
        {"models": (PinnedModel(name="credit", version=1, sheet_sha256="0" * 64),) * 2},
        {"items": (ContractItem(code="tax.paid"),) * 2},
        {"detail": ResultDetail.FULL},  # without the operation portrait
    ):
        with pytest.raises(ValidationError):
            contract(**changes)


def test_a_contract_may_allow_a_count_alone_and_then_name_no_item() -> None:
    alone = contract(operations=(Operation.COUNT,), items=())
    assert alone.counts_only
    signed(alone).verify()
    assert not contract(operations=(Operation.COUNT, Operation.MATCH), items=()).counts_only
    assert not contract().counts_only
    with pytest.raises(ValidationError, match="finer than totals"):
        contract(operations=(Operation.COUNT,), items=(), detail=ResultDetail.DIMENSIONS)


def test_the_largest_numbers_can_be_signed() -> None:
    signed(contract(ceilings=Ceilings(identifiers=2**53 - 1))).verify()


def test_a_model_is_one_of_those_the_contract_allows() -> None:
    models = tuple(
        PinnedModel(name=name, version=n, sheet_sha256="0" * 64) for name, n in (("a", 2), ("a", 1), ("b", 1))
    )
    document = contract(models=models)
    assert document.find_model() == document.find_model("a") == models[0]
    assert (document.find_model("a", 1), document.find_model("b")) == (models[1], models[2])
    for name, version in (("b", 2), ("c", None)):
        with pytest.raises(NotAllowed, match="term: models"):
            document.find_model(name, version)


def test_each_release_form_allows_itself_and_what_is_less() -> None:
    forms = list(ReleaseForm)
    assert [form.value for form in forms] == ["none", "model-input-only", "band", "exact"]
    for one, form in enumerate(forms):
        assert [form.allows(wanted) for wanted in forms] == [other <= one for other in range(len(forms))]


def test_a_parse_error_names_fields_and_no_values() -> None:
    document = json.loads(signed(contract()).model_dump_json(by_alias=True))
    document["contract"]["bank"]["public_key"] = "planted-value"
    with pytest.raises(InvalidInput, match=r"contract\.bank\.public_key") as caught:
        parse_contract(json.dumps(document))
    assert "planted-value" not in str(caught.value)
    with pytest.raises(InvalidInput):
        parse_contract(b"not json")


def test_the_term_includes_its_start_and_not_its_end() -> None:
    document = contract()
    assert document.in_force(document.starts)
    assert not document.in_force(document.expires)
    assert not document.in_force(document.starts - timedelta(seconds=1))


def test_fingerprints_differ_and_can_be_read_aloud() -> None:
    one, two = party("a", BUREAU).fingerprint, party("a", BANK).fingerprint
    assert one != two and len(one) == 39 and one.count("-") == 7
