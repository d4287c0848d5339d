"""What the records are checked against: rules, limits and weights, as data that a bureau replaces by its own."""

from lab.bureau.data.quality.rules.rule_definition import (
    CheckLimits,
    JoinedTable,
    QualityDimension,
    QualityRule,
    QualityRules,
    QualityThresholds,
)
from lab.bureau.data.quality.rules.rule_files import current_rules, default_rules, read_rules, write_default_rules

__all__ = [
    "CheckLimits",
    "JoinedTable",
    "QualityDimension",
    "QualityRule",
    "QualityRules",
    "QualityThresholds",
    "current_rules",
    "default_rules",
    "read_rules",
    "write_default_rules",
]
