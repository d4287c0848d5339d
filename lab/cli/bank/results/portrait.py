"""``lab bank portrait``: one enterprise's portrait in the terminal and as a page, or a folder of many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lab.cli.bank.options import HomeOptions, RunOption
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import InvalidInput

if TYPE_CHECKING:
    from lab.bank.portraits.scored_run import ScoredRun


@dataclass(frozen=True, kw_only=True)
class PortraitOptions(HomeOptions):
    """What ``lab bank portrait`` takes."""

    code: Annotated[
        str | None,
        typer.Argument(help="统一社会信用代码 The enterprise's code (default: the first scored).", show_default=False),
    ] = None
    html: Annotated[Path | None, typer.Option("--html", help="网页文件 Write a page here.", show_default=False)] = None
    every: Annotated[
        bool, typer.Option("--all", help="全部 Draw every scored enterprise into --folder, with an index.")
    ] = False
    listed: Annotated[
        Path | None,
        typer.Option(
            "--list",
            help="名单 Draw the enterprises of a table of codes into --folder, with an index.",
            show_default=False,
        ),
    ] = None
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="文件夹 A new or empty folder for --all and --list.", show_default=False),
    ] = None
    lang: Annotated[Literal["zh", "en", "both"], typer.Option("--lang", help="语言 Language of the page.")] = "both"
    run: RunOption = None


@take_options(PortraitOptions)
def portrait(options: PortraitOptions) -> None:
    """企业信用画像 Draw one enterprise's portrait, in the terminal and as a page; or many, as a folder of pages.

    批量：`--all --folder DIR` 为每户生成一页，并附目录。 In a batch each enterprise has a page, and index.html
    lists them. Nothing is sent, and nothing is charged.
    """
    from lab.bank.portraits.scored_run import ScoredRun
    from lab.bank.runs.store import find_finished_run

    output, home = CommandOutput(options.as_json), options.open_home()
    many = options.every or options.listed is not None
    _check_options(options, many)
    scored_run = ScoredRun.open(find_finished_run(home.runs, options.run))
    if many:
        _draw_many(output, scored_run, options)
    else:
        _draw_one(output, scored_run, options)


def _check_options(options: PortraitOptions, many: bool) -> None:
    alone = many and (options.code is not None or options.html is not None)
    if alone or (options.every and options.listed is not None) or many is (options.folder is None):
        raise InvalidInput(
            "Expected either a CODE, with --html for a page, or --all or --list FILE with --folder DIR.",
            next_step="see `lab bank portrait --help`",
        )


def _draw_one(output: CommandOutput, scored_run: ScoredRun, options: PortraitOptions) -> None:
    from lab.bank.portraits.pages.portrait_page import portrait_page
    from lab.bank.portraits.pages.terminal_portrait import draw_portrait_panel
    from lab.disk.output_files import write_output_file

    drawn = scored_run.portrait(options.code)
    output.show(draw_portrait_panel(drawn))
    for warning in scored_run.warnings:
        output.say(f"注意 note: {warning}")
    if options.html is not None:
        page = portrait_page(drawn, scored_run.sheet, lang=options.lang, warnings=scored_run.warnings)
        write_output_file(options.html, page.encode())
        output.say(f"画像网页 page: {options.html}")
    output.print_result(
        {
            "run": scored_run.run.folder.name,
            "html": str(options.html) if options.html else None,
            "warnings": list(scored_run.warnings),
            "portrait": drawn.as_dict(),
        }
    )


def _draw_many(output: CommandOutput, scored_run: ScoredRun, options: PortraitOptions) -> None:
    from lab.bank.portraits.portrait_folder import write_portraits
    from lab.tables.code_list import read_code_list

    rows, absent, warnings = list(range(len(scored_run.codes))), 0, list(scored_run.warnings)
    if options.listed is not None:
        found = read_code_list(options.listed, scored_run.id_kind)
        rows, absent = scored_run.rows_of(found.codes)
        warnings += found.warnings
    if absent:
        warnings.append(
            f"{absent:,} enterprises of the list were not scored in this run and have no portrait · "
            f"名单中有 {absent:,} 户未在本次运行中评分，没有画像"
        )
    folder = options.folder or Path()
    written = write_portraits(scored_run, rows, folder, lang=options.lang, progress=output.progress)
    output.say(f"画像 portraits: {written.count:,}, {written.bytes / 1e6:,.1f} MB")
    output.say(f"目录 index: {folder / 'index.html'}")
    for warning in warnings:
        output.say(f"注意 note: {warning}")
    output.print_result(
        {
            "run": scored_run.run.folder.name,
            "folder": str(written.folder),
            "portraits": written.count,
            "not_scored": absent,
            "bytes": written.bytes,
            "warnings": warnings,
        }
    )
