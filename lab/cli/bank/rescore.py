"""``lab bank rescore`` and ``lab bank drift``: new scores for a finished run, and two runs compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank.options import (
    BankHomeOption,
    BureauOptions,
    JsonOption,
    ModelOption,
    RecipientOption,
    open_keys,
)
from lab.cli.bank.results.reporting import results_are_kept
from lab.cli.bank.results.runs import show_run, summarise_manifest
from lab.cli.bank.tidy import show_expired_reminder
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from lab.terms.names import ModelRef

if TYPE_CHECKING:
    from lab.bank.portraits.drift import DriftReport
    from lab.bank.runs.store import FinishedRun
    from lab.bank.scoring.rescore import RescoringResult


@dataclass(frozen=True, kw_only=True)
class RescoreOptions(BureauOptions):
    """What ``lab bank rescore`` takes."""

    run: Annotated[
        str | None, typer.Argument(help="运行编号 A finished run (default: the latest).", show_default=False)
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="结果文件 Where results go: .parquet, .csv or .xlsx [default: beside the run's, named by the run].",
            show_default=False,
        ),
    ] = None
    model: ModelOption = None
    recipient: RecipientOption = None


@take_options(RescoreOptions)
def rescore(options: RescoreOptions) -> None:
    """重新评分 Score a run's enterprises again, after the register or the model has changed.

    Nothing is encrypted and no ciphertext is sent: the bureau still has the run's batches, by the contract's retention.
    Each score is charged; while nothing has changed, nothing is charged. The same command resumes a job that was
    stopped.
    """
    from lab.bank.runs.job_requests import RescoringRequest
    from lab.bank.runs.store import find_finished_run
    from lab.bank.scoring.rescore import rescore as rescore_run

    output, home = CommandOutput(options.as_json), options.open_home()
    old = find_finished_run(home.runs, options.run)
    keys = open_keys(home)
    signed = home.contract(str(old.manifest["contract"]))
    request = RescoringRequest(
        old, options.out, model=ModelRef.parse(options.model) if options.model else None, recipient=options.recipient
    )
    with options.connect_for(home, keys, signed) as client:
        result = rescore_run(home, keys, client, request, progress=output.progress)
    with results_are_kept(result.run):
        _show_rescored(output, home, old, result)


def _show_rescored(output: CommandOutput, home: BankHome, old: FinishedRun, result: RescoringResult) -> None:
    from lab.bank.portraits.drift import compare_runs
    from lab.bank.portraits.scored_run import ScoredRun
    from lab.bank.runs.store import find_finished_run

    register, model_name = f"{result.origin.register}-{result.origin.version}", result.origin.model
    if result.manifest is None:
        output.say(f"登记与模型均未变动，未计费 nothing has changed, nothing was charged: {register}, {model_name}")
        output.say(f"现行结果 present results: {result.run}")
        if result.given_out is not None:
            output.say(f"结果文件 out: {result.given_out}")
        facts = {"changed": False, "run": result.run, "register": register, "model": model_name}
        output.print_result(facts | ({"out": str(result.given_out)} if result.given_out else {}))
        return
    show_run(output, result.manifest)
    moved = compare_runs(ScoredRun.open(old), ScoredRun.open(find_finished_run(home.runs, result.run)))
    _show_drift(output, moved)
    show_expired_reminder(output, home)
    output.print_result({"changed": True} | summarise_manifest(result.manifest) | {"drift": moved.as_dict()})


def drift(
    old: Annotated[str, typer.Argument(metavar="RUN_OLD", help="前次运行 The earlier run.")],
    new: Annotated[str, typer.Argument(metavar="RUN_NEW", help="本次运行 The later run.")],
    html: Annotated[Path | None, typer.Option("--html", help="网页文件 Write a page here.", show_default=False)] = None,
    lang: Annotated[Literal["zh", "en", "both"], typer.Option("--lang", help="语言 Language of the page.")] = "both",
    home: BankHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """评分变动 Compare two runs: stability of scores and dimensions, and changed grades. Nothing is sent."""
    from lab.bank.portraits.drift import compare_runs
    from lab.bank.portraits.pages.drift_page import drift_page
    from lab.bank.portraits.scored_run import ScoredRun
    from lab.bank.runs.store import find_finished_run
    from lab.disk.output_files import write_output_file

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    opened_runs = [ScoredRun.open(find_finished_run(opened.runs, name)) for name in (old, new)]
    moved = compare_runs(*opened_runs)
    _show_drift(output, moved)
    if html is not None:
        write_output_file(html, drift_page(moved, bank=opened.name, lang=lang).encode())
        output.say(f"变动网页 page: {html}")
    warnings = [f"{run.run.folder.name}: {warning}" for run in opened_runs for warning in run.warnings]
    for warning in warnings:
        output.say(f"注意 note: {warning}")
    output.print_result(moved.as_dict() | {"html": str(html) if html else None, "warnings": warnings})


def _show_drift(output: CommandOutput, moved: DriftReport) -> None:
    from lab.bank.portraits.drift import SHIFTED_ABOVE, STABLE_BELOW, THRESHOLD_SOURCE
    from lab.bank.portraits.pages.drift_page import LEVEL_LABELS, stability_labels

    output.table(
        f"评分变动 Drift {moved.old} → {moved.new}",
        ("项目 number", "指数 PSI", "偶然上限 chance", "前次平均 before", "本次平均 now", "判读 reading"),
        [
            [
                " ".join(stability_labels(shift.name)),
                f"{shift.index:.3f}",
                f"{shift.chance:.3f}",
                f"{shift.mean_before:.1f}",
                f"{shift.mean_now:.1f}",
                " ".join(LEVEL_LABELS[shift.level]),
            ]
            for shift in moved.shifts
        ],
    )
    output.table(
        "等级迁移 Grades before and now (前次 before ↓, 本次 now →)",
        ("", *moved.grades),
        [
            [grade, *(f"{count:,}" if count else "·" for count in counts)]
            for grade, counts in zip(moved.grades, moved.moves, strict=True)
        ],
    )
    output.say(
        f"等级变动 changed grade: {100 * moved.moved_share:.1f}% (上调 better {moved.better:,}, 下调 worse "
        f"{moved.worse:,}; 界线误差内 within the error of a cut-off {moved.near:,})"
    )
    output.say(
        f"PSI < {STABLE_BELOW} 稳定 stable, ≤ {SHIFTED_ABOVE} 关注 watch, > {SHIFTED_ABOVE} 已偏移 moved: "
        f"{THRESHOLD_SOURCE}"
    )
