"""Problem documents become errors; of a fault, the number under which the service's log has the reason."""

from __future__ import annotations

import json

import pytest

from lab.terms.errors import Busy, Conflict, Unreachable
from lab.transport.problem_details import TYPE_PREFIX, problem_to_error

INSTANCE = "0b8e3c4e-6f0a-4a55-9d0e-2f6a1c1f8a11"


def problem(code: str, instance: str = f"urn:uuid:{INSTANCE}") -> bytes:
    facts = {"type": TYPE_PREFIX + code, "detail": "It failed.", "next_step": "a step", "instance": instance}
    return json.dumps(facts).encode()


def test_a_fault_names_its_instance() -> None:
    found = problem_to_error(500, problem("fault"))
    assert isinstance(found, Unreachable)
    assert found.detail == f"It failed. Instance: {INSTANCE}."
    assert found.next_step == f"report the instance {INSTANCE} to the bureau"


@pytest.mark.parametrize("instance", ["", "urn:uuid:", "urn:uuid:\x1b[2J", "<script>", "urn:uuid:" + "0" * 500])
def test_what_is_no_uuid_is_not_shown(instance: str) -> None:
    found = problem_to_error(500, problem("fault", instance))
    assert (found.detail, found.next_step) == ("It failed.", "a step")


@pytest.mark.parametrize(("status", "code", "family"), [(409, "conflict", Conflict), (503, "busy", Busy)])
def test_an_expected_error_keeps_its_own_next_step(status: int, code: str, family: type[Exception]) -> None:
    found = problem_to_error(status, problem(code))
    assert type(found) is family
    assert (found.detail, found.next_step) == ("It failed.", "a step")
