"""``lab bureau catalogue``: the bureau's own catalogue: check, import, list, show, compare and export its versions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue.definition import build_catalogue, read_catalogue_files
from lab.bureau.data.catalogue.differences import compare_catalogues
from lab.bureau.data.catalogue.exports import ExportFormat
from lab.bureau.data.catalogue.reading import CatalogueReader, describe_comparison, describe_version_facts
from lab.bureau.data.catalogue.versions import current_catalogue, import_catalogue
from lab.bureau.data.records import RecordStore
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, CatalogueFormat, CatalogueVersionOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.tables.catalogue_tables import (
    show_comparison,
    show_entry,
    show_matches,
    show_overview,
    show_versions,
    write_export,
)
from lab.terms.text.visible_line import check_visible_line

catalogue = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="数据目录 The catalogue: check, import, list, show, diff, export."
)
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="目录文件 Folder with catalogue.toml.")]
CodeArgument = Annotated[
    str | None, typer.Argument(metavar="[CODE]", help="代码 A domain (tax) or an item (tax.sales) [default: all].")
]


@dataclass(frozen=True, kw_only=True)
class CatalogueImportOptions:
    """Options of ``lab bureau catalogue import``."""

    folder: FolderArgument
    by: Annotated[str, typer.Option(metavar="NAME", help="经办人 Who imports it; kept in the ledger.")] = ""
    reason: Annotated[
        str, typer.Option(help="原因 Why; needed to leave out a domain or item of which records are held.")
    ] = ""
    home: BureauHomeOption = None
    as_json: JsonOption = False


@catalogue.command()
def check(folder: FolderArgument, home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """核对目录 Check a catalogue's files, and show what they say otherwise than the catalogue in force."""
    out = CommandOutput(as_json)
    found = build_catalogue(read_catalogue_files(folder))
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        facts = describe_comparison(compare_catalogues(current_catalogue(bureau.home, session), found))
    out.say(f"目录可用 The files fit: {len(found.domains)} 个领域 domains, {len(found.items)} 项 items")
    show_comparison(out, facts)
    out.print_result({"sha256": found.sha256, "domains": len(found.domains), "items": len(found.items), **facts})


@catalogue.command("import")
@take_options(CatalogueImportOptions)
def import_files(options: CatalogueImportOptions) -> None:
    """导入目录 Make a folder's files the catalogue in force, as a new version; the same again is no new version."""
    out = CommandOutput(options.as_json)
    for text, what in ((options.by, "a name"), (options.reason, "a reason")):
        check_visible_line(text, what, longest=200, least=0)
    files = read_catalogue_files(options.folder)
    with Bureau.open(options.home or default_folder()) as bureau:
        records = RecordStore(bureau.home, bureau.store, bureau.keys)
        done = import_catalogue(
            bureau.home,
            bureau.store,
            files,
            now=bureau.now(),
            by=options.by,
            reason=options.reason,
            held_domains=lambda session: frozenset(one.domain for one in records.head(session).segments),
        )
    version = done.version
    words = "目录已导入 Catalogue imported" if done.new else "与现行版本相同 The same as the version in force"
    out.say(f"{words}: v{version.version}, {version.domains} 个领域 domains, {version.items} 项 items")
    if done.dropped:
        out.say(f"不再包含 Left out now ({len(done.dropped)}): {', '.join(done.dropped)}")
    out.print_result({**describe_version_facts(version), "new": done.new, "dropped": list(done.dropped)})


@catalogue.command("list")
def list_versions(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """目录版本 List the versions of the catalogue, newest first; the embedded one is the last."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        found = CatalogueReader(bureau.home, bureau.store).overview()
    show_versions(out, found["versions"])
    out.print_result({"versions": found["versions"]})


@catalogue.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="词 Words; each must be found.")],
    version: CatalogueVersionOption = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """检索目录 Search names, definitions and codes in both languages."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        found = CatalogueReader(bureau.home, bureau.store).search(" ".join(words), version=version)
    show_matches(out, found)
    out.print_result(found)


@catalogue.command()
def show(
    code: CodeArgument = None,
    version: CatalogueVersionOption = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看目录 Show the catalogue's domains, or one domain or item whole."""
    out = CommandOutput(as_json)
    found: dict[str, Any]
    with Bureau.open(home or default_folder()) as bureau:
        reader = CatalogueReader(bureau.home, bureau.store)
        found = reader.overview(version) if code is None else reader.entry(code, version=version)
    if code is None:
        show_overview(out, found)
    else:
        show_entry(out, found)
    out.print_result(found)


@catalogue.command()
def diff(
    before: Annotated[int, typer.Argument(min=0, help="原版本 The earlier version; 0: the embedded one.")],
    after: Annotated[
        int | None, typer.Argument(min=0, metavar="[AFTER]", help="现版本 The later version [default: in force].")
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """比较版本 What two versions of the catalogue say differently."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        found = CatalogueReader(bureau.home, bureau.store).compare(before, after)
    show_comparison(out, found)
    out.print_result(found)


@catalogue.command()
def export(
    form: Annotated[CatalogueFormat, typer.Option("--format", help="格式 Form of the files.")],
    out_folder: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="写入 Folder for the files.")],
    version: CatalogueVersionOption = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """导出目录 Write the catalogue as DCAT 3, data contracts (ODCS), the three lists (Excel, CSV), or its own files."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        found = CatalogueReader(bureau.home, bureau.store).export(ExportFormat(form.value), version=version)
    files = write_export(out, found, out_folder)
    facts = {name: found[name] for name in ("version", "sha256", "format")}
    out.print_result(facts | {"folder": str(out_folder), "files": files})
