"""``lab bench``: measures this machine with the real commands of both parties on made-up data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.terminal.option_types import JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.contract.document import ResultDetail

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="基准 Measure this machine, on made-up data.")
Out = Annotated[
    Path | None,
    typer.Option(help="文件夹 Folder for files and homes, kept afterwards [default: one that is removed]."),
]


@app.callback()
def group() -> None:
    """基准 Measure this machine, on made-up data."""


@app.command()
def matching(
    register: Annotated[int, typer.Option(min=1, max=50_000_000, help="登记条数 Register entries.")] = 100_000,
    portfolio: Annotated[int, typer.Option(min=1, max=10_000_000, help="清单行数 Identifiers asked.")] = 10_000,
    engine: Annotated[str, typer.Option(metavar="NAME", help="求交引擎 Matching engine.")] = "x25519",
    processes: Annotated[int, typer.Option(min=0, max=1024, help="进程数 Processes of each party; 0: one a core.")] = 0,
    cluster: Annotated[
        str, typer.Option(metavar="ADDRESS", help="集群 Dask scheduler that evaluates the register.")
    ] = "",
    out: Out = None,
    as_json: JsonOption = False,
) -> None:
    """求交基准 Match end to end over HTTP: import, evaluate, contract, download, blind, answer, look up.

    双方各为独立进程。 Each party runs as its own process. Set-up runs once for a register version, the online part once
    for a portfolio.
    """
    from lab.simulation.bench.matching import MatchingWorkload, measure

    output = CommandOutput(json=as_json)
    with _folder(out) as folder:
        workload = MatchingWorkload(register, portfolio, engine, folder, processes, cluster)
        facts = measure(workload, output.progress)
    output.table(
        f"求交基准 Matching: {engine} ({facts['path']})",
        ("项目 item", "结果 result"),
        _rows(facts),
    )
    output.table(
        "处理器时间(秒) Processor seconds",
        ("阶段 phase", "进程 process", "运算 arithmetic", "其余 rest", "合计 total"),
        _processor_rows(facts["processor"]),
    )
    output.print_result(facts)


@app.command()
def scoring(
    enterprises: Annotated[int, typer.Option(min=1, max=10_000_000, help="评分户数 Enterprises scored.")] = 16_384,
    columns: Annotated[int, typer.Option(min=2, max=1000, help="密文列数 Ciphertext columns of the model.")] = 80,
    trees: Annotated[int, typer.Option(min=1, max=2000, help="树数 Trees of the model.")] = 200,
    parameters: Annotated[str, typer.Option(metavar="NAME", help="参数集 Parameter set.")] = "bgv-8192-a",
    peer: Annotated[
        bool, typer.Option("--peer/--no-peer", help="并测 Concrete-ML（须先 make peers） Concrete-ML too, if set up.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """评分基准 Score alone, on one core: encrypt, evaluate, decrypt, and compare with LightGBM in clear.

    时间为单核处理器时间。 Times are processor time of one core. The model is first trained on made-up data.
    """
    from lab.simulation.bench.scoring import ScoringWorkload, measure

    output = CommandOutput(json=as_json)
    facts = measure(ScoringWorkload(enterprises, columns, trees, parameters, peer), output.progress)
    output.table(
        f"评分基准 Scoring: {parameters}, {facts['columns']} × {trees}", ("项目 item", "结果 result"), _scores(facts)
    )
    output.print_result(facts)


@app.command()
def portrait(
    enterprises: Annotated[int, typer.Option(min=1, max=10_000_000, help="清单户数 Firms asked about.")] = 100_000,
    register: Annotated[int, typer.Option(min=1, max=50_000_000, help="登记户数 Firms in the register.")] = 200_000,
    columns: Annotated[int, typer.Option(min=2, max=1000, help="密文列数 Ciphertext columns of the model.")] = 80,
    detail: Annotated[ResultDetail, typer.Option(help="合同的粒度 Detail of the contract.")] = ResultDetail.DIMENSIONS,
    out: Out = None,
    as_json: JsonOption = False,
) -> None:
    """画像基准 From a portfolio file to portraits over HTTP: match, encrypt, evaluate, decrypt, write.

    双方各为独立进程；登记已导入并求值。 Each party runs as its own process. The register is imported and evaluated
    beforehand.
    """
    from lab.simulation.bench.end_to_end import EndToEndWorkload, measure

    output = CommandOutput(json=as_json)
    with _folder(out) as folder:
        workload = EndToEndWorkload(enterprises, register, columns, detail, folder)
        facts = measure(workload, output.progress)
    steps = [(f"其中 of it: {name}", f"{value:.1f} s") for name, value in facts["seconds_by_step"].items()]
    output.table(
        f"画像基准 Portraits: {facts['columns']} × {facts['outputs']}, {facts['engine']}",
        ("项目 item", "结果 result"),
        [
            ("登记户数 × 清单户数 register × portfolio", f"{register:,} × {enterprises:,}"),
            ("评分户数 scored", f"{facts['scored']:,}"),
            ("从文件到画像 from file to portraits", f"{facts['seconds_end_to_end']:.1f} s"),
            *steps,
            ("处理器时间 processor, bureau / bank", f"{facts['cpu_bureau']:.1f} / {facts['cpu_bank']:.1f} s"),
            ("画一户画像 one portrait drawn", f"{facts['seconds_one_portrait']:.1f} s"),
            ("上行、下行 up, down", f"{facts['bytes_up'] / 1e6:.1f} MB, {facts['bytes_down'] / 1e6:.1f} MB"),
            (
                "内存峰值 peak memory, bureau / bank",
                f"{facts['peak_rss_bureau'] / 2**20:,.0f} / {facts['peak_rss_bank'] / 2**20:,.0f} MiB",
            ),
        ],
    )
    output.print_result(facts)


@app.command()
def register(
    enterprises: Annotated[int, typer.Option(min=1_000, max=10_000_000, help="企业数 Enterprises.")] = 20_000,
    months: Annotated[int, typer.Option(min=3, max=120, help="月数 Months of source files.")] = 8,
    out: Out = None,
    as_json: JsonOption = False,
) -> None:
    """登记库基准 A made-up city from source files to features: generate, import, assess, compute, look at one firm.

    每步旁列出下限：DuckDB 不带规则读写同样的字节。 Beside each step is its floor: DuckDB reading and writing the same
    bytes without our rules. 6.8 million records: --enterprises 1000000.
    """
    from lab.simulation.bench.register import RegisterWorkload, measure

    output = CommandOutput(json=as_json)
    with _folder(out) as folder:
        facts = measure(RegisterWorkload(enterprises, months, folder), output.progress)
    output.table(
        f"登记库基准 Register: {enterprises:,} 户 enterprises, {facts['records']:,} 条 records",
        ("步骤 step", "秒 seconds", "下限 floor", "倍数 ratio"),
        [
            (
                label,
                f"{facts[f'seconds_{name}']:,.3f}",
                f"{facts[f'floor_seconds_{name}']:,.3f}",
                f"{facts[f'{name}_over_floor']:,.1f}",
            )
            for name, label in _REGISTER_STEPS.items()
        ],
    )
    megabytes = f"{facts['bytes_source'] / 1e6:,.0f} → {facts['bytes_on_disk'] / 1e6:,.0f} MB"
    output.say(f"源文件 → 落盘 source files → on disk: {megabytes}; {facts['rows_set_aside']:,} 行搁置 rows set aside")
    output.say(f"内存峰值 peak memory: {facts['peak_rss'] / 2**20:,.0f} MiB")
    output.print_result(facts)


_REGISTER_STEPS = {
    "generate": "生成 generate",
    "import": "导入 import",
    "quality": "评估质量 assess quality",
    "features": "计算特征 compute features",
    "as_of": "单户截至某日 one firm as of a day",
}


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """The folder given, or a temporary one. Processes that were started end with it."""
    from lab.simulation.process_monitor import exit_on_sigterm

    place = nullcontext(str(out)) if out is not None else tempfile.TemporaryDirectory(prefix="shulab-bench-")
    with exit_on_sigterm(), place as folder:
        yield Path(folder).absolute()


def _scores(facts: dict[str, Any]) -> list[tuple[str, str]]:
    seconds = facts["concrete_ml_seconds_per_enterprise"]
    return [
        ("户数 enterprises", f"{facts['enterprises']:,}"),
        ("加密(微秒/户) encrypt, µs each", f"{facts['us_per_enterprise_encrypt']:.1f}"),
        ("密文求值 evaluate, µs each", f"{facts['us_per_enterprise_evaluate']:.1f}"),
        ("解密 decrypt, µs each", f"{facts['us_per_enterprise_decrypt']:.1f}"),
        ("取权重 get weights from the model, µs each", f"{facts['us_per_enterprise_terms']:.1f}"),
        ("明文 LightGBM in clear, µs each", f"{facts['us_per_enterprise_plain_lightgbm']:.1f}"),
        ("求值为明文之倍数 evaluate over LightGBM", f"{facts['evaluate_over_lightgbm']:.2f}"),
        (
            "下限 floor, µs each",
            f"{facts['floor_us_per_enterprise']:.1f} ({facts['floor_ntts_per_batch']} × "
            f"{facts['floor_us_per_ntt']:.0f} µs NTT, {facts['floor_bytes_per_batch'] / 1e6:.1f} MB)",
        ),
        ("求值为下限之倍数 evaluate over floor", f"{facts['evaluate_over_floor']:.2f}"),
        (
            "上行、下行(字节/户) up, down, bytes each",
            f"{facts['bytes_up_per_enterprise']:,.0f}, {facts['bytes_down_per_enterprise']:,.0f}",
        ),
        ("内存峰值 peak memory", f"{facts['peak_rss'] / 2**20:,.0f} MiB"),
        ("最大误差 largest error, raw score", f"{facts['max_abs_error']:.1e}"),
        (
            "Concrete-ML（秒/户） seconds each",
            "- (make peers)" if seconds is None else f"{seconds:,.1f} (× {facts['concrete_ml_over_ours']:,})",
        ),
    ]


def _processor_rows(phases: dict[str, dict[str, dict[str, float]]]) -> list[tuple[str, ...]]:
    names = {"setup": "准备 set-up", "online": "在线 online"}
    return [
        (names[phase], process, *(f"{split[column]:.2f}" for column in ("arithmetic", "rest", "total")))
        for phase, processes in phases.items()
        for process, split in processes.items()
    ]


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("登记条数 × 清单行数 register × portfolio", f"{facts['register']:,} × {facts['portfolio']:,}"),
        ("匹配 matched", f"{facts['matched']:,}"),
        ("准备(秒) set-up, seconds", f"{facts['seconds_setup']:.1f}"),
        ("在线(秒) online, seconds", f"{facts['seconds_online']:.1f}"),
        ("每条登记(微秒) set-up an entry, µs", f"{facts['seconds_setup'] / facts['register'] * 1e6:.1f}"),
        ("每个标识(微秒) online an identifier, µs", f"{facts['seconds_online'] / facts['portfolio'] * 1e6:.1f}"),
        ("上行、下行 up, down", f"{facts['bytes_up'] / 1e6:.1f} MB, {facts['bytes_down'] / 1e6:.1f} MB"),
        (
            "每条登记比特 bits an entry, and the least",
            f"{facts['setup_bits_an_entry']:.2f}, {facts['bound_bits_an_entry']}",
        ),
        (
            "内存峰值 peak memory, bureau / bank",
            f"{facts['peak_rss_bureau'] / 2**20:,.0f} / {facts['peak_rss_bank'] / 2**20:,.0f} MiB",
        ),
    ]
