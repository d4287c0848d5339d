"""The types of everything that enters by a request or a file: texts without control characters, integers within bounds.

A database takes less than JSON does: PostgreSQL no NUL in a text and no integer beyond its column, SQLite no integer
beyond 64 bits. So that no such value gets further than the edge, every parameter and every field of a body is declared
by one of these types or by a pattern (``lab.terms.names``); ``tests/service/test_openapi.py`` looks at all of them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

LINE_PATTERN: Final = r"^[^\x00-\x1f\x7f]*$"
"""No control characters (C0 and DEL). For invisible characters see ``lab.terms.text.visible_line``."""
MAX_INTEGER: Final = 2**31 - 1
"""The largest number of a column of type INTEGER."""
_FIRST_YEAR, _LAST_YEAR = 1970, 2999

Line = Annotated[str, Field(pattern=LINE_PATTERN)]
"""A text without control characters; each field sets its own length."""
AccountName = Annotated[str, Field(min_length=1, max_length=64, pattern=LINE_PATTERN)]
"""An account's name as somebody wrote it; which names accounts may have is checked where one is made."""
ReasonText = Annotated[str, Field(min_length=1, max_length=500, pattern=LINE_PATTERN)]
"""Why something is done, for the ledger."""
EnterpriseCode = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE_PATTERN)]
"""An enterprise's code as somebody wrote it, not yet normalised."""
VersionNumber = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
"""The version of a contract, a model or a register."""
EntryNumber = Annotated[int, Field(ge=1, le=MAX_INTEGER)]
"""The number of a ledger entry."""
LedgerSize = Annotated[int, Field(ge=0, le=MAX_INTEGER)]
"""How many entries a ledger has."""


def _check_moment(moment: datetime) -> datetime:
    """Refuse a time so near to the ends of the calendar that adding a term, or another time zone, leaves it."""
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError(f"a time of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_check_moment)]
"""A time with its zone, of the years 1970 to 2999."""


def _check_day(text: str) -> str:
    date.fromisoformat(text)  # 30 February
    return text


DayText = Annotated[
    str,
    Field(pattern=r"^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
    AfterValidator(_check_day),
]
"""A day of the calendar as ISO text, of the years 1900 to 2199."""
