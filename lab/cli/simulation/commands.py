"""Commands that run both parties on one machine: ``lab demo`` and ``lab trial``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import InteractionMode, JsonOption, ModelFamily
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.tables.column_table import show_columns, summary_lines
from lab.terms.names import IdKind
from lab.terms.progress import SILENT

if TYPE_CHECKING:
    from lab.simulation.trial.phases import TrialPhases
    from lab.simulation.trial.report import TrialReport

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="演示与试算 Demo and trial, on one machine.")


VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="详细 Show also what the parties' commands say, and every figure.")
]


@app.callback()
def group() -> None:
    """演示与试算 Demo and trial."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """Options of ``lab demo``."""

    rows: Annotated[int, typer.Option(min=1_000, help="城市企业数 Enterprises of the city.")] = 8_000
    portfolio: Annotated[int, typer.Option(min=20, help="银行客户数 Firms in the bank's portfolio.")] = 2_000
    months: Annotated[int, typer.Option(min=6, max=60, help="源文件月数 Months of source files.")] = 6
    seed: Annotated[int, typer.Option(min=0, help="随机种子 Seed of the made-up data.")] = 1
    out: Annotated[
        Path | None, typer.Option(help="输出文件夹 Folder for results (default: shulab-demo/TIME).", show_default=False)
    ] = None
    keep: Annotated[
        bool,
        typer.Option("--keep", help="保留双方的库与密钥 Keep both parties' homes and keys, not only the results."),
    ] = False
    consent: Annotated[
        bool, typer.Option("--consent", help="合同要求企业授权 The contract requires the enterprises' consent.")
    ] = False
    verbose: VerboseOption = False
    as_json: JsonOption = False


@app.command("demo")
@take_options(DemoOptions)
def demo(options: DemoOptions) -> None:
    """演示整个流程（虚构数据） The whole job on made-up data: source files, register, contract, scoring, portraits.

    15 个部门的源文件经映射、质量评估与特征成为登记库；双方各为独立进程，经本机 HTTP 往来。
    Source files of 15 domains become a register by mapping, quality and features. Both parties run as processes of
    their own and meet over HTTP on this machine.
    """
    from lab.simulation.demo import DemoSettings, run_demo
    from lab.simulation.process_monitor import exit_on_sigterm

    output = CommandOutput(json=options.as_json)
    settings = DemoSettings(
        rows=options.rows,
        portfolio=options.portfolio,
        months=options.months,
        seed=options.seed,
        out=_folder(options.out, "shulab-demo"),
        keep=options.keep,
        consent=options.consent,
    )
    with exit_on_sigterm():
        facts = run_demo(settings, output, verbose=options.verbose)
    output.print_result(facts)


@dataclass(frozen=True, kw_only=True)
class TrialOptions:
    """Options of ``lab trial``."""

    bureau_file: Annotated[Path, typer.Argument(metavar="BUREAU.csv", help="数据局文件 The bureau's file.")]
    bank_file: Annotated[
        Path, typer.Argument(metavar="BANK.csv", help="银行文件，含标签 The bank's file, with the label.")
    ]
    id_column: Annotated[str, typer.Option("--id", metavar="COLUMN", help="标识列 Identifier column in both files.")]
    label: Annotated[str, typer.Option(metavar="COLUMN", help="标签列 Label column in the bank's file: 1 bad, 0 good.")]
    id_kind: Annotated[IdKind, typer.Option(help="标识类型 uscc: unified social credit codes.")] = "uscc"
    model: Annotated[ModelFamily, typer.Option(help="模型 Model family.")] = ModelFamily.boosted
    interactions: Annotated[
        InteractionMode, typer.Option(help="每条路径一个银行特征，或不限 One bank feature a path, or free.")
    ] = InteractionMode.one
    engine: Annotated[str, typer.Option(help="求交引擎 Matching engine.")] = "x25519"
    bureau_columns: Annotated[
        str, typer.Option(metavar="A,B", help="只用这些数据局列 Use only these columns of the bureau's file.")
    ] = ""
    bank_columns: Annotated[
        str, typer.Option(metavar="A,B", help="只用这些银行列 Use only these columns of the bank's file.")
    ] = ""
    dictionary: Annotated[
        Path | None,
        typer.Option(
            help="数据项词典 Words and dimensions for both parties' columns (TOML, [items.COLUMN]).", show_default=False
        ),
    ] = None
    bureau_dictionary: Annotated[
        Path | None,
        typer.Option(help="数据局词典 For the bureau's columns, instead of --dictionary.", show_default=False),
    ] = None
    bank_dictionary: Annotated[
        Path | None,
        typer.Option(help="银行词典 For the bank's columns, instead of --dictionary.", show_default=False),
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="随机种子 Seed of the split and the training.")] = 1
    out: Annotated[
        Path | None,
        typer.Option(help="输出文件夹 Folder for results (default: shulab-trial/TIME).", show_default=False),
    ] = None
    verbose: VerboseOption = False
    as_json: JsonOption = False


@app.command("trial")
@take_options(TrialOptions)
def trial(options: TrialOptions) -> None:
    """用两份文件试算 The same job on your own two files, before signing.

    合并行的 70% 明文训练，其余 30% 走真实的加密流程，并与明文结果比较。
    70 % of the joined rows train a model in clear; the other 30 % are scored by the real encrypted service, and the
    scores are compared with those in clear.
    """
    from lab.simulation.process_monitor import exit_on_sigterm, program_start
    from lab.simulation.trial.phases import ANNOUNCED, TrialPhases
    from lab.simulation.trial.settings import TrialSettings
    from lab.simulation.trial.trial import run_trial

    output = CommandOutput(json=options.as_json)
    settings = TrialSettings(
        bureau=options.bureau_file,
        bank=options.bank_file,
        out=_folder(options.out, "shulab-trial"),
        id_column=options.id_column,
        label=options.label,
        id_kind=options.id_kind,
        family=options.model.value,
        interactions=options.interactions.value,
        engine=options.engine,
        bureau_columns=_split(options.bureau_columns),
        bank_columns=_split(options.bank_columns),
        seed=options.seed,
        bureau_dictionary=options.bureau_dictionary or options.dictionary,
        bank_dictionary=options.bank_dictionary or options.dictionary,
    )
    output.say("试算：两份文件都在本机，试点样本以明文合并训练。")
    output.say("Trial: both files are on this machine; the pilot sample is joined in clear to train the model.")
    phases = TrialPhases(
        program_start(), lambda place, words: output.say(f"[{place}/{len(ANNOUNCED)}] {' · '.join(words)}")
    )
    progress = output.progress if options.verbose else SILENT
    with exit_on_sigterm():
        report = run_trial(settings, show=options.verbose, progress=progress, phases=phases)
    with phases.phase("page"):
        from lab.simulation.trial.report import write_report

        page = write_report(report, settings.out / "report.html")
    _show_trial(output, report, phases, page, verbose=options.verbose)
    facts: dict[str, Any] = dict(report.facts) | {
        "phases": phases.totals(),
        "dimensions": [one.as_dict() for one in report.dimensions],
        "warnings": [{"zh": zh, "en": en} for zh, en in report.warnings],
        "column_report": {en: [one.as_dict() for one in columns] for _, en, columns in report.columns.parties},
        "report": str(page),
        "out": str(settings.out),
    }
    output.print_result(facts)


def _show_trial(output: CommandOutput, report: TrialReport, phases: TrialPhases, page: Path, *, verbose: bool) -> None:
    """Show the trial in at most thirty lines; with ``verbose``, every column, figure and warning as well."""
    from lab.simulation.trial.terminal_summary import draw_models, draw_report, summarise_trial

    if verbose:
        for zh, en, columns in report.columns.parties:
            show_columns(output, f"{zh}的列 The {en}'s columns", summary_lines(columns))
        output.show(draw_report(report))
    else:
        output.show(draw_models(report))
    for line in summarise_trial(report, phases.totals()):
        output.say(line)
    output.say(f"报告 report: {page}" + ("" if verbose else "（列、维度与全部数字 columns, dimensions, all figures）"))


def _folder(out: Path | None, name: str) -> Path:
    return (out or Path(name) / datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")).absolute()


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())
