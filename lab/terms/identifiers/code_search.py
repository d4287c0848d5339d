"""Whether a text that a person wrote holds an enterprise's code, which a ledger or a reference must not."""

from __future__ import annotations

import re
import unicodedata

from lab.terms.identifiers.normalisation import normalise_identifiers

_MIN_CODE_LENGTH = 6  # a shorter opaque code may occur in a reference by chance
_SEPARATORS = re.compile(r"[\W_]+")
_CODE_LIKE = re.compile(r"(?=([0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}))")


def contains_enterprise_code(text: str, code: str = "") -> bool:
    """Whether a text contains this enterprise's code, or any other valid code, however it is spaced."""
    plain = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    own = _SEPARATORS.sub("", code).upper()
    if len(own) >= _MIN_CODE_LENGTH and own in plain:
        return True
    return any(normalise_identifiers([found.group(1)], "uscc").accepted_count for found in _CODE_LIKE.finditer(plain))
