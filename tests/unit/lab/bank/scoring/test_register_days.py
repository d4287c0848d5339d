"""The day of the records that scores come from, with a version that was published while the job ran."""

from __future__ import annotations

import pytest

from lab.bank.connection.responses import RegisterState
from lab.bank.scoring.register_days import describe_register_days
from lab.terms.errors import Unreachable

JUNE = RegisterState("main", 2, day="2026-06-30")
JULY = RegisterState("main", 3, day="2026-07-31")


def never() -> RegisterState:
    pytest.fail("the bureau was asked for nothing")


def test_the_day_of_the_version_that_scored() -> None:
    assert describe_register_days("main-2", JUNE, never) == {"register_days": {"main-2": "2026-06-30"}}
    assert describe_register_days("main-2", RegisterState("main", 2), never) == {"register_days": {}}


def test_a_version_that_was_published_meanwhile() -> None:
    both = {"main-2": "2026-06-30", "main-3": "2026-07-31"}
    assert describe_register_days("main-2, main-3", JUNE, lambda: JULY) == {"register_days": both}
    # The day of another version than those that scored is not given in their place.
    assert describe_register_days("main-3", JUNE, lambda: RegisterState("main", 4, day="2026-08-31")) == {
        "register_days": {}
    }


def test_a_bureau_that_does_not_answer_costs_no_scores() -> None:
    def fail() -> RegisterState:
        raise Unreachable("no answer", next_step="wait")

    assert describe_register_days("main-2, main-3", JUNE, fail) == {"register_days": {"main-2": "2026-06-30"}}
