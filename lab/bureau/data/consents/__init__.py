"""Consents: which enterprises have agreed that which bank may use what the bureau holds of them, for what, how long.

The database knows enterprises by pseudonym alone. ``Consents`` is the room's door; under a contract that requires
consent the exchange asks it for the register rows that are admitted, and works on those as if there were no others.
"""

from lab.bureau.data.consents.importing import Imported
from lab.bureau.data.consents.repository import Shown, Tally, Withdrawn
from lab.bureau.data.consents.row_validation import words_of
from lab.bureau.data.consents.valid_consents import Admitted, Consents

__all__ = ["Admitted", "Consents", "Imported", "Shown", "Tally", "Withdrawn", "words_of"]
