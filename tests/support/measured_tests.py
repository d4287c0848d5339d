"""Which tests are measured for coverage in ``make test``. The others run without it.

Before Python 3.14 a process that is measured takes half as long again, also in libraries and in tests. So those tests
are measured that run most of the product in little time. The others repeat the same modules with other data, for
longer. A line that only an unmeasured test runs counts as not run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coverage import Coverage

TESTS = Path(__file__).parents[1]
MEASURED = (
    "unit",
    "service/test_bank_meter.py",
    "service/test_catalogue.py",
    "service/test_desk.py",
    "service/test_enterprise_records.py",
    "service/test_jobs.py",
    "service/test_matching_service.py",
    "service/test_openid.py",
    "service/test_people_routes.py",
    "service/test_repairs.py",
    "service/test_request_to_contract.py",
    "service/test_requests.py",
    "service/test_serve.py",
    "service/test_service.py",
    "service/test_steward_guide.py",
    "service/test_witnesses.py",
)
"""Folders and files below ``tests``."""
_CHILDREN = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage.py has processes measured that are started with it."""


def is_measured(path: Path) -> bool:
    """Whether the tests of this file are measured."""
    relative = path.resolve().relative_to(TESTS)
    return any(relative.is_relative_to(one) for one in MEASURED)


@contextmanager
def measuring_paused(measured: Coverage) -> Iterator[None]:
    """Measure neither this process nor those that it starts, until the block is left."""
    measured.stop()
    children = os.environ.pop(_CHILDREN, None)
    try:
        yield
    finally:
        if children is not None:
            os.environ[_CHILDREN] = children
        measured.start()
