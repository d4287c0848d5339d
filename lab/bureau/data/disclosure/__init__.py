"""Public data, accounted for: what was used under contracts at which prices, disclosed yearly; registration forms."""

from lab.bureau.data.disclosure.metering import meter_contract

__all__ = ["meter_contract"]
