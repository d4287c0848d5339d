"""Consents: which enterprises have agreed that a bank may use the bureau's data about them, for what, and how long.

The database knows enterprises by pseudonym only. Under a contract that requires consent, the exchange asks
``ConsentService`` for the consenting register rows, and works as if there were no others.
"""

from lab.bureau.data.consents.importing import ConsentImport
from lab.bureau.data.consents.repository import ConsentDetails, ConsentSummary, ConsentWithdrawal
from lab.bureau.data.consents.row_validation import describe_reason
from lab.bureau.data.consents.valid_consents import ConsentingRows, ConsentService

__all__ = [
    "ConsentDetails",
    "ConsentImport",
    "ConsentService",
    "ConsentSummary",
    "ConsentWithdrawal",
    "ConsentingRows",
    "describe_reason",
]
