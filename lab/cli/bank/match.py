"""``lab bank match`` and ``lab bank count``: matching without scoring, and counting without matching."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.bank.options import PortfolioOptions, open_keys
from lab.cli.bank.results.reporting import require_matches, results_are_kept
from lab.cli.bank.results.runs import show_match, summarise_manifest
from lab.cli.bank.tidy import show_expired_reminder
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput


@dataclass(frozen=True, kw_only=True)
class MatchOptions(PortfolioOptions):
    """What ``lab bank match`` takes."""

    out: Annotated[Path, typer.Option("--out", help="结果文件 Where the result goes: .parquet, .csv or .xlsx.")]


@take_options(MatchOptions)
def match(options: MatchOptions) -> None:
    """隐私求交 Match a portfolio under a contract, without scoring it.

    数据局只获知数量。 The bureau learns how many codes were asked; it learns which ones match only when they are
    scored. Every row ends as matched, not-matched or set-aside with a reason. The same command resumes a job that was
    stopped. What was matched once under a contract is not sent or charged again, by `lab bank score` either.
    """
    from lab.bank.matching.match_job import match_portfolio
    from lab.bank.runs.job_requests import MatchRequest

    output, home = CommandOutput(options.as_json), options.open_home()
    keys = open_keys(home)
    request = MatchRequest(
        options.portfolio, options.contract, options.out, id_column=options.id_column, processes=options.processes
    )
    with options.connect_for(home, keys, home.contract(options.contract)) as client:
        manifest = match_portfolio(home, keys, client, request, progress=output.progress)
    with results_are_kept(manifest["run"]):
        show_match(output, manifest)
        show_expired_reminder(output, home)
        output.print_result(summarise_manifest(manifest))
    require_matches(manifest)


@take_options(PortfolioOptions)
def count(options: PortfolioOptions) -> None:
    """隐私计数 Count how many of a portfolio's enterprises match, and learn nothing more.

    双方都不知道是哪些企业。 Neither side learns which ones match. The contract must allow counting, and the portfolio
    must have at least 100 usable codes. The same command resumes a job that was stopped, without new charges.
    """
    from lab.bank.matching.match_job import count_portfolio
    from lab.bank.runs.job_requests import CountRequest

    output, home = CommandOutput(options.as_json), options.open_home()
    keys = open_keys(home)
    request = CountRequest(
        options.portfolio, options.contract, id_column=options.id_column, processes=options.processes
    )
    with options.connect_for(home, keys, home.contract(options.contract)) as client:
        manifest = count_portfolio(home, keys, client, request, progress=output.progress)
    with results_are_kept(manifest["run"]):
        show_match(output, manifest)
        show_expired_reminder(output, home)
        output.print_result(summarise_manifest(manifest))
    require_matches(manifest)
