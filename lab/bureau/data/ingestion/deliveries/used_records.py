"""Records that were counted by a published register version are deleted only if it is said that they are meant."""

from __future__ import annotations

from collections import Counter
from typing import Final

from lab.bureau.data.ingestion.deliveries.department_delivery import DepartmentDelivery
from lab.bureau.data.publication.record_usage import RecordUse
from lab.bureau.data.records import DELETE
from lab.terms.errors import Conflict

_MOST_NAMED: Final = 5


class UsedRecords(Conflict):
    """Records to be deleted were counted; ``use`` says by what."""

    def __init__(self, use: RecordUse) -> None:
        versions = [f"{one.name} of {one.day.isoformat()} ({one.records})" for one in use.versions]
        jobs = Counter(contract for contract, _ in {(one.contract, one.job) for one in use.runs})
        contracts = [f"{contract} ({count})" for contract, count in sorted(jobs.items())]
        super().__init__(
            "Expected records that no published register version counted; found some that these counted (records): "
            f"{_first(versions)}. Contracts whose jobs scored with these versions (jobs): {_first(contracts)}.",
            next_step="if they must go, say it with --although-used (in a list of deliveries, although_used = true): "
            "the banks are told to score again; a record that is wrong is better corrected",
        )
        self.use = use


def check_use(use: RecordUse, delivery: DepartmentDelivery) -> None:
    """Raise ``UsedRecords`` for a deletion of records that were counted, unless the delivery says that it is meant."""
    if delivery.operation == DELETE and use.versions and not delivery.although_used:
        raise UsedRecords(use)


def _first(words: list[str]) -> str:
    more = f", and {len(words) - _MOST_NAMED} more" if len(words) > _MOST_NAMED else ""
    return (", ".join(words[:_MOST_NAMED]) or "none") + more
