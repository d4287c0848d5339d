"""Which batches count as failing: charged ones whose last evaluation failed, and no others."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from lab.terms.errors import NotFound, Unreachable
from sandbox.jobs.batch_workflows import BatchWorkflows


def test_a_batch_that_is_gone_is_not_counted_as_failing() -> None:
    errors: list[Exception] = [Unreachable("The database does not answer."), NotFound("Gone.")]

    def evaluate(*_: str) -> Any:
        raise errors.pop(0)

    bureau: Any = SimpleNamespace(scoring=SimpleNamespace(evaluate=evaluate))
    workflows = BatchWorkflows(bureau, logging.getLogger("test"))
    with pytest.raises(Unreachable):
        workflows._evaluate("c-1", "j-1", "00")
    assert list(workflows.failing) == [("c-1", "00")]
    assert workflows._evaluate("c-1", "j-1", "00") == "gone" and not workflows.failing
