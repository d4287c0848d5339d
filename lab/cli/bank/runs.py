"""``lab bank runs``: the bank's runs, listed and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.bank.home import BankHome, default_home
from lab.bank.runs.metadata import RunKind, read_run_metadata
from lab.cli.bank.options import BankHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import InvalidInput

if TYPE_CHECKING:
    from lab.bank.runs.store import FinishedRun

_FORMER_VERSION_NOTE = (
    "由旧版本开始，无法继续；重新执行即为新作业，另行计费 "
    "begun by a former version and cannot be resumed: the same command starts a new job, which is charged again"
)
RUN_KIND_LABELS = {
    RunKind.SCORE: "评分 score",
    RunKind.RESCORE: "重新评分 rescore",
    RunKind.MATCH: "隐私求交 match",
    RunKind.COUNT: "隐私计数 count",
}


LONG_FIELDS = ("receipts", "match_receipts", "cosigned", "schema", "warnings")
"""Fields of a manifest that are long, or say nothing about the run."""


def runs(
    run: Annotated[str | None, typer.Argument(help="运行编号 Show one run.", show_default=False)] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="总览网页 Write an overview page of a scoring run here.", show_default=False),
    ] = None,
    home: BankHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """历次运行 List the bank's runs, newest first; or show one, and write an overview page of a scoring run."""
    from lab.bank.portraits.pages.overview_page import overview_page
    from lab.bank.portraits.scored_run import ScoredRun
    from lab.bank.runs.store import find_finished_run
    from lab.disk.private_files import replace_private

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    if run is None and html is None:
        _list(output, opened)
        return
    is_match = run is not None and (opened.matches / Path(run).name).is_dir()
    found = find_finished_run(opened.matches if is_match else opened.runs, run)
    if html is not None:
        _require_scoring_run(found, is_match)
    show = show_match if is_match else show_run
    show(output, found.manifest)
    if html is not None:
        replace_private(html.absolute(), overview_page(ScoredRun.open(found)).encode())
        output.say(f"总览网页 page: {html}")
    output.print_result(found.manifest | {"html": str(html) if html else None})


def _require_scoring_run(found: FinishedRun, is_match: bool) -> None:
    if is_match:
        raise InvalidInput(
            f"Expected a scoring run for an overview page; run {found.folder.name} did not score.",
            next_step="see `lab bank runs` without --html, or name a scoring run",
        )


def _list(output: CommandOutput, home: BankHome) -> None:
    from lab.bank.runs.store import finished_runs, unfinished_run_folders

    manifests = [found.manifest for found in finished_runs(home.runs, home.matches)]
    output.table(
        "历次运行 Runs",
        ("运行 run", "类别 kind", "合同 contract", "行 rows", "匹配 matched", "评分 scored", "完成 finished"),
        [_run_row(manifest) for manifest in manifests],
        whole="运行 run",
    )
    unfinished = [_show_unfinished(output, folder) for folder in unfinished_run_folders(home.runs, home.matches)]
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


def _show_unfinished(output: CommandOutput, folder: Path) -> dict[str, Any]:
    """Say that a run is unfinished and what to do; returns its facts."""
    metadata = read_run_metadata(folder)
    can_resume = metadata is None or metadata.can_resume
    words = f"{RUN_KIND_LABELS[metadata.kind]} · {metadata.contract} · " if metadata else ""
    how = "重新执行同一命令即可继续 the same command resumes it" if can_resume else _FORMER_VERSION_NOTE
    output.say(f"未完成 unfinished: {words}{folder.name} ({how})")
    facts = {
        "run": folder.name,
        "kind": metadata and metadata.kind.value,
        "contract": metadata and metadata.contract,
    }
    return facts if can_resume else facts | {"goes_on": False}


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
    _warn(output, manifest)


def show_run(output: CommandOutput, manifest: dict[str, Any]) -> None:
    """Show a finished scoring run as a table, and its warnings."""
    output.table(
        f"运行 Run {manifest['run']}",
        ("项目 item", "结果 result"),
        [
            ("合同、模型 contract, model", f"{manifest['contract']} · {manifest['model']}"),
            ("接收方 recipient", manifest["recipient"]),
            *_portfolio(manifest),
            ("匹配 matched", f"{manifest['matched']:,}"),
            ("已评分 scored", f"{manifest['scored']:,}"),
            *_not_rescored(manifest),
            *_charged(manifest),
            _receipts(manifest),
            _fork_detection_row(manifest),
            *_costs(manifest),
            ("结果文件 out", manifest["out"]),
            _keep_until(manifest),
        ],
    )
    _warn(output, manifest)


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


def _not_rescored(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Only for a run that scored an earlier one again."""
    return [("未重评 not rescored", f"{manifest['not_rescored']:,}")] if "not_rescored" in manifest else []


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


def _warn(output: CommandOutput, manifest: dict[str, Any]) -> None:
    for warning in manifest["warnings"]:
        output.say(f"注意 note: {warning}")
