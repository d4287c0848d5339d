"""What a mapping file may say: which column of a department's file holds which item, and how its cells are written.

| key | what |
|---|---|
| ``domain`` | the catalogue's domain that the file's rows are records of |
| ``encoding`` | the encoding that the file must have; without it, whichever is found |
| ``ignored`` | columns that are known and not wanted |
| ``null`` | cells that mean no value, for all items |
| ``date_order`` | ``day-first`` or ``month-first``: what ``04/03/2021`` is |
| ``decimal_comma`` | whether ``1.234,5`` is 1234.5 |
| ``[enterprise]`` | ``column`` and ``kind`` of the enterprise's code |
| ``[items.NAME]`` | ``column`` or ``constant``, and what ``ItemColumn`` lists |
| ``[source]`` | ``url`` and ``table`` of a database to read from |
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

CodeKind = Literal["uscc", "registration-15", "organisation-9", "mixed", "opaque"]
"""``mixed``: each row has any of the three before it. ``opaque``: of a catalogue with other numbers."""
DateOrder = Literal["day-first", "month-first"]
Period = Literal["month", "quarter", "year"]
Encoding = Literal["utf-8", "gb18030", "utf-16", "parquet", "xlsx", "xlsb", "xls", "ods"]

Name = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200)]
Word = Annotated[str, StringConstraints(strict=True, max_length=200)]
Slug = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EnterpriseColumn(_Table):
    """Where the enterprise's code is, and which kind of code."""

    column: Name
    kind: CodeKind = "uscc"


class ItemColumn(_Table):
    """Where one item is, and how its cells are written.

    ``constant``: the cell of every row, instead of a column. ``unit``: of amounts and numbers; ``as-written``: every
    cell names its own. ``unit_column``: the column that names the unit of each row. ``codes``: what each word of the
    file means. ``period``: any day of a month (quarter, year) stands for its first. ``future``: days after the receipt
    are right, as of a permit's end. ``days_since``: dates are written as so many days after this one.
    """

    column: Name | None = None
    constant: Word | None = None
    unit: Word | None = None
    unit_column: Name | None = None
    codes: dict[Word, Word] = Field(default_factory=dict, max_length=5_000)
    null: list[Word] = Field(default_factory=list, max_length=200)
    date_order: DateOrder | None = None
    period: Period | None = None
    future: bool = False
    days_since: datetime.date | None = None


class SourceTable(_Table):
    """A table of a database: an SQLAlchemy address without a password, and the table's name, with or without schema."""

    url: Annotated[str, StringConstraints(strict=True, min_length=3, max_length=1_000)]
    table: Annotated[str, StringConstraints(strict=True, pattern=r"^[^\s.\"'`;]{1,128}(\.[^\s.\"'`;]{1,128})?$")]


class MappingDocument(_Table):
    """A whole mapping file."""

    domain: Slug
    encoding: Encoding | None = None
    ignored: list[Name] = Field(default_factory=list, max_length=2_000)
    null: list[Word] = Field(default_factory=list, max_length=200)
    date_order: DateOrder | None = None
    decimal_comma: bool = False
    enterprise: EnterpriseColumn
    items: dict[Slug, ItemColumn] = Field(min_length=1, max_length=1_000)
    source: SourceTable | None = None


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A mapping as it was read. ``sha256``: of the file's bytes; ``content``: the bytes, to be kept."""

    name: str
    sha256: str
    content: bytes
    document: MappingDocument

    @property
    def items(self) -> Mapping[str, ItemColumn]:
        """The items and where each is found."""
        return self.document.items

    def columns(self) -> dict[str, str]:
        """The columns that the mapping reads, and the key that names each: ``items.sales.column``."""
        found = {self.document.enterprise.column: "enterprise.column"}
        for name, item in self.document.items.items():
            if item.column is not None:
                found.setdefault(item.column, f"items.{name}.column")
            if item.unit_column is not None:
                found.setdefault(item.unit_column, f"items.{name}.unit_column")
        return found
