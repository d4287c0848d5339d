"""``lab bench``: how fast this machine is, measured by the real commands of both parties on made-up data."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.choices import AsJson
from lab.cli.output import Output

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="基准 Measure this machine, on made-up data.")


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
    out: Annotated[
        Path | None,
        typer.Option(help="文件夹 Folder for files and homes, kept afterwards [default: one that is removed]."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """求交基准 Match end to end: import, evaluate, contract, download, blind, answer, look up, over HTTP.

    双方各为独立进程。 Both parties run as processes of their own. Set-up is once a register version, online once a
    portfolio.
    """
    from lab.rehearsal.bench.matching import Measurement, measure
    from lab.rehearsal.stage import orderly_end

    output = Output(json=as_json)
    place = nullcontext(str(out)) if out is not None else tempfile.TemporaryDirectory(prefix="shulab-bench-")
    with orderly_end(), place as folder:
        what = Measurement(register, portfolio, engine, Path(folder).absolute(), processes, cluster)
        facts = measure(what, output.progress)
    output.table(
        f"求交基准 Matching: {engine} ({facts['path']})",
        ("项目 item", "结果 result"),
        _rows(facts),
    )
    output.result(facts)


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
