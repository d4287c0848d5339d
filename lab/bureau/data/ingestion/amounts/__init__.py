"""Amounts whose unit is in doubt: about ten thousand times, or a ten-thousandth of, an enterprise's other amounts."""

from lab.bureau.data.ingestion.amounts.amount_check import AmountCheck

__all__ = ["AmountCheck"]
