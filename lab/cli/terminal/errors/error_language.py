"""In which language a person reads errors: both, unless ``SHULAB_LANG`` names one."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from lab.terms.errors import InvalidInput

VARIABLE = "SHULAB_LANG"


class ErrorLanguage(StrEnum):
    """The languages in which an error is printed."""

    BOTH = "both"
    """Chinese, and below it the English of the program."""
    CHINESE = "zh"
    """Chinese, and English where a message has no translation."""
    ENGLISH = "en"


def find_language(environment: Mapping[str, str]) -> ErrorLanguage:
    """The language that the environment names; both if it names none, or another word."""
    named = environment.get(VARIABLE, "")
    return ErrorLanguage(named) if named in set(ErrorLanguage) else ErrorLanguage.BOTH


def check_language(environment: Mapping[str, str]) -> None:
    """Raise ``InvalidInput`` if ``SHULAB_LANG`` is set to another word."""
    if environment.get(VARIABLE, "") not in ("", *ErrorLanguage):
        raise InvalidInput(
            "Expected SHULAB_LANG to be zh, en or both; found another word.", next_step="correct it, or unset it"
        )
