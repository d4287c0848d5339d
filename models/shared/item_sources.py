"""The sources of a public item: which items of the bureau's catalogue it is computed from, of which department, and
when the newest delivery was received. Words and a day of a whole domain; nothing of an enterprise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from models.shared.canonical_json import STRICT_CONFIG

SourceWord = Annotated[str, Field(max_length=200)]


MAX_SOURCES = 20
"""Items of the catalogue from which one public item may be computed."""


@dataclass(frozen=True)
class ItemSource:
    """One item of the catalogue. ``received``: ISO day of the department's newest delivery; empty if none is known."""

    code: Annotated[str, Field(max_length=130)]
    zh: SourceWord
    en: SourceWord
    department_zh: SourceWord
    department_en: SourceWord
    received: Annotated[str, Field(max_length=10, pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = ""

    __pydantic_config__ = STRICT_CONFIG
