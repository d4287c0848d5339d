"""Proposals and offers from a file or a stranger: strict, bounded, and no value repeated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from lab.terms.contract.document import Ceilings, Operation, ResultDetail
from lab.terms.contract.model_offer import parse_offer
from lab.terms.contract.proposal import MAX_PROPOSAL_BYTES, ContractProposal, JobEstimate, parse_proposal
from lab.terms.errors import InvalidInput
from lab.terms.keys.party import Party

PLANTED = "planted-value"


def proposal(**changes: object) -> ContractProposal:
    terms: dict[str, object] = {
        "bank": Party(name="某银行", public_key="ab" * 32),
        "model": "credit",
        "model_version": 1,
        "operations": (Operation.MATCH, Operation.SCORE),
        "recipients": ("授信审批部",),
        "ceilings": Ceilings(identifiers=5),
        "id_kind": "uscc",
        "days": 14,
        "retention_days": 30,
        "estimate": JobEstimate(rows=5, seconds={"match": 1.5, "score": 2.0}, bytes_up=10, bytes_down=20),
    }
    return ContractProposal.model_validate(terms | changes)


def document(**changes: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(proposal().to_json())
    return found | changes


def test_a_proposal_comes_back_from_its_file() -> None:
    made = proposal()
    assert parse_proposal(made.to_json()) == parse_proposal(made.to_json().encode()) == made
    assert made.estimate is not None and made.estimate.total_seconds == 3.5
    assert json.loads(made.to_json())["schema"] == "shulab-proposal/1"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("schema", "shulab-proposal/2"),
        ("bank", {"name": PLANTED, "public_key": PLANTED}),
        ("model", "../" + PLANTED),
        ("model_version", 0),
        ("purpose", PLANTED),
        ("detail", PLANTED),
        ("operations", []),
        ("recipients", []),
        ("recipients", [PLANTED] * 101),
        ("recipients", ["x" * 201]),
        ("ceilings", {"identifiers": 0}),
        ("ceilings", {"rows_per_batch": 8193}),
        ("id_kind", PLANTED),
        ("days", 0),
        ("retention_days", 36_601),
        ("estimate", {"rows": 1, "seconds": {"match": -1}, "bytes_up": 0, "bytes_down": 0}),
        ("estimate", {"rows": 1, "seconds": {f"s{n}": 1 for n in range(21)}, "bytes_up": 0, "bytes_down": 0}),
        ("estimate", {"rows": 1, "seconds": {PLANTED: "x"}, "bytes_up": 0, "bytes_down": 0}),
        ("more", PLANTED),
        (PLANTED, PLANTED),
    ],
)
def test_what_does_not_fit_is_named_without_its_value(part: str, value: object) -> None:
    with pytest.raises(InvalidInput, match="parts do not fit") as caught:
        parse_proposal(json.dumps(document(**{part: value})))
    assert PLANTED not in str(caught.value)
    assert part in str(caught.value) or part in (PLANTED, "more")


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"\xff", b"{" * 10_000, b'{"days": NaN}'])
def test_what_is_no_proposal_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_proposal(text)


def test_a_file_of_any_size_is_not_read() -> None:
    with pytest.raises(InvalidInput, match=str(MAX_PROPOSAL_BYTES)):
        parse_proposal(b" " * MAX_PROPOSAL_BYTES + proposal().to_json().encode())


def test_a_bank_may_propose_a_count_alone() -> None:
    made = proposal(operations=(Operation.COUNT,))
    assert parse_proposal(made.to_json()) == made


def test_a_proposal_that_no_contract_could_follow_is_refused() -> None:
    with pytest.raises(ValidationError, match="portrait"):
        proposal(detail=ResultDetail.FULL)
    with pytest.raises(ValidationError, match="once"):
        proposal(operations=(Operation.MATCH, Operation.MATCH))


OFFER: dict[str, Any] = {
    "model": "credit",
    "version": 1,
    "id_kind": "uscc",
    "register_entries": 51_000,
    "details": {"total": {"columns": 59, "outputs": 1}},
    "engines": ["openmined"],
    "parameters": ["bgv-8192-a"],
}


def test_an_offer_is_read_strictly() -> None:
    assert parse_offer(OFFER).details[ResultDetail.TOTAL].columns == 59
    wrongs: list[Any] = [
        None,
        [],
        OFFER | {"more": 1},
        OFFER | {"details": {}},
        OFFER | {"details": {"total": {"columns": 10**6, "outputs": 1}}},
        OFFER | {"register_entries": -1},
        OFFER | {"model": PLANTED.upper()},
        OFFER | {"engines": []},
    ]
    for wrong in wrongs:
        with pytest.raises(InvalidInput) as caught:
            parse_offer(wrong)
        assert PLANTED.upper() not in str(caught.value)
