"""Consents: which enterprises have agreed that which bank may use what the bureau holds of them, for what, how long.

The database knows enterprises by pseudonym alone. ``Consents`` is the room's door; under a contract that requires
consent the exchange asks it for the register rows that are admitted, and works on those as if there were no others.
"""

from lab.bureau.consents.intake import Imported
from lab.bureau.consents.keeping import Shown, Tally, Withdrawn
from lab.bureau.consents.rows import words_of
from lab.bureau.consents.standing import Admitted, Consents

__all__ = ["Admitted", "Consents", "Imported", "Shown", "Tally", "Withdrawn", "words_of"]
