"""Names and words that a model or its sheet could not hold, found before the training and not after it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pydantic import TypeAdapter, ValidationError

from lab.terms.errors import InvalidInput
from models.shared.canonical_json import dump_canonical
from models.shared.features import Feature

_PARTS = {
    "name": "the header",
    "categories": "the words (categories)",
    "dimension": "the dimension in the dictionary",
    "label_zh": "the Chinese name in the dictionary",
    "label_en": "the English name in the dictionary",
    "item": "the code in the dictionary",
    "reading": "the words for no value in the dictionary",
}
_SHOWN = 40
"""Characters of a header that a message shows."""


def require_words_that_fit(features: Sequence[Feature]) -> None:
    """Raise ``InvalidInput`` naming the first column whose header, words or description are too long for a model.

    The limits are those of ``Feature``, which model files and sheets are read by. No word of the data is shown.
    """
    for feature in features:
        try:
            _adapter().validate_json(dump_canonical(feature))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            part = _PARTS.get(str(fault["loc"][0]), "an entry") if fault["loc"] else "an entry"
            limit = fault.get("ctx", {}).get("max_length")
            shown = feature.name if len(feature.name) <= _SHOWN else feature.name[:_SHOWN] + "…"
            raise InvalidInput(
                f"Expected {part} of column {shown} to have at most {limit} characters each; found a longer one."
                if limit
                else f"Expected {part} of column {shown} in a form that a model can hold; found another.",
                next_step="shorten it, or leave the column out with --columns",
            ) from None


@cache
def _adapter() -> TypeAdapter[Feature]:
    return TypeAdapter(Feature)
