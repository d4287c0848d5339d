"""The quality of a register version: how its columns were read, and how far it is from what went before it."""

from lab.bureau.data.quality.column_report import (
    ColumnReport,
    column_report_file,
    dump_column_reports,
    load_column_reports,
    measure_columns,
)
from lab.bureau.data.quality.drift_records import require_acceptable_register, save_drift
from lab.bureau.data.quality.register_drift import DriftFinding, compare_with_model, compare_with_version, worst_level

__all__ = [
    "ColumnReport",
    "DriftFinding",
    "column_report_file",
    "compare_with_model",
    "compare_with_version",
    "dump_column_reports",
    "load_column_reports",
    "measure_columns",
    "require_acceptable_register",
    "save_drift",
    "worst_level",
]
