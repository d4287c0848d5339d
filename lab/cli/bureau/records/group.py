"""The groups ``lab bureau records``, ``lab bureau mapping`` and ``lab bureau legacy-codes``."""

from __future__ import annotations

import typer

from lab.cli.bureau.records.changes import correct, delete
from lab.cli.bureau.records.import_records import deliveries, import_records
from lab.cli.bureau.records.legacy_codes import import_codes, list_codes
from lab.cli.bureau.records.mapping import check, suggest
from lab.cli.bureau.records.stored_records import list_segments, status, verify
from lab.cli.bureau.records.upkeep import compact, export

records = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="记录 Records that departments deliver.")
mapping = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="映射文件 Mapping files of departments' tables."
)
legacy_codes = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="旧代码 Codes from before unified codes.")


@records.callback()
def records_group() -> None:
    """记录 Records that departments deliver."""


@mapping.callback()
def mapping_group() -> None:
    """映射文件 Mapping files of departments' tables."""


@legacy_codes.callback()
def legacy_codes_group() -> None:
    """旧代码 Codes from before unified codes."""


records.command("import")(import_records)
records.command("correct")(correct)
records.command("delete")(delete)
records.command("deliveries")(deliveries)
records.command("list")(list_segments)
records.command("status")(status)
records.command("verify")(verify)
records.command("compact")(compact)
records.command("export")(export)
mapping.command("suggest")(suggest)
mapping.command("check")(check)
legacy_codes.command("import")(import_codes)
legacy_codes.command("list")(list_codes)
