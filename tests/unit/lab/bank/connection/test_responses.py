"""What a bureau may send that is no answer: each is an error with a next step, and no fault of the bank's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.bank.connection.responses import BureauResponse, parse_allowance, parse_contract_versions
from lab.terms.errors import Unreachable

VERSION = {
    "version": 1,
    "state": "active",
    "sha256": "ab" * 32,
    "signable": False,
    "signed_by_bank": True,
    "signed_by_bureau": True,
}
COUNT = {"ceiling": 10, "used": 1, "left": 9}
ALLOWANCE = {"identifiers": COUNT, "scores": {**COUNT, "period_days": 30}, "jobs": COUNT, "rows_per_job": 5}


def answer(content: Any) -> BureauResponse:
    return BureauResponse(200, {}, json.dumps(content).encode())


def test_versions_and_an_allowance_are_read() -> None:
    (one,) = parse_contract_versions(answer({"versions": [VERSION]}))
    assert (one.version, one.state, one.signable, one.signed_by_bank) == (1, "active", False, True)
    assert parse_allowance(answer(ALLOWANCE)) == ALLOWANCE


@pytest.mark.parametrize("state", [["x"], {}, None, 5, "x" * 101])
def test_a_state_that_is_no_word_is_refused(state: object) -> None:
    with pytest.raises(Unreachable):
        parse_contract_versions(answer({"versions": [VERSION | {"state": state}]}))


def test_a_version_counts_as_signable_only_if_that_is_said() -> None:
    assert not parse_contract_versions(answer({"versions": [VERSION | {"signable": "no"}]}))[0].signable


@pytest.mark.parametrize(
    "change",
    [
        {"identifiers": [1]},
        {"scores": COUNT},
        {"jobs": None},
        {"rows_per_job": "5"},
        {"identifiers": COUNT | {"left": True}},
        {"identifiers": COUNT | {"left": "9"}},
    ],
)
def test_an_allowance_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Unreachable):
        parse_allowance(answer(ALLOWANCE | change))
