"""How witnesses come into a contract: by an officer's options, kept by an amendment; and contracts that name none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.bureau.configuration.settings import WitnessSetting
from lab.bureau.contracts.draft_clauses import ContractOptions
from lab.cli.officer.draft_options import ClauseOptions, WitnessOptions, parse_draft_options
from lab.terms.contract.document import Contract, SignedContract, parse_contract
from lab.terms.contract.draft_options import DraftOptions
from lab.terms.contract.plain_language import diff_contracts, render_clauses
from lab.terms.errors import InvalidInput
from tests.support.contract_papers import contract
from tests.unit.lab.terms.test_witnessing import TERMS, WITNESSES


def draft_options(*, witness: list[str] | None = None, quorum: int | None = None, **given: Any) -> DraftOptions:
    return parse_draft_options(ClauseOptions(**given), WitnessOptions(witness=witness, quorum=quorum))


def test_an_officers_options_name_witnesses_or_none() -> None:
    vkeys = [str(one.key) for one in WITNESSES]
    assert draft_options(witness=vkeys).witnesses == TERMS  # two of three: the fewest that are more than half
    assert draft_options(witness=vkeys, quorum=3).witnesses == TERMS.model_copy(update={"quorum": 3})
    assert draft_options(witness=["none"]).witnesses == "none" and draft_options().witnesses is None
    for wrong in ({"witness": vkeys, "quorum": 1}, {"quorum": 2}, {"witness": ["x"]}, {"witness": vkeys[:1] * 2}):
        with pytest.raises(InvalidInput):
            draft_options(**wrong)
    again = DraftOptions.model_validate(json.loads(draft_options(witness=vkeys).model_dump_json(exclude_none=True)))
    assert again.witnesses == TERMS


def test_an_amendment_keeps_them_unless_told_otherwise() -> None:
    choices = ContractOptions.from_contract(contract(witnesses=TERMS))
    assert choices.with_changes(DraftOptions()).witnesses == TERMS
    assert choices.with_changes(DraftOptions(witnesses="none")).witnesses is None
    assert ContractOptions().with_changes(DraftOptions(witnesses=TERMS)).witnesses == TERMS


def test_a_contract_without_witnesses_has_the_bytes_that_it_had() -> None:
    plain = contract()
    assert b"witnesses" not in plain.canonical_bytes()
    document = json.loads(plain.canonical_bytes())
    assert Contract.model_validate(document).sha256 == plain.sha256
    stored = SignedContract(contract=plain).model_dump_json(by_alias=True)
    assert parse_contract(stored).contract == plain


def test_both_languages_say_who_or_that_forks_are_not_found_out() -> None:
    (off,) = [clause for clause in render_clauses(contract()) if clause.clause == "witnesses"]
    assert "关闭" in off.zh and "fork detection is off" in off.en
    (told,) = diff_contracts(contract(), contract(witnesses=TERMS))
    for one in WITNESSES:
        for words in (told.zh, told.en):
            assert one.key.name in words and one.key.public_key in words and one.party.fingerprint in words


def test_settings_name_a_witness_by_its_verifier_key_and_address() -> None:
    vkey = str(WITNESSES[0].key)
    assert WitnessSetting(key=vkey, url="https://w.example/prefix").verifier_key == WITNESSES[0].key
    for wrong in (
        {"key": vkey, "url": "ftp://w"},
        {"key": "x", "url": "https://w"},
        {"key": vkey, "url": "https://w?a"},
    ):
        with pytest.raises(ValueError):
            WitnessSetting(**wrong)
