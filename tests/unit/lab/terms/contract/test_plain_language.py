"""A contract in plain words: no field is left out, and what differs is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.terms.contract.clauses import CLAUSES
from lab.terms.contract.document import (
    Ceilings,
    ConsentClause,
    Contract,
    ContractItem,
    Operation,
    PinnedModel,
    Purpose,
    ResultDetail,
)
from lab.terms.contract.plain_language import diff_contracts, format_clauses, render_clauses
from lab.terms.contract.prices import Prices
from lab.terms.keys.party import Party
from lab.terms.witnessing.quorum import WitnessQuorum
from tests.support.drawn_documents import contracts, plain_contract

START = datetime(2026, 1, 1, tzinfo=UTC)
CHANGED: dict[str, tuple[dict[str, object], bool | None]] = {
    "id": ({"id": "c-other"}, None),
    "version": ({"version": 2}, None),
    "bureau": ({"bureau": Party(name="另一局", public_key="ab" * 32)}, None),
    "bank": ({"bank": Party(name="某银行", public_key="ab" * 32)}, None),
    "purpose": ({"purpose": Purpose.RESEARCH}, None),
    "recipients": ({"recipients": ("授信审批部",)}, False),
    "items": ({"items": (ContractItem(code="TAX-1"), ContractItem(code="LAW-1"))}, True),
    "operations": ({"operations": (*(Operation),)}, True),
    "detail": ({"detail": ResultDetail.DIMENSIONS}, False),
    "models": ({"models": (PinnedModel(name="credit", version=1, sheet_sha256="1" * 64),)}, None),
    "id_kind": ({"id_kind": "opaque"}, None),
    "engine": ({"engine": "other"}, None),
    "parameters": ({"parameters": "other"}, None),
    "ceilings.identifiers": ({"ceilings": Ceilings(identifiers=1)}, False),
    "ceilings.identifiers_per_match": ({"ceilings": Ceilings(identifiers_per_match=1)}, False),
    "ceilings.scores_per_enterprise": ({"ceilings": Ceilings(scores_per_enterprise=10**6)}, True),
    "ceilings.period_days": ({"ceilings": Ceilings(period_days=366)}, False),
    "ceilings.jobs_per_day": ({"ceilings": Ceilings(jobs_per_day=101)}, True),
    "ceilings.rows_per_job": ({"ceilings": Ceilings(rows_per_job=1)}, False),
    "ceilings.rows_per_batch": ({"ceilings": Ceilings(rows_per_batch=1)}, False),
    "ceilings.precision": ({"ceilings": Ceilings(precision=2)}, False),
    "consent.required": ({"consent": ConsentClause(required=False, why="records of taxes")}, True),
    "consent.why": ({"consent": ConsentClause(required=True, why="another reason")}, None),
    "retention_days": ({"retention_days": 366}, True),
    "witnesses": (
        {"witnesses": WitnessQuorum(quorum=1, parties=(Party(name="audit.example", public_key="cd" * 32),))},
        None,
    ),
    "prices": ({"prices": Prices(free=True)}, None),
    "request": ({"request": "r-20260102-ffffffff"}, None),
    "starts": ({"starts": START + timedelta(days=1)}, False),
    "expires": ({"expires": START + timedelta(days=9000)}, True),
}
"""One change for each term, and whether it lets more through."""


def fields() -> set[str]:
    """Every field of the document by name; ceilings and consent by their parts."""
    names = {field.alias or name for name, field in Contract.model_fields.items()}
    parts = {f"ceilings.{name}" for name in Ceilings.model_fields}
    parts |= {f"consent.{name}" for name in ConsentClause.model_fields}
    return (names - {"ceilings", "consent"}) | parts


def test_every_field_of_the_document_is_a_clause_and_has_a_change_tested_here() -> None:
    assert set(CLAUSES) == fields()
    assert set(CHANGED) == fields() - {"schema"}  # it follows from prices and request
    assert [clause.clause for clause in render_clauses(plain_contract())] == list(CLAUSES)


@pytest.mark.parametrize("term", CHANGED)
def test_a_change_of_one_term_is_told_and_no_other(term: str) -> None:
    old, (changes, widens) = plain_contract(), CHANGED[term]
    new = plain_contract(**changes)
    (found,) = diff_contracts(old, new)
    assert (found.clause, found.widens) == (term, widens)
    assert {
        clause.clause for clause, other in zip(render_clauses(old), render_clauses(new), strict=True) if clause != other
    } == {term}
    (back,) = diff_contracts(new, old)
    assert back.widens == (None if widens is None else not widens)


def test_both_languages_say_the_terms() -> None:
    clauses = {clause.clause: clause for clause in render_clauses(plain_contract())}
    assert "TAX-1" in clauses["items"].zh and "LAW-1" in clauses["items"].en
    assert "1,000,000" in clauses["ceilings.identifiers"].zh and "1,000,000" in clauses["ceilings.identifiers"].en
    for clause in clauses.values():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in clause.zh), clause.clause
        assert clause.en.endswith(".") and clause.zh.endswith("。")


def test_a_contract_that_allows_a_count_alone_promises_no_reply_about_an_enterprise() -> None:
    alone = plain_contract(operations=(Operation.COUNT,), detail=ResultDetail.TOTAL, items=())
    clauses = {clause.clause: clause for clause in render_clauses(alone)}
    assert "不告知是哪些" in clauses["operations"].zh and "without revealing which" in clauses["operations"].en
    assert clauses["items"].en == "No register item is used."
    assert "enterprise" in clauses["detail"].en and "one total for each" not in clauses["detail"].en
    assert "which are not run" in clauses["models"].en and "credit@1" in clauses["models"].zh
    widened = diff_contracts(
        alone, plain_contract(operations=(Operation.COUNT, Operation.MATCH), detail=ResultDetail.TOTAL, items=())
    )
    assert [(change.clause, change.widens) for change in widened] == [("operations", True)]
    other = diff_contracts(alone, plain_contract(operations=(Operation.MATCH,), detail=ResultDetail.TOTAL, items=()))
    assert [(change.clause, change.widens) for change in other] == [("operations", None)]


def test_a_replaced_member_widens_nothing_that_can_be_decided() -> None:
    old = plain_contract(recipients=("甲", "乙"), items=(ContractItem(code="A"), ContractItem(code="B")))
    new = plain_contract(recipients=("甲", "丙"), items=(ContractItem(code="A"), ContractItem(code="C")))
    assert [(change.clause, change.widens) for change in diff_contracts(old, new)] == [
        ("recipients", None),
        ("items", None),
    ]
    assert "丙" in diff_contracts(old, new)[0].zh and "Removed: 乙" in diff_contracts(old, new)[0].en


def test_another_order_and_another_time_zone_are_told_because_the_signed_bytes_differ() -> None:
    old = plain_contract()
    assert [
        change.clause for change in diff_contracts(old, plain_contract(recipients=tuple(reversed(old.recipients))))
    ] == ["recipients"]
    moved = plain_contract(starts=START.astimezone(timezone(timedelta(hours=8))))
    (change,) = diff_contracts(old, moved)
    assert (change.clause, change.widens) == ("starts", None) and "+08:00" in change.zh


def test_a_name_cannot_steer_the_terminal() -> None:
    hostile = plain_contract(
        bank=Party(name="x\x1b[2J\u202ey", public_key="ab" * 32),
        recipients=("a\nb",),
        items=(ContractItem(code="c\rd"),),
        consent=ConsentClause(required=False, why="e\x07f"),
    )
    shown = format_clauses(render_clauses(hostile)) + format_clauses(diff_contracts(plain_contract(), hostile))
    assert all(letter.isprintable() for letter in shown.replace("\n", ""))
    assert "a\\u000ab" in shown


@settings(deadline=None)
@given(contracts(), contracts(), st.sets(st.sampled_from(sorted(Contract.model_fields))))
def test_nothing_differs_if_and_only_if_the_documents_are_the_same(
    one: Contract, other: Contract, taken: set[str]
) -> None:
    mixed = one.model_copy(update={name: getattr(other, name) for name in taken})
    assert (diff_contracts(one, mixed) == []) == (one.canonical_bytes() == mixed.canonical_bytes())


@settings(deadline=None)
@given(contracts())
def test_every_contract_can_be_said(contract: Contract) -> None:
    assert format_clauses(render_clauses(contract)).count("\n") == 3 * len(CLAUSES)
