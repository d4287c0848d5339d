"""``lab steward catalogue``: search, show, compare and export the bureau's catalogue, through its service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from lab.cli.terminal.option_types import CatalogueFormat, CatalogueVersionOption, JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.tables.catalogue_tables import (
    show_comparison,
    show_entry,
    show_matches,
    show_overview,
    show_versions,
    write_export,
)
from lab.sdk.client import ServiceClient

catalogue = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="数据目录 The catalogue: search, show, diff, export."
)


@catalogue.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="词 Words; each must be found.")],
    version: CatalogueVersionOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """检索目录 Search names, definitions and codes in both languages."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get("/v1/catalogue/search", q=" ".join(words), version=version)
    show_matches(out, found)
    out.print_result(found)


@catalogue.command()
def show(
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="代码 A domain (tax) or an item (tax.sales) [default: all].")
    ] = None,
    version: CatalogueVersionOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看目录 Show the catalogue's domains and versions, or one domain or item whole."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        if code is None:
            found = client.get("/v1/catalogue", version=version)
        else:
            found = client.get(f"/v1/catalogue/entries/{quote(code, safe='')}", version=version)
    if code is None:
        show_overview(out, found)
        show_versions(out, found["versions"])
    else:
        show_entry(out, found)
    out.print_result(found)


@catalogue.command()
def diff(
    before: Annotated[int, typer.Argument(min=0, help="原版本 The earlier version; 0: the embedded one.")],
    after: Annotated[
        int | None, typer.Argument(min=0, metavar="[AFTER]", help="现版本 The later version [default: in force].")
    ] = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """比较版本 What two versions of the catalogue say differently."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get("/v1/catalogue/comparison", before=before, after=after)
    show_comparison(out, found)
    out.print_result(found)


@catalogue.command()
def export(
    form: Annotated[CatalogueFormat, typer.Option("--format", help="格式 Form of the files.")],
    out_folder: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="写入 Folder for the files.")],
    version: CatalogueVersionOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """导出目录 Write the catalogue as DCAT 3, data contracts (ODCS), the three lists (Excel, CSV), or its own files."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get("/v1/catalogue/export", format=form.value, version=version)
    files = write_export(out, found, out_folder)
    facts = {name: found[name] for name in ("version", "sha256", "format")}
    out.print_result(facts | {"folder": str(out_folder), "files": files})
