"""``lab bureau records``: which segments there are, what they hold by domain, and whether all is as it was stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import Catalogue, current_catalogue
from lab.bureau.data.records import Manifest, Segment, open_records, verify_folder, verify_records
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.disk.checked_files import DamagedFile

AsOfOption = Annotated[
    str, typer.Option("--as-of", metavar="DAY", help="当日所知 As known at the end of this day [default: now].")
]
_SHOWN_DIGITS = 12


def list_segments(
    domain: Annotated[str, typer.Option(help="领域 Only this domain.")] = "",
    as_of: AsOfOption = "",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出片段 List the segments: one for each domain of each delivery, in the order in which they became known."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        manifest = bureau.records.manifest_as_of(session, read_day(as_of))
    chosen = [one for one in manifest.segments if not domain or one.domain == domain]
    if chosen:
        out.table(
            "片段 Segments",
            ("知悉 known", "领域 domain", "操作 operations", "行 rows", "来源 source", "片段 segment"),
            [
                (
                    str(one.known_on),
                    one.domain,
                    ", ".join(one.operations),
                    f"{one.rows:,}",
                    one.source,
                    one.sha256[:_SHOWN_DIGITS],
                )
                for one in chosen
            ],
        )
    else:
        out.say("没有记录 No records. 下一步 Next: lab bureau records import FILE --mapping MAPPING.toml")
    out.print_result({"manifest": manifest.sha256, "segments": [one.as_dict() for one in chosen]})


def status(
    count: Annotated[
        bool, typer.Option("--count", help="计现行记录 Count the records that count now; reads all of them.")
    ] = False,
    as_of: AsOfOption = "",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """记录概况 What is stored by domain: rows, bytes, the days they held and became known."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            manifest = bureau.records.manifest_as_of(session, read_day(as_of))
            catalogue = current_catalogue(bureau.home, session)
        counts = _count_current(bureau, manifest, catalogue) if count else {}
    found = [
        _domain_facts(code, segments, counts.get(code))
        for code in [domain.code for domain in catalogue.domains]
        if (segments := manifest.of_domain(code))
    ]
    if found:
        out.table(
            "企业记录 Records",
            ("领域 domain", "片段 segments", "行 rows", "现行 current", "所涉 held", "知悉 known"),
            [
                (
                    one["domain"],
                    str(one["segments"]),
                    f"{one['rows']:,}",
                    "" if one["current"] is None else f"{one['current']:,}",
                    f"{one['held_first']} – {one['held_last']}",
                    f"{one['known_first']} – {one['known_last']}",
                )
                for one in found
            ],
        )
    else:
        out.say("没有记录 No records. 下一步 Next: lab bureau records import FILE --mapping MAPPING.toml")
    out.print_result(
        {
            "manifest": manifest.sha256,
            "segments": len(manifest.segments),
            "rows": manifest.rows,
            "bytes": sum(one.bytes for one in manifest.segments),
            "known_days": sorted({str(one.known_on) for one in manifest.segments}),
            "domains": found,
        }
    )


def verify(
    local: Annotated[
        bool,
        typer.Option("--local", help="仅查本机文件 Only the files of this folder; opens no key and no remote store."),
    ] = False,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """核验 Check every file against the manifest, and each row of the manifest against its ledger entry.

    发现不符时退出码为 3。 The exit code is 3 if anything is not as it was stored.
    """
    out = CommandOutput(as_json)
    if local:
        found = verify_folder(home or default_folder(), out.progress)
    else:
        with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
            found = verify_records(bureau.records, session, out.progress)
    out.say(
        f"已核验 Verified: {found.segments} 个片段 segments, {found.files} 个文件 files, "
        f"{found.entries} 条台账 ledger entries"
    )
    if found.left_over:
        out.say(f"遗留文件,下次导入清除 Left by an interrupted import; the next removes them: {found.left_over}")
    for one in found.findings:
        out.alert(f"不符 {one.place}: {one.zh} · {one.en}")
    out.print_result(
        {
            "segments": found.segments,
            "files": found.files,
            "entries": found.entries,
            "left_over": found.left_over,
            "findings": [one.as_dict() for one in found.findings],
        }
    )
    if found.findings:
        out.say("下一步 Next: 从备份恢复这些文件 bring these files back from a backup (lab bureau restore)")
        raise typer.Exit(DamagedFile.exit_code)


def read_day(text: str) -> date | None:
    """The day of ``--as-of``; None for an empty text. Raises ``typer.BadParameter`` for anything else."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("Expected a day as YYYY-MM-DD · 应为 YYYY-MM-DD", param_hint="--as-of") from None


def _domain_facts(code: str, segments: Sequence[Segment], current: int | None) -> dict[str, Any]:
    return {
        "domain": code,
        "segments": len(segments),
        "rows": sum(one.rows for one in segments),
        "current": current,
        "bytes": sum(one.bytes for one in segments),
        "held_first": str(min(one.held_first for one in segments)),
        "held_last": str(max(one.held_last for one in segments)),
        "known_first": str(segments[0].known_on),
        "known_last": str(segments[-1].known_on),
    }


def _count_current(bureau: Bureau, manifest: Manifest, catalogue: Catalogue) -> dict[str, int]:
    with open_records(bureau.records, manifest, catalogue) as connection:
        found = {}
        for domain in catalogue.domains:
            row = connection.execute(f'SELECT count(*) FROM "{domain.code}"').fetchone()
            found[domain.code] = int(row[0]) if row is not None else 0
        return found
