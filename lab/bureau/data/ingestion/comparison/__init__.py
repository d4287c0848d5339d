"""A delivery's good rows compared with one another and with what the bureau holds."""

from lab.bureau.data.ingestion.comparison.held_records import HeldRecords
from lab.bureau.data.ingestion.comparison.judging import JudgedRows, judge_rows

__all__ = ["HeldRecords", "JudgedRows", "judge_rows"]
