"""``lab bureau register``: publish features as the next version of a register, show what a version comes from; the
group of all commands on versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.publication.origins import find_origin
from lab.bureau.data.publication.publishing import PublishedRegister, publish_features
from lab.bureau.data.records import RecordStore
from lab.bureau.data.register import DriftPolicy, find_snapshot
from lab.bureau.ledger import LOCAL_ACTOR
from lab.cli.bureau.registers.definition_notes import history_facts, show_history
from lab.cli.bureau.registers.features import AsOfOption, day_of, show_left_out
from lab.cli.bureau.registers.versions import RegisterOption, compare, list_versions, remove
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="登记库 Registers: publish features as a version of one; list, compare, remove versions.",
)


@app.callback()
def group() -> None:
    """登记库 Registers: publish features as a version of one; list, compare, remove versions."""


@app.command()
def publish(
    as_of: AsOfOption = None,
    register: RegisterOption = "main",
    accept_drift: Annotated[
        bool,
        typer.Option("--accept-drift", help="接受漂移 Publish although data are far from before; recorded."),
    ] = False,
    evaluate_now: Annotated[
        bool,
        typer.Option("--evaluate/--no-evaluate", help="立即求值 Evaluate it right away, for each contract in use."),
    ] = True,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """发布 Publish the features of a day as the next version of a register; earlier versions stay.

    质量不达标不发布。 Records whose quality does not allow it are not published. Those that no longer count are left
    out. A day that is over is refused while records that counted then were put right since and published models read
    the register; publish it under another name to study it.
    """
    out = CommandOutput(as_json)
    day = day_of(as_of)
    with Bureau.open(home or default_folder()) as bureau:
        done = publish_features(
            bureau.store,
            bureau.home,
            RecordStore(bureau.home, bureau.store, bureau.keys),
            day,
            name=register,
            policy=DriftPolicy(bureau.drift.published(register), accept_drift),
            progress=out.progress,
        )
        if evaluate_now:
            with bureau.store.begin_read() as session:
                epoch = bureau.epochs.current_epoch(session)
            bureau.evaluation_planner.prepare(epoch, out.progress, register=done.register, by=LOCAL_ACTOR)
    _show_published(out, done)
    out.print_result(
        {
            "register": done.register,
            "version": done.version,
            "as_of": day.isoformat(),
            "rows": done.rows,
            "columns": list(done.columns),
            "left_out": done.left_out,
            "put_right_since": {"records": dict(done.put_right.records), "expired": done.put_right.expired},
            "definitions": history_facts(done.history),
            "unregistered": dict(done.table.unregistered),
            "sha256": done.sha256,
            "features_file_sha256": done.table.sha256,
            "drift": {name: [asdict(one) for one in findings] for name, findings in done.drift.items()},
            "drift_accepted": accept_drift,
            "column_report": [one.as_dict() for one in done.summaries],
        }
    )


@app.command()
def show(
    version: Annotated[int | None, typer.Option(min=1, help="版本 Version [default: newest].")] = None,
    register: RegisterOption = "main",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看版本来源 Show what a version of a register comes from: day, records, features, and each column's items."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        snapshot = find_snapshot(session, register, version)
        origin = find_origin(session, register, snapshot.version)
    title = f"{snapshot.name} v{snapshot.version}"
    if origin is None:
        out.say(f"{title}: 由文件导入，不是由特征发布 imported from a file, not published from features")
        out.print_result({"register": snapshot.name, "version": snapshot.version, "origin": None})
        return
    out.table(
        f"登记库 Register {title}",
        ("项 what", "值 value"),
        [
            ("截至日 as of", origin.day),
            ("行 rows", f"{snapshot.rows:,}"),
            ("记录清单 manifest", origin.manifest_sha256[:16]),
            ("目录 catalogue", origin.catalogue_sha256[:16]),
            ("特征 features", origin.features_sha256[:16]),
            ("修复规则 repair rules", (origin.repair_rules_sha256 or "—")[:16]),
            ("质量规则 quality rules", (origin.quality_rules_sha256 or "—")[:16]),
        ],
    )
    out.table(
        "各列来源 Where each column comes from",
        ("列 column", "数据项 items", "部门 departments", "最近交付 newest delivery"),
        [
            (
                one.column,
                ", ".join(source.code for source in one.sources),
                ", ".join(dict.fromkeys(source.department_zh for source in one.sources)),
                max((source.received for source in one.sources), default="") or "—",
            )
            for one in origin.columns
        ],
    )
    out.print_result({"register": snapshot.name, "version": snapshot.version, "origin": asdict(origin)})


def _show_published(out: CommandOutput, done: PublishedRegister) -> None:
    what = f"{done.rows:,} 户 enterprises, {len(done.columns)} 列 columns"
    out.say(f"已发布 Published {done.register} v{done.version}: {what}")
    show_left_out(out, done.table, done.left_out)
    show_history(out, done.history)
    _show_put_right(out, done)
    for name, findings in done.drift.items():
        for one in findings:
            out.say(f"注意 Note: {one.column or '登记库 register'}: {one.zh} {one.en} ({name})")
    out.say("下一步 Next: lab model train --sample SAMPLE.csv --id COLUMN --label COLUMN --monotonic")


def _show_put_right(out: CommandOutput, done: PublishedRegister) -> None:
    found = done.put_right
    if found.count:
        named = ", ".join(f"{domain} {count:,}" for domain, count in found.records.items())
        out.alert(
            f"此版计入 {found.count:,} 条此后已修复、移除、更正或被提出异议的记录，仅供研究，不得用于评分 "
            f"It counts {found.count:,} records that were put right since: for study, not for scores ({named})"
        )
    if found.expired:
        out.say(
            f"注意 Note: {found.expired:,} 条当日计入的记录至今已到期 records that counted then have expired by now"
        )


app.command("list")(list_versions)
app.command()(compare)
app.command()(remove)
