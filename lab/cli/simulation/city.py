"""``lab bureau generate``: the source files of a made-up city, to try a bureau's data side on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption
from lab.cli.terminal.output import CommandOutput

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="虚构城市 A made-up city.")


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """Options of ``lab bureau generate``."""

    out: Annotated[Path, typer.Option(metavar="DIR", help="输出文件夹，须为空 Folder for the files; empty or absent.")]
    enterprises: Annotated[int, typer.Option(min=100, max=20_000_000, help="企业数 Enterprises.")] = 20_000
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="随机种子 Seed: the same gives the same bytes.")] = 1
    months: Annotated[int, typer.Option(min=3, max=120, help="月数 Months of records before the last.")] = 24
    until: Annotated[str, typer.Option(metavar="YYYY-MM", help="最后月份 The last month.")] = "2026-06"
    clients: Annotated[
        int, typer.Option(min=0, max=10_000_000, help="银行客户数 Firms of the bank; 0: a fifth, 100,000 at most.")
    ] = 0
    threads: Annotated[int, typer.Option(min=1, max=256, help="线程数 Threads; the bytes stay the same.")] = 2
    as_json: JsonOption = False


@app.command("generate")
@take_options(GenerateOptions)
def generate(options: GenerateOptions) -> None:
    """生成虚构城市的源文件 Make up a city: the source files of 15 offices, mappings, deliveries, labels, a bank.

    8 个月约每户 6.8 条记录，24 个月约 16 条；百万户请用 --months 8。 About 6.8 records for each enterprise in 8
    months, and 16 in 24; say --months 8 for a million. What was planted, and the best AUC that any model can reach,
    is in truth.json. Import it with `lab bureau records import --deliveries DIR/deliveries.toml`.
    """
    from lab.simulation.city import CitySettings, generate_city

    out, begun = CommandOutput(options.as_json), time.perf_counter()
    settings = CitySettings(
        enterprises=options.enterprises,
        seed=options.seed,
        months=options.months,
        out=options.out.absolute(),
        until=options.until,
        threads=options.threads,
        clients=options.clients,
    )
    truth = generate_city(settings, out.progress)
    _show(out, truth)
    out.say(f"文件 files: {settings.out}")
    out.say_next_step(f"lab bureau records import --deliveries {settings.out / 'deliveries.toml'}")
    figures = {key: value for key, value in truth.items() if key not in ("rates", "domains")}
    records = {domain: facts["records"] for domain, facts in truth["domains"].items()}
    seconds = round(time.perf_counter() - begun, 3)
    out.print_result(figures | {"records_by_domain": records, "seconds": seconds, "out": str(settings.out)})


def _show(out: CommandOutput, truth: dict[str, Any]) -> None:
    out.table(
        f"虚构城市 A made-up city: {truth['enterprises']:,} 户 enterprises, {truth['records']:,} 条 records",
        ("领域 domain", "文件 files", "记录 records", "行 rows"),
        [
            (domain, facts["files"], f"{facts['records']:,}", f"{facts['rows']:,}")
            for domain, facts in truth["domains"].items()
        ],
    )
    outcomes = truth["outcomes"]
    out.say(
        f"违约 defaults: {outcomes['defaulted']:,} / {outcomes['labelled']:,}; 可达最优 best AUC {outcomes['best_auc']}"
    )
