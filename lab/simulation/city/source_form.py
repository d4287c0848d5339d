"""How an office writes its files: headers, words, dates, units, separator and encoding (``forms.toml``)."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

import polars as pl

from lab.tables.spreadsheet_csv import write_csv

ENTERPRISE: Final = "enterprise"
WRITTEN: Final = " as written"
"""Behind an item's name: a column of cells that stand in the file instead of the item's values, where not null."""
AMOUNTS: Final = frozenset(
    (
        "registered_capital", "paid_in_capital", "sales", "vat_paid", "income_tax_paid", "arrears",
        "contribution_base", "contribution_due", "contribution_paid", "claimed_amount", "enforced_amount",
        "unfulfilled_amount", "fine_amount", "electricity_charge", "mortgage_amount", "exports", "imports", "amount",
    )
)  # fmt: skip
"""Items that are money; the unit is the header's, or yuan."""
FLAGS: Final = frozenset(
    (
        "annual_report_filed", "dishonest_listed", "cut_off", "mortgaged", "seized", "pledged", "exceeded", "on_time",
        "repaired",
    )
)  # fmt: skip
"""Items that are yes or no."""
TEN_THOUSAND: Final = "万元"
_CHUNK_ROWS = 250_000


@dataclass(frozen=True)
class SourceForm:
    """The form of one domain's files; ``forms.toml`` says what each field is."""

    domain: str
    office: str
    encoding: str
    dates: str
    received: int
    enterprise: str
    headers: Mapping[str, str]
    separator: str = ","
    faulty: str = ""
    own_unit: str = ""
    legacy: str = ""
    yes: str = "是"
    no: str = "否"
    optional: tuple[str, ...] = ()
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def unit(self, item: str) -> str:
        """The unit of an amount: 万元 or 元; empty for other items."""
        if item not in AMOUNTS:
            return ""
        return TEN_THOUSAND if TEN_THOUSAND in self.headers[item] else "元"

    def as_file(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with ``ENTERPRISE`` and items, as the office's table: its headers, words and units."""
        columns = [rows[ENTERPRISE].alias(self.enterprise)]
        for item, header in self.headers.items():
            column = self._as_cells(item, rows[item])
            if item + WRITTEN in rows.columns:
                instead = rows[item + WRITTEN]
                column = instead.zip_with(instead.is_not_null(), column.cast(pl.String))
            columns.append(column.alias(header))
        return pl.DataFrame(columns)

    def write(self, rows: pl.DataFrame, path: Path) -> None:
        """Write rows to a file, some hundred thousand at a time."""
        with path.open("wb") as file:
            for start in range(0, max(1, len(rows)), _CHUNK_ROWS):
                text = io.BytesIO()
                write_csv(
                    self.as_file(rows.slice(start, _CHUNK_ROWS)),
                    text,
                    header=start == 0,
                    mark=self.encoding == "utf-8-sig",
                    separator=self.separator,
                    date_format=self.dates,
                )
                if self.encoding.startswith("utf-8"):
                    file.write(text.getbuffer())
                else:
                    file.write(text.getvalue().decode("utf-8").encode(self.encoding))

    def _as_cells(self, item: str, column: pl.Series) -> pl.Series:
        if item in self.words:
            codes = column.dtype
            if not isinstance(codes, pl.Enum):
                raise TypeError(f"{item} is no column of codes")
            names = [self.words[item][code] for code in codes.categories]
            return column.to_physical().cast(pl.UInt8).cat.to(pl.Enum(names))
        if item in FLAGS:
            return column.cast(pl.UInt8).cat.to(pl.Enum([self.no, self.yes]))
        if self.unit(item) == TEN_THOUSAND:
            return (column / 10_000).round(4)
        return column


@cache
def source_forms() -> Mapping[str, SourceForm]:
    """The form of each domain."""
    text = files("lab.simulation.city").joinpath("forms.toml").read_text(encoding="utf-8")
    return {
        domain: SourceForm(domain=domain, **{**form, "optional": tuple(form.get("optional", ()))})
        for domain, form in tomllib.loads(text).items()
    }


def mapping_text(form: SourceForm) -> str:
    """The mapping file of a domain's files, for ``lab bureau records import --mapping``."""
    lines = [
        f"# {form.office}：虚构城市源文件的映射 Mapping of a made-up city's source files",
        f"domain = {quoted(form.domain)}",
        f"encoding = {quoted('utf-8' if form.encoding.startswith('utf-8') else form.encoding)}",
        "",
        "[enterprise]",
        f"column = {quoted(form.enterprise)}",
        f"kind = {quoted('mixed' if form.legacy else 'uscc')}",
    ]
    for item, header in form.headers.items():
        lines += ["", f"[items.{item}]", f"column = {quoted(header)}"]
        if form.unit(item):
            lines.append(f"unit = {quoted(form.unit(item))}")
        words = {word: code for code, word in form.words.get(item, {}).items()}
        if item in FLAGS:
            words = {form.yes: "yes", form.no: "no"}
        if words:
            pairs = ", ".join(f"{quoted(word)} = {quoted(code)}" for word, code in words.items())
            lines.append(f"codes = {{ {pairs} }}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text of ours as a TOML string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
