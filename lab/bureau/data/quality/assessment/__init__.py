"""The assessment: what was checked over the records as of a manifest, what was found, and the scores.

``assess_records`` reckons over a DuckDB connection with a view for each domain; nothing here writes.
"""

from lab.bureau.data.quality.assessment.assessing import AssessmentScope, ReceivedSegment, assess_records
from lab.bureau.data.quality.assessment.assessment_document import (
    Assessment,
    CheckLevel,
    CheckResult,
    DepartmentScore,
    DomainScore,
    ItemScore,
    parse_assessment,
)

__all__ = [
    "Assessment",
    "AssessmentScope",
    "CheckLevel",
    "CheckResult",
    "DepartmentScore",
    "DomainScore",
    "ItemScore",
    "ReceivedSegment",
    "assess_records",
    "parse_assessment",
]
