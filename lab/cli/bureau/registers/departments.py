"""``lab bureau quality departments``: the league table of departments, of one assessment or of a year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.quality.assessment import Assessment
from lab.bureau.data.quality.department_ranking import (
    DepartmentRank,
    last_of_each_month,
    rank_departments,
    tabulate_ranks,
)
from lab.bureau.data.quality.kept_assessments import KeptAssessment, choose_kept, list_kept, read_kept
from lab.cli.bureau.registers.quality_tables import plain_score, table_bytes
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.disk.output_files import check_output_file, write_output_file
from lab.terms.errors import NotFound


def departments(
    year: Annotated[
        int | None,
        typer.Option(min=2000, max=2200, help="年度 Review a year: the last assessment of each month counts."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="表格 Also write the table: .csv or .xlsx.")
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """部门排名 League table of the owner departments, of the last assessment or of a year."""
    out = CommandOutput(as_json)
    if output is not None:
        check_output_file(output)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            kept, before = _choose(list_kept(session), choose_kept(session, ""), year)
        counted = [read_kept(bureau.home, one) for one in kept]
        earlier = read_kept(bureau.home, before) if before is not None else None
    ranks = rank_departments(counted, earlier)
    if output is not None:
        write_output_file(output, table_bytes(tabulate_ranks(ranks), output, "departments"))
    _show(out, ranks, counted, year)
    if output is not None:
        out.say(f"表格已写入 Table written: {output}")
    out.print_result(
        {
            "year": year,
            "days": [one.day for one in counted],
            "compared_with": earlier.day if earlier else None,
            "departments": [asdict(one) for one in ranks],
            "out": str(output) if output else None,
        }
    )


def _choose(
    history: Sequence[KeptAssessment], last: KeptAssessment, year: int | None
) -> tuple[list[KeptAssessment], KeptAssessment | None]:
    """The assessments that count, and the one that they are compared with."""
    counted = [last] if year is None else last_of_each_month(history, year)
    if not counted:
        raise NotFound(
            "Expected an assessment of quality in this year; found none.",
            next_step="`lab bureau quality history` lists them",
        )
    start = counted[0].day if year is None else f"{year:04d}-01-01"
    earlier = [one for one in history if one.day < start]
    return counted, earlier[-1] if earlier else None


def _show(out: CommandOutput, ranks: Sequence[DepartmentRank], counted: Sequence[Assessment], year: int | None) -> None:
    when = f"{year} ({len(counted)} 个月 months)" if year is not None else counted[-1].day
    rows = [
        (
            one.place or "-",
            f"{one.zh} {one.en}",
            f"{plain_score(one.score)} {one.grade[0]}",
            "-" if one.change is None else f"{one.change:+.2f}",
            f"{one.late_days}/{one.missing_periods}",
            f"{one.warnings}/{one.blocks}",
        )
        for one in ranks
    ]
    columns = (
        "名次 place",
        "部门 department",
        "得分 score",
        "变化 change",
        "迟送天数/缺期 late/missing",
        "告警/阻断 warn/block",
    )
    out.table(f"部门排名 Departments, {when}", columns, rows)
