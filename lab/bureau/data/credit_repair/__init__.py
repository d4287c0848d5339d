"""Credit repair: rules as data, cases of repair and objection, notices, and which adverse records no longer count.

``excluded_records`` is what features and new scores leave out; ``CreditRepairService`` is for stewards.
"""

from __future__ import annotations

from lab.bureau.data.credit_repair.cases.record_lookup import WantedRecord
from lab.bureau.data.credit_repair.cases.states import OUTCOMES, CaseState
from lab.bureau.data.credit_repair.cases.storage import CaseDetails
from lab.bureau.data.credit_repair.exclusion import excluded_records
from lab.bureau.data.credit_repair.rules.definition import CaseKind
from lab.bureau.data.credit_repair.service import CaseRequest, CreditRepairService

__all__ = [
    "OUTCOMES",
    "CaseDetails",
    "CaseKind",
    "CaseRequest",
    "CaseState",
    "CreditRepairService",
    "WantedRecord",
    "excluded_records",
]
