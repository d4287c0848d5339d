"""``lab bank plan``: the smallest contract for a portfolio's jobs, for the bureau to draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.bank.home import BankHome
from lab.cli.bank.options import BureauOptions, IdColumnOption, PortfolioArgument, open_keys
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.tables.column_table import show_columns, summary_lines
from lab.terms.contract.document import Purpose, ResultDetail
from lab.terms.contract.proposal import ContractProposal, JobEstimate
from lab.terms.errors import InvalidInput
from lab.terms.names import ModelRef
from models.shared.features import describe_columns


@dataclass(frozen=True, kw_only=True)
class PlanOptions(BureauOptions):
    """What ``lab bank plan`` takes."""

    portfolio: PortfolioArgument
    model: Annotated[
        str, typer.Option("--model", metavar="NAME[@V]", help="模型 The bureau's model, the newest unless @V.")
    ]
    purpose: Annotated[Purpose, typer.Option("--purpose", help="用途 Coded purpose.")] = Purpose.CREDIT_APPROVAL
    detail: Annotated[
        ResultDetail,
        typer.Option("--detail", help="结果细度 How detailed replies are; more detail costs more and reveals more."),
    ] = ResultDetail.TOTAL
    recipient: Annotated[
        list[str] | None,
        typer.Option(
            "--recipient",
            help="接收方(可重复) Department or system of the bank that gets results (default: the bank's name).",
            show_default=False,
        ),
    ] = None
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="期限(天) Term in days, from the drafting.")] = 14
    retention_days: Annotated[
        int | None,
        typer.Option(
            "--retention-days",
            min=1,
            max=36_600,
            help="保存(天) Days that results may be kept (default: as the term).",
            show_default=False,
        ),
    ] = None
    id_column: IdColumnOption = None
    out: Annotated[
        Path | None,
        typer.Option("--out", help="计划文件 Write the plan here instead of stdout.", show_default=False),
    ] = None


@take_options(PlanOptions)
def plan(options: PlanOptions) -> None:
    """规划最小合同 Write the smallest contract under which this portfolio would be scored, and once again later.

    合同够用于：求交、评分，以及登记或模型变动后重新评分一次。 It is enough to match the portfolio, to score it on the
    same day, and to score it again once after the register or the model has changed.

    向数据局查询模型并在本机测速，企业清单不离开本行。 Asks the bureau about the model and measures this machine;
    nothing of the portfolio is sent. Send the plan to the bureau's officer: `lab officer draft --from PLAN.json`.
    """
    from lab.bank.runs.job_requests import PlanRequest
    from lab.bank.runs.manifest import describe_portfolio
    from lab.bank.scoring.plan import plan_job
    from lab.disk.output_files import write_output_file

    output, home = CommandOutput(options.as_json), options.open_home()
    keys = open_keys(home)
    url, bureau_key = _choose_bureau(home, options.bureau)
    request = PlanRequest(
        options.portfolio,
        ModelRef.parse(options.model),
        purpose=options.purpose,
        detail=options.detail,
        recipients=tuple(options.recipient or ()),
        days=options.days,
        retention_days=options.retention_days,
        id_column=options.id_column,
    )
    with options.connect(url, keys, bureau_key) as client:
        planned = plan_job(home, keys, client, request, progress=output.progress)
    found, facts = planned.proposal, describe_portfolio(planned.portfolio)
    _show_proposal(output, found)
    portfolio = planned.portfolio
    columns = describe_columns(portfolio.frame.drop(portfolio.id_column), row_numbers=portfolio.row_numbers)
    show_columns(output, "列 Columns", summary_lines(columns))
    _show_portfolio(output, facts, planned.portfolio.warnings)
    if options.out is not None:
        write_output_file(options.out, found.to_json().encode())
        output.say(f"计划 plan: {options.out}")
        output.say(f"请数据局执行 ask the bureau to run: lab officer draft --from {options.out.name}")
    elif not options.as_json:
        output.print_text(found.to_json())
    plan_json = found.model_dump(mode="json", by_alias=True)
    counts = {name: facts[name] for name in ("rows", "accepted", "set_aside", "set_aside_reasons")}
    warnings = list(planned.portfolio.warnings)
    output.print_result(
        {
            "out": str(options.out) if options.out else None,
            "plan": plan_json,
            "portfolio": counts,
            "column_report": [one.as_dict() for one in columns],
            "warnings": warnings,
        }
    )


def _show_portfolio(output: CommandOutput, facts: dict[str, Any], warnings: Sequence[str]) -> None:
    """Say which rows of the portfolio the plan leaves out, and what its reader warned of.

    On stderr: the plan itself may go to stdout.
    """
    if facts["set_aside"]:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in facts["set_aside_reasons"].items())
        output.say_on_stderr(
            f"注意 note: 搁置 {facts['set_aside']:,} 行，不计入 rows set aside, not planned for: {reasons}"
        )
    for warning in warnings:
        output.say_on_stderr(f"注意 note: {warning}")


def _choose_bureau(home: BankHome, url: str | None) -> tuple[str, str | None]:
    """The address and pinned key of the bureau: the one that was named, or the only one that this bank has pinned."""
    pins = home.pins()
    if url is None:
        if len(pins) != 1:
            raise InvalidInput(
                "Expected the bureau's address; none is known yet, or several are.", next_step="give --bureau URL"
            )
        return pins[0].url, pins[0].bureau.public_key
    known = [pin for pin in pins if pin.url.rstrip("/") == url.rstrip("/")]
    return url, known[0].bureau.public_key if len(known) == 1 else None


def _show_proposal(output: CommandOutput, found: ContractProposal) -> None:
    ceilings = found.ceilings
    rows: list[tuple[str, str]] = [
        ("模型 model", str(ModelRef(found.model, found.model_version))),
        ("用途 purpose", found.purpose.value),
        ("结果粒度 detail", found.detail.value),
        ("操作 operations", ", ".join(found.operations)),
        ("接收方 recipients", ", ".join(found.recipients)),
        ("标识总数(含校验元素) identifiers in total, canaries included", f"{ceilings.identifiers:,}"),
        ("每次匹配(含校验元素) identifiers per match, canaries included", f"{ceilings.identifiers_per_match:,}"),
        (
            "每户评分 scores per enterprise",
            f"{ceilings.scores_per_enterprise:,} / {ceilings.period_days:,} 天 days: 评分、重新评分各一次 "
            "one score, one rescore",
        ),
        ("每日作业 jobs per day", f"{ceilings.jobs_per_day:,}: 先求交，后评分 a match, then a score"),
        ("每作业企业数 enterprises per job", f"{ceilings.rows_per_job:,}"),
        ("每批企业数 enterprises per batch", f"{ceilings.rows_per_batch:,}"),
        ("期限、保存(天) term, retention (days)", f"{found.days:,}, {found.retention_days:,}"),
    ]
    output.table("最小合同 Smallest contract", ("条款 term", "内容 content"), rows + _estimate_rows(found.estimate))


def _estimate_rows(estimate: JobEstimate | None) -> list[tuple[str, str]]:
    if estimate is None:
        return []
    steps = ", ".join(f"{name} {value:.1f}" for name, value in estimate.seconds.items())
    return [
        ("估计用时(秒) estimated seconds", steps),
        (
            "估计上行、下行 estimated up, down",
            f"{estimate.bytes_up / 1e6:.1f} MB, {estimate.bytes_down / 1e6:.1f} MB",
        ),
    ]
