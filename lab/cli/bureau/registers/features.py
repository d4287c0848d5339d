"""``lab bureau feature``: what features there are, where each comes from, and computing them as of a day."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import Catalogue, current_catalogue
from lab.bureau.data.features.definition import FeatureDefinition
from lab.bureau.data.features.lineage import FeatureLineage, describe_window, trace_feature
from lab.bureau.data.features.stored_tables import FeatureTables, StoredFeatureTable, current_features
from lab.bureau.data.publication.definition_history import definition_history
from lab.bureau.data.publication.publishing import feature_inputs
from lab.bureau.data.records import Manifest, QueryLimits, RecordStore
from lab.cli.bureau.registers.definition_notes import history_facts, show_history
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import InvalidInput, Unreachable
from protocols.compute_pool import ComputePool, ComputePoolError, DaskComputePool

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="特征 Features: figures of enterprises, computed from records."
)
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], help="截至日 What was known and held on this day [default: today]."),
]
_DIRECTIONS = {1: "↑ 风险 risk", -1: "↓ 风险 risk", 0: "—"}


def day_of(as_of: datetime | None) -> date:
    """The day that was named, or today; raises ``InvalidInput`` for a day to come."""
    today = date.today()
    day = as_of.date() if as_of is not None else today
    if day > today:
        raise InvalidInput("Expected a day that is not in the future.", next_step="check --as-of")
    return day


@app.callback()
def group() -> None:
    """特征 Features: figures of enterprises, computed from records."""


@app.command("list")
def list_features(
    domain: Annotated[str, typer.Option(help="数据域 Only features that read this domain.")] = "",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出特征 List the features, with what each reads and in which direction it moves the risk."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        catalogue = _catalogue(bureau)
        features = current_features(bureau.home, catalogue)
    shown = [one for one in features.definitions if not domain or domain in one.domains]
    out.table(
        f"特征 Features ({len(shown)})",
        ("名称 name", "说明 meaning", "数据域 domains", "方向 direction"),
        [(one.name, one.label[0], ", ".join(one.domains), _DIRECTIONS[one.monotonic]) for one in shown],
    )
    out.print_result({"sha256": features.sha256, "features": [_facts(one) for one in shown]})


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="特征名 Name of the feature.")],
    as_of: AsOfOption = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """查看特征 Show a feature's definition and its lineage: items, departments, source files with rows and days."""
    out = CommandOutput(as_json)
    day = day_of(as_of)
    with Bureau.open(home or default_folder()) as bureau:
        catalogue = _catalogue(bureau)
        definition = current_features(bureau.home, catalogue).find(name)
        manifest = _manifest(bureau, day)
    lineage = trace_feature(definition, catalogue, manifest)
    _show_definition(out, definition, lineage)
    _show_lineage(out, lineage)
    out.print_result(
        {
            **_facts(definition),
            "sql": definition.sql,
            "grade": lineage.grade.value,
            "as_of": day.isoformat(),
            "sources": [asdict(one) for one in lineage.sources],
            "deliveries": [
                {
                    "domain": one.domain,
                    "file": one.source,
                    "sha256": one.source_sha256,
                    "rows": one.rows,
                    "received": one.known_on.isoformat(),
                    "held_first": one.held_first.isoformat(),
                    "held_last": one.held_last.isoformat(),
                }
                for one in lineage.segments
            ],
        }
    )


@app.command()
def compute(
    as_of: AsOfOption = None,
    again: Annotated[bool, typer.Option("--again", help="重新计算 Compute it even if it is kept already.")] = False,
    memory_mib: Annotated[int, typer.Option(min=256, help="内存上限 Memory of the query, in MiB.")] = 1536,
    threads: Annotated[int, typer.Option(min=1, max=256, help="线程数 Threads of the query.")] = 2,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="集群 Compute on the Dask cluster of this scheduler (TLS).")
    ] = "",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """计算特征 Compute all features of all registered enterprises as of a day; what is kept is not computed again."""
    out = CommandOutput(as_json)
    day, begun = day_of(as_of), time.perf_counter()
    with Bureau.open(home or default_folder()) as bureau:
        records = RecordStore(bureau.home, bureau.store, bureau.keys)
        with bureau.store.begin_read() as session:
            inputs = feature_inputs(session, bureau.home, records, day)
            history = definition_history(session, bureau.home, inputs, date.today())
        with _pool(cluster) as pool:
            table = FeatureTables(bureau.home, bureau.store, records).table(
                inputs, again=again, limits=QueryLimits(memory_mib, threads), pool=pool, progress=out.progress
            )
    seconds = time.perf_counter() - begun
    word = "已计算 Computed" if table.computed_now else "已有，未重算 Kept, not computed again"
    out.say(
        f"{word}: {table.rows:,} 户 enterprises, {len(inputs.features.definitions)} 项特征 features, {seconds:.1f} s"
    )
    show_left_out(out, table, inputs.left_out_count)
    show_history(out, history)
    out.say(f"文件 File: {table.path}")
    out.say(f"下一步 Next: lab bureau register publish --as-of {day}")
    out.print_result(
        {
            "as_of": day.isoformat(),
            "rows": table.rows,
            "features": len(inputs.features.definitions),
            "left_out": inputs.left_out_count,
            "definitions": history_facts(history),
            "unregistered": dict(table.unregistered),
            "computed": table.computed_now,
            "inputs_sha256": inputs.sha256,
            "sha256": table.sha256,
            "file": str(table.path),
            "seconds": round(seconds, 3),
        }
    )


@contextmanager
def _pool(cluster: str) -> Iterator[ComputePool | None]:
    """The cluster at this address, or none; raises ``Unreachable``."""
    if not cluster:
        yield None
        return
    try:
        pool = DaskComputePool(cluster)
    except ComputePoolError as error:
        raise Unreachable(str(error), next_step="start the cluster, or compute without --cluster") from None
    try:
        yield pool
    finally:
        pool.close()


def show_left_out(out: CommandOutput, table: StoredFeatureTable, left_out: int) -> None:
    """Say which records count for nobody, and how many no longer count."""
    if left_out:
        out.say(f"已修复或到期、不再计入 Repaired or expired, no longer counted: {left_out:,} 条 records")
    for domain, count in table.unregistered.items():
        out.say(f"注意 Note: {domain}: {count:,} 条属于未登记主体 records of enterprises that are not registered")


def _catalogue(bureau: Bureau) -> Catalogue:
    with bureau.store.begin_read() as session:
        return current_catalogue(bureau.home, session)


def _manifest(bureau: Bureau, day: date) -> Manifest:
    with bureau.store.begin_read() as session:
        return RecordStore(bureau.home, bureau.store, bureau.keys).manifest_as_of(session, day)


def _facts(one: FeatureDefinition) -> dict[str, Any]:
    return {
        "name": one.name,
        "zh": one.label[0],
        "en": one.label[1],
        "reason": {"zh": one.reason[0], "en": one.reason[1]},
        "dimension": one.dimension,
        "items": list(one.items),
        "window_months": one.window_months,
        "type": one.type.value,
        "unit": one.unit,
        "monotonic": one.monotonic,
        "missing": one.missing.value,
    }


def _show_definition(out: CommandOutput, one: FeatureDefinition, lineage: FeatureLineage) -> None:
    window = describe_window(one)
    out.table(
        f"特征 Feature {one.name}",
        ("项 what", "值 value"),
        [
            ("说明 meaning", f"{one.label[0]} {one.label[1]}"),
            ("原因用语 reason", f"{one.reason[0]} {one.reason[1]}"),
            ("维度 dimension", one.dimension),
            ("类型与单位 type, unit", f"{one.type.value} {one.unit}".strip()),
            ("窗口 window", f"{window[0]} {window[1]}"),
            ("方向 direction", _DIRECTIONS[one.monotonic]),
            ("无记录时 without records", one.missing.value),
            ("敏感级 grade", lineage.grade.value),
        ],
    )
    out.print_text(one.sql + "\n")


def _show_lineage(out: CommandOutput, lineage: FeatureLineage) -> None:
    out.table(
        "来源数据项 Items it comes from",
        ("数据项 item", "名称 name", "部门 department", "最近交付 newest delivery"),
        [(one.code, one.zh, one.department_zh, one.received or "—") for one in lineage.sources],
    )
    if not lineage.segments:
        out.say("当日尚无这些域的记录 No records of these domains were known on that day")
        return
    out.table(
        "来源文件 Source files",
        ("数据域 domain", "文件 file", "行 rows", "收到 received", "记录日期 of days"),
        [
            (one.domain, one.source, f"{one.rows:,}", one.known_on, f"{one.held_first}…{one.held_last}")
            for one in lineage.segments
        ],
    )
