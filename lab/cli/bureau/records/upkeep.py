"""``lab bureau records compact`` and ``export``: files merged, and a snapshot written out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import current_catalogue
from lab.bureau.data.records import export_snapshot
from lab.cli.bureau.records.actors import ByOption, find_actor
from lab.cli.bureau.records.stored_records import read_day
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import NotFound


@dataclass(frozen=True, kw_only=True)
class RecordCompactOptions:
    """Options of ``lab bureau records compact``."""

    domain: Annotated[str, typer.Option(metavar="DOMAIN", help="领域 Only this domain.")] = ""
    remove_originals: Annotated[
        bool,
        typer.Option("--remove-originals", help="删除原文件 Then remove the merged files, each row compared first."),
    ] = False
    by: ByOption = ""
    home: BureauHomeOption = None
    as_json: JsonOption = False


@dataclass(frozen=True, kw_only=True)
class RecordExportOptions:
    """Options of ``lab bureau records export``."""

    as_of: Annotated[str, typer.Option("--as-of", metavar="DAY", help="当日所知 As known at the end of this day.")]
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="新文件夹 The new folder for it.")]
    by: ByOption = ""
    home: BureauHomeOption = None
    as_json: JsonOption = False


@take_options(RecordCompactOptions)
def compact(options: RecordCompactOptions) -> None:
    """合并文件 Merge the many small files of a domain into few; what any earlier day shows stays the same.

    清单不变；导入会自动合并。 The manifest does not change. Imports do it by themselves when a domain has many files.
    """
    out = CommandOutput(options.as_json)
    with Bureau.open(options.home or default_folder()) as bureau:
        by = find_actor(bureau, options.by)
        records = bureau.records
        with records.importing():
            with bureau.store.begin_read() as session:
                manifest = records.head(session)
            held = sorted({one.domain for one in manifest.segments})
            if options.domain and options.domain not in held:
                raise NotFound(
                    "Expected a domain that has records; found another name.",
                    next_step="see them with `lab bureau records status`",
                )
            chosen = [options.domain] if options.domain else held
            done = records.packs.compact(manifest, by=by, domains=chosen, progress=out.progress)
            removed = 0
            if options.remove_originals:
                removed = records.packs.remove_packed(manifest, by=by, domains=chosen, progress=out.progress).removed
            packs = records.packs.read()
    out.say(f"合并 Merged: {done.segments:,} 个片段 segments → {done.packs} 个文件 files, {done.rows:,} 行 rows")
    out.say(f"现有合并文件 Merged files now: {len(packs.packs)}")
    if options.remove_originals:
        out.say(f"已删除原文件 Originals removed: {removed:,} 个片段 segments")
    out.print_result(
        {
            "written": done.packs,
            "segments": done.segments,
            "rows": done.rows,
            "removed": removed,
            "files": len(packs.packs),
            "manifest": manifest.sha256,
        }
    )


@take_options(RecordExportOptions)
def export(options: RecordExportOptions) -> None:
    """导出快照 Write out all records as of a day: Parquet for each domain and `snapshot.json` with hashes.

    不含个人信息；同一日得到同样的字节。 No personal items; the same day gives the same bytes. It is a ledger entry.
    """
    out = CommandOutput(options.as_json)
    day = read_day(options.as_of)
    if day is None:
        raise typer.BadParameter("Expected a day as YYYY-MM-DD · 应为 YYYY-MM-DD", param_hint="--as-of")
    with Bureau.open(options.home or default_folder()) as bureau:
        by = find_actor(bureau, options.by)
        with bureau.store.begin_read() as session:
            catalogue = current_catalogue(bureau.home, session)
        made = export_snapshot(
            bureau.records, bureau.store, catalogue, options.out, day=day, by=by, progress=out.progress
        )
    out.say(f"快照 Snapshot: {made.folder}, {sum(made.rows.values()):,} 条 records, {made.bytes // 1_000_000:,} MB")
    out.say(f"SHA-256 (snapshot.json): {made.sha256}")
    out.print_result(
        {
            "folder": str(made.folder),
            "sha256": made.sha256,
            "records": made.records,
            "rows": made.rows,
            "bytes": made.bytes,
        }
    )
