"""What a model could not hold is refused before the training."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from lab.terms.errors import InvalidInput
from models.bureau.training.pilot_sample import read_sample
from models.bureau.training.settings import TrainingSettings
from models.bureau.training.word_limits import require_words_that_fit
from models.shared.features import Feature, FeatureDescription


@pytest.mark.parametrize(
    ("long", "said"),
    [
        ({"name": "n" * 201}, "the header of column nnn"),
        ({"categories": ("short", "w" * 201)}, "the words"),
        ({"label_zh": "中" * 201}, "Chinese name"),
        ({"label_en": "e" * 201}, "English name"),
        ({"item": "i" * 101}, "the code"),
        ({"dimension": "d" * 41}, "dimension"),
    ],
)
def test_each_limit_is_named_and_no_word_of_the_data_shown(long: dict, said: str) -> None:
    fits: dict[str, Any] = {
        "name": "purpose",
        "party": "bank",
        "kind": "categorical",
        "categories": ("a", "b"),
        "dimension": "conduct",
        "label_zh": "用途",
        "label_en": "purpose",
    }
    require_words_that_fit([Feature(**fits)])
    with pytest.raises(InvalidInput) as found:
        require_words_that_fit([Feature(**fits), Feature(**(fits | long))])
    assert said in str(found.value) and "at most" in str(found.value) and "www" not in str(found.value)


@pytest.mark.parametrize(
    "words",
    [FeatureDescription(item="i" * 150), FeatureDescription(zh="中" * 250), FeatureDescription(null=("n" * 250,))],
)
def test_a_dictionary_with_long_words_is_refused_as_the_sample_is_read(words: FeatureDescription) -> None:
    rows = 40
    public = pl.DataFrame({"tax": [str(row) for row in range(rows)]})
    bank = pl.DataFrame({"debt": [str(row % 7) for row in range(rows)]})
    label = np.arange(rows) % 2
    settings = TrainingSettings(family="scorecard", name="c", version=1, public_descriptions={"tax": words})
    with pytest.raises(InvalidInput, match="in the dictionary of column tax"):
        read_sample(public, bank, label, settings)
