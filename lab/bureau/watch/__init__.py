"""The watch: which contracts are used in a way that looks like probing, by counts that the bureau keeps anyway.

What a bank asks is encrypted, so that only counts and repetitions are visible. A finding stops nothing: it is recorded
and shown, and an officer decides. The ceilings are what fails closed (``lab.bureau.exchange.charges``).
"""

from lab.bureau.watch.rules import MONITORING_RULES, MonitoringRule, RecommendedStep, UsageFinding, find_violations
from lab.bureau.watch.usage_monitor import UsageMonitor

__all__ = ["MONITORING_RULES", "MonitoringRule", "RecommendedStep", "UsageFinding", "UsageMonitor", "find_violations"]
