"""``lab bank runs``: the bank's runs, listed and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.bank.home import BankHome, default_home
from lab.bank.runs.metadata import RunKind
from lab.cli.bank.options import BankHomeOption, JsonOption
from lab.cli.bank.results.unfinished_runs import RUN_KIND_LABELS, show_unfinished
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.tables.column_table import ColumnLine, show_columns
from lab.terms.errors import InvalidInput

if TYPE_CHECKING:
    from lab.bank.runs.store import FinishedRun

LONG_FIELDS = ("receipts", "match_receipts", "cosigned", "schema")
"""Fields of a manifest that are long, or say nothing about the run."""


def runs(
    run: Annotated[str | None, typer.Argument(help="运行编号 Show one run.", show_default=False)] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="总览网页 Write an overview page of a scoring run here.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="结果文件 Write the results of a scoring run here once more, at no charge: .parquet, .csv or .xlsx.",
            show_default=False,
        ),
    ] = None,
    home: BankHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """历次运行 List the bank's runs, newest first; or show one, and write its results or an overview page.

    未完成的运行也可查看。 Of a run that was stopped, it shows what was paid for and answered.
    """
    from lab.bank.portraits.pages.overview_page import overview_page
    from lab.bank.portraits.scored_run import ScoredRun
    from lab.bank.runs.delivery import give_out
    from lab.bank.runs.store import find_finished_run
    from lab.disk.output_files import write_output_file

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    if run is None and html is None and out is None:
        _list(output, opened)
        return
    unfinished = _find_unfinished(opened, run)
    if unfinished is not None and html is None:
        facts = show_unfinished(output, unfinished)
        if out is not None:
            facts |= _write_partial(output, unfinished, out)
        output.print_result(facts)
        return
    is_match = run is not None and (opened.matches / Path(run).name).is_dir()
    found = find_finished_run(opened.matches if is_match else opened.runs, run)
    if html is not None or out is not None:
        _require_scoring_run(found, is_match)
    manifest = found.manifest if out is None else give_out(found, out)
    show = show_match if is_match else show_run
    show(output, manifest)
    if html is not None:
        write_output_file(html, overview_page(ScoredRun.open(found)).encode())
        output.say(f"总览网页 page: {html}")
    output.print_result(manifest | {"html": str(html) if html else None})


def _write_partial(output: CommandOutput, folder: Path, out: Path) -> dict[str, Any]:
    """Write the scores that an unfinished run was answered; returns the file, for programs."""
    from lab.bank.runs.partial_results import read_partial_results
    from lab.bank.runs.results import write_result_table

    write_result_table(read_partial_results(folder), out)
    output.say(f"已写入已答复部分 Written, with the enterprises that were answered alone scored: {out}")
    return {"out": str(out)}


def _require_scoring_run(found: FinishedRun, is_match: bool) -> None:
    if is_match:
        raise InvalidInput(
            f"Expected a scoring run; run {found.folder.name} did not score.",
            next_step="see `lab bank runs` without --html and --out, or name a scoring run",
        )


def _find_unfinished(home: BankHome, run: str | None) -> Path | None:
    """The folder of the unfinished run of this name; None if there is none."""
    from lab.bank.runs.store import unfinished_run_folders

    folders = unfinished_run_folders(home.runs, home.matches) if run is not None else ()
    return next((folder for folder in folders if folder.name == Path(str(run)).name), None)


def _list(output: CommandOutput, home: BankHome) -> None:
    from lab.bank.runs.store import finished_runs, unfinished_run_folders

    manifests = [found.manifest for found in finished_runs(home.runs, home.matches)]
    output.table(
        "历次运行 Runs",
        ("运行 run", "类别 kind", "合同 contract", "行 rows", "匹配 matched", "评分 scored", "完成 finished"),
        [_run_row(manifest) for manifest in manifests],
        whole="运行 run",
    )
    unfinished = [show_unfinished(output, folder) for folder in unfinished_run_folders(home.runs, home.matches)]
    output.print_result({"runs": [summarise_manifest(one) for one in manifests], "unfinished": unfinished})


def _run_row(manifest: dict[str, Any]) -> list[str]:
    return [
        manifest["run"],
        f"{RUN_KIND_LABELS[RunKind(manifest['kind'])]} {manifest.get('model', '')}".rstrip(),
        manifest["contract"],
        f"{manifest['rows']:,}",
        f"{manifest['matched']:,}",
        f"{manifest['scored']:,}" if "scored" in manifest else "",
        str(manifest["finished"])[:16].replace("T", " "),
    ]


def show_match(output: CommandOutput, manifest: dict[str, Any]) -> None:
    """Show a finished match or count as a table, and its warnings."""
    rows = [
        ("合同 contract", manifest["contract"]),
        ("接收方 recipient", manifest["recipient"]),
        ("登记条数 register entries", f"{manifest['setup_entries']:,}"),
        *_portfolio(manifest),
        ("匹配 matched", f"{manifest['matched']:,}"),
    ]
    rows.append(_receipts(manifest))
    rows.append(_fork_detection_row(manifest))
    if "sent" in manifest:
        rows.append(("已发送标识 identifiers sent", f"{manifest['sent']:,}"))
    rows += _charged(manifest)
    rows += [
        *_costs(manifest),
        (
            "每条登记字节（下限）set-up bytes per entry (lower bound)",
            f"{manifest['setup_bytes_an_entry']:.2f} ({manifest['least_bytes_an_entry']:.2f})",
        ),
    ]
    if "out" in manifest:
        rows.append(("结果文件 out", manifest["out"]))
    rows.append(_keep_until(manifest))
    output.table(f"{RUN_KIND_LABELS[RunKind(manifest['kind'])]} {manifest['run']}", ("项目 item", "结果 result"), rows)
    show_run_warnings(output, manifest)


def show_run(output: CommandOutput, manifest: dict[str, Any]) -> None:
    """Show a finished scoring run and its columns as tables, and its warnings."""
    show_columns(output, "列 Columns", [_column_line(column) for column in manifest.get("column_report", [])])
    output.table(
        f"运行 Run {manifest['run']}",
        ("项目 item", "结果 result"),
        [
            ("合同、模型 contract, model", f"{manifest['contract']} · {manifest['model']}"),
            ("接收方 recipient", manifest["recipient"]),
            *_portfolio(manifest),
            ("匹配 matched", f"{manifest['matched']:,}"),
            ("已评分 scored", f"{manifest['scored']:,}"),
            *_not_scored(manifest),
            *([] if manifest.get("charged", True) else [("本次计费 charged this time", "0")]),
            *_charged(manifest),
            _receipts(manifest),
            _fork_detection_row(manifest),
            *_costs(manifest),
            ("结果文件 out", manifest["out"]),
            _keep_until(manifest),
        ],
    )
    show_run_warnings(output, manifest)


def _column_line(column: dict[str, Any]) -> ColumnLine:
    drift = {"watch": "有变化 moved", "stop": "偏离训练样本 far from training"}.get(column.get("drift", ""), "")
    return ColumnLine(column["name"], column["kind"], "", column["missing"], column["unreadable"], drift)


def summarise_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """A run's manifest without ``LONG_FIELDS``."""
    return {name: value for name, value in manifest.items() if name not in LONG_FIELDS}


def _portfolio(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    reasons = ", ".join(f"{reason} {count}" for reason, count in manifest["set_aside_reasons"].items())
    return [
        ("清单行数 rows", f"{manifest['rows']:,}"),
        ("已接受 accepted", f"{manifest['accepted']:,}"),
        ("搁置 set aside", f"{manifest['set_aside']:,}" + (f" ({reasons})" if reasons else "")),
    ]


def _not_scored(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """How many matched enterprises were not scored, and why; only what there is."""
    words = (("skipped", "按名单跳过 skipped"), ("not_rescored", "未能重评 not scored again"))
    return [(text, f"{manifest[name]:,}") for name, text in words if manifest.get(name)]


def _costs(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in manifest["seconds"].items())
    return [
        ("用时 seconds", seconds),
        ("上行、下行 up, down", f"{manifest['bytes_up'] / 1e6:.1f} MB, {manifest['bytes_down'] / 1e6:.1f} MB"),
    ]


def _receipts(manifest: dict[str, Any]) -> tuple[str, str]:
    """How many receipts of each kind; a run that only matches has its receipts of matching under ``receipts``."""
    scored, matched = manifest.get("receipts", []), manifest.get("match_receipts")
    if matched is None:
        scored, matched = [], scored
    return ("回执（求交、评分）receipts (matching, scoring)", f"{len(matched)}, {len(scored)}")


def _charged(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Identifiers that the bureau charged, by its receipts, canaries included; nothing for a run of a former version
    without receipts of matching."""
    if "fork_detection" not in manifest:
        return []
    receipts = manifest.get("match_receipts", manifest.get("receipts", []))
    charged = sum(receipt["entry"]["facts"]["identifiers"] for receipt in receipts)
    return [("计费标识（含校验元素）identifiers charged, canaries included", f"{charged:,}")]


def _fork_detection_row(manifest: dict[str, Any]) -> tuple[str, str]:
    state = str(manifest.get("fork_detection", "off: the run is of a former version without it"))
    return ("分叉检测 fork detection", f"{'已联署' if state.startswith('on') else '关闭'} {state}")


def _keep_until(manifest: dict[str, Any]) -> tuple[str, str]:
    return ("保存至 keep until", manifest["delete_after"])


def show_run_warnings(output: CommandOutput, manifest: dict[str, Any]) -> None:
    """Say what a run warned of, one line each."""
    for warning in manifest["warnings"]:
        output.say(f"注意 note: {warning}")
