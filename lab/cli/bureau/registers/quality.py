"""``lab bureau quality``: assess the records, show what was found, rank the departments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.quality.assessment import Assessment
from lab.bureau.data.quality.department_ranking import rank_departments
from lab.bureau.data.quality.fault_lists import list_faults
from lab.bureau.data.quality.kept_assessments import KeptAssessment, choose_kept, list_kept, read_kept
from lab.bureau.data.quality.pages import render_quality_page
from lab.bureau.data.quality.quality_service import AssessmentRequest, QualityService
from lab.bureau.data.quality.rules import write_default_rules
from lab.bureau.data.records import RecordStore
from lab.bureau.ledger import LOCAL_ACTOR
from lab.cli.bureau.registers.departments import departments
from lab.cli.bureau.registers.quality_tables import (
    assessment_facts,
    kept_facts,
    show_assessment,
    show_history,
    show_outcome,
    table_bytes,
)
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.disk.output_files import check_output_file, write_output_file

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="数据质量 Quality: assess the records, report, rank departments."
)

_DAY = ["%Y-%m-%d"]
DayOption = Annotated[
    datetime | None,
    typer.Option(formats=_DAY, help="评估日 Day for which deliveries are judged [default: of the newest delivery]."),
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=_DAY, help="截至 The records known at the end of this day [default: now]."),
]
ChosenOption = Annotated[
    str, typer.Option("--assessment", metavar="SHA256", help="评估 Which one, by its hash [default: the last made].")
]


@app.callback()
def group() -> None:
    """数据质量 Quality: assess the records, report, rank departments."""


@app.command()
def assess(
    as_of: AsOfOption = None,
    day: DayOption = None,
    baseline: Annotated[
        datetime | None,
        typer.Option(
            formats=_DAY,
            help="对比日 Compare records known later with those known by then [default: 31 days before the newest].",
        ),
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """评估质量 Check the records: complete, unique, valid, in time, consistent, stable; recorded in the ledger.

    不合格则不得发布。 Records that it blocks are not published. The same records again give the same assessment.
    """
    out = CommandOutput(as_json)
    days = (one.date() if one is not None else None for one in (as_of, day, baseline))
    with Bureau.open(home or default_folder()) as bureau:
        records = RecordStore(bureau.home, bureau.store, bureau.keys)
        service = QualityService(bureau.home, bureau.store, records, bureau.now)
        done = service.assess(AssessmentRequest(*days), by=LOCAL_ACTOR, progress=out.progress)
    show_outcome(out, done)
    out.print_result(kept_facts(done.kept) | {"new": done.new, "blocking": list(done.assessment.blocking)})


@app.command()
def report(
    chosen: ChosenOption = "",
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="网页 Write it as one page that needs nothing else.")
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """质量报告 Show an assessment: domains, departments, and the checks that warn or block."""
    out = CommandOutput(as_json)
    if html is not None:
        check_output_file(html)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            kept, history = choose_kept(session, chosen), list_kept(session)
        found, before = read_kept(bureau.home, kept), _before(bureau, kept, history)
        if html is not None:
            ranks = rank_departments([found], before)
            page = render_quality_page(found, kept.sha256, bureau.party.name, ranks, history)
            write_output_file(html, page.encode())
    show_assessment(out, kept, found)
    if html is not None:
        out.say(f"网页已写入 Page written: {html}")
    out.print_result(assessment_facts(kept, found) | {"html": str(html) if html else None})


@app.command()
def history(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """历次评估 List the assessments, the oldest first."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        found = list_kept(session)
    show_history(out, found)
    out.print_result({"assessments": [kept_facts(one) for one in found]})


@app.command()
def faults(
    check: Annotated[str, typer.Argument(help="检查 The check, as reports name it: CODE:DOMAIN or CODE:DOMAIN.ITEM.")],
    output: Annotated[Path, typer.Option("--out", metavar="FILE", help="清单 The list: .csv or .xlsx.")],
    as_of: AsOfOption = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """问题记录清单 List the records that a check found at fault, for the department to correct; in the ledger."""
    out = CommandOutput(as_json)
    check_output_file(output)
    with Bureau.open(home or default_folder()) as bureau:
        records = RecordStore(bureau.home, bureau.store, bureau.keys)
        day = as_of.date() if as_of is not None else None
        found = list_faults(bureau.home, bureau.store, records, check, as_of=day, by=LOCAL_ACTOR)
    write_output_file(output, table_bytes(found, output, "faults"))
    out.say(f"问题记录 Records at fault: {len(found):,}, {output}")
    out.print_result({"check": check, "records": len(found), "out": str(output)})


@app.command()
def rules(
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """规则文件 Put the program's rules and thresholds into the bureau's folder, to be changed there.

    之后以该文件为准。 From then on these files count, whole. Assessments under other rules no longer allow publication.
    """
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        written = write_default_rules(bureau.home.folder / "quality")
    for path in written:
        out.say(f"已写入 Written: {path}")
    out.print_result({"files": [str(path) for path in written]})


def _before(bureau: Bureau, kept: KeptAssessment, history: Sequence[KeptAssessment]) -> Assessment | None:
    """The assessment of the last earlier day; None for none."""
    earlier = [one for one in history if one.day < kept.day]
    return read_kept(bureau.home, earlier[-1]) if earlier else None


app.command()(departments)
