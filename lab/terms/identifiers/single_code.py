"""The code of one enterprise that a person named."""

from __future__ import annotations

from lab.terms.errors import InvalidInput
from lab.terms.identifiers.normalisation import normalise_identifiers
from lab.terms.names import IdKind


def read_code(text: str, kind: IdKind) -> str:
    """The code in its one written form; raises ``InvalidInput``, without the text, for one that is not of ``kind``."""
    code = normalise_identifiers([text], kind).codes[0]
    if code is None:
        raise InvalidInput(
            "Expected the code of an enterprise; found another text.",
            next_step="check it: a unified social credit code has 18 characters",
        )
    return code
