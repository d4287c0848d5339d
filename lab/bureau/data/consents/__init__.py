"""Consents: which enterprises have agreed that which bank may use what the bureau holds of them, for what, how long.

The database knows enterprises by pseudonym alone. ``ConsentService`` is the room's door; under a contract that requires
consent the exchange asks it for the register rows that are admitted, and works on those as if there were no others.
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
