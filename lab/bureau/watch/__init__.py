"""The watch: which contracts are used in a way that looks like probing, by the counts that the bureau keeps anyway.

What a bank asks about is encrypted, so only counts and repeats can be seen. A finding stops nothing: it is recorded and
shown, and an officer decides. What fails closed are the ceilings (``lab.bureau.exchange.charges``).
"""

from lab.bureau.watch.rules import MONITORING_RULES, MonitoringRule, RecommendedStep, UsageFinding, find_violations
from lab.bureau.watch.usage_monitor import UsageMonitor

__all__ = ["MONITORING_RULES", "MonitoringRule", "RecommendedStep", "UsageFinding", "UsageMonitor", "find_violations"]
