"""Unknown names are refused, shown safely, each with the nearest known name."""

from __future__ import annotations

import pytest

from lab.terms.errors import InvalidInput
from lab.terms.text.known_names import check_known_names, describe_unknown_names


def test_known_names_pass() -> None:
    check_known_names(["grade"], ["grade", "level"], where="a table", next_step="correct it")


def test_an_unknown_name_is_shown_with_the_nearest() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_known_names(["grad", "zzz"], ["grade", "level"], where="words.toml", next_step="correct words.toml")
    assert caught.value.detail == "Expected only known names in words.toml; found grad (did you mean grade?), zzz."
    assert caught.value.next_step == "correct words.toml"


def test_what_is_shown_is_visible_and_bounded() -> None:
    words = describe_unknown_names(["\x1b[31mgrade\u202e", "x" * 5000, *map(str, range(100))], ["grade"])
    assert "\x1b" not in words and "\u202e" not in words and len(words) < 400 and words.endswith("and 92 more")
