"""``lab bureau repair``: credit repair on the bureau's own machine: cases, what they touched, notices, rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import current_catalogue
from lab.bureau.data.credit_repair import CaseDetails, CaseKind
from lab.bureau.data.credit_repair.cases.states import CaseState
from lab.bureau.data.credit_repair.notices.writing import NoticeRequest, write_notices
from lab.bureau.data.credit_repair.rules.definition import RepairRules
from lab.bureau.data.credit_repair.rules.in_force import import_holidays, import_rules, rules_in_force
from lab.bureau.data.credit_repair.touched import touched_portraits
from lab.bureau.ledger import LOCAL_ACTOR
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput

repair = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="信用修复 Credit repair: list, late, touched, notices, rules, holidays.",
)
_MOST_CASES = 10_000
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="案号 The case.")]
FileArgument = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="规则文件 A file to put in force [default: show].")
]


@repair.command("list")
def list_cases(
    every: Annotated[bool, typer.Option("--all", help="含已决定 Also those that are decided.")] = False,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """案件 List cases of repair and objection by the day they are due."""
    with Bureau.open(home or default_folder()) as bureau:
        found = bureau.repairs.list_cases(open_only=not every, limit=_MOST_CASES)
    _show_cases(CommandOutput(as_json), found)


@repair.command("late")
def list_late_cases(home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """逾期 List open cases whose legal days are over."""
    with Bureau.open(home or default_folder()) as bureau:
        found = bureau.repairs.list_cases(late_only=True, limit=_MOST_CASES)
    _show_cases(CommandOutput(as_json), found)


@repair.command("touched")
def list_touched(case: CaseArgument, home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """受影响的画像 List by contract and job the portraits in which the record of a decided case counted.

    银行查询现行登记时得知所涉版本，不涉及是哪家企业。 A bank learns the versions when it asks for the register, and not
    which enterprise it is about.
    """
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        catalogue = current_catalogue(bureau.home, session)
        found = touched_portraits(session, bureau.records, catalogue, bureau.keys, case)
    versions = [str(one) for one in found.versions]
    out.say(f"计入该记录的登记版本 Register versions that counted the record: {', '.join(versions) or '—'}")
    if found.jobs:
        out.table(
            "受影响的画像 Portraits touched",
            ("合同 contract", "银行 bank", "作业 job", "登记 register", "评分 scored", "已重评 scored again"),
            [
                (
                    one.contract,
                    one.bank,
                    one.job,
                    f"{one.register}-{one.version}",
                    f"{one.scored_at:%Y-%m-%d}",
                    "是 yes" if one.scored_again else "否 no",
                )
                for one in found.jobs
            ],
            whole="作业 job",
        )
        if not all(one.exact for one in found.jobs):
            out.say(
                "注意 note: 库中已无该记录，仅按版本列出 The store has no such record now: jobs are listed by version."
            )
        out.say("下一步 Next: lab bureau register publish; 银行 banks: lab bank status --online, lab bank rescore")
    else:
        out.say("没有受影响的画像 No portrait was touched.")
    out.print_result({"case": found.case, "versions": versions, "jobs": [one.as_dict() for one in found.jobs]})


@dataclass(frozen=True, kw_only=True)
class NoticesOptions:
    """Options of ``lab bureau repair notices``."""

    since: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="起始日 Records that the bureau learned of on this day or later."),
    ]
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="文件夹 Where the letters go, named by record.")]
    home: BureauHomeOption = None
    as_json: JsonOption = False


@repair.command("notices")
@take_options(NoticesOptions)
def write_letters(options: NoticesOptions) -> None:
    """信用修复告知书 Write a letter for each penalty: its class, from when and how it can be repaired.

    两书同达：与处罚决定书一并送达。 It goes out with the penalty's own paper. Letters name the enterprise.
    """
    output = CommandOutput(options.as_json)
    with Bureau.open(options.home or default_folder()) as bureau:
        request = NoticeRequest(options.out, options.since.date(), bureau.repairs.today, LOCAL_ACTOR)
        done = write_notices(bureau.store, bureau.home, bureau.records, request, output.progress)
    counts = ", ".join(f"{name} {count}" for name, count in done.by_class.items())
    output.say(f"告知书 Letters: {done.letters} ({counts or '—'}) → {done.folder}")
    if done.undated:
        output.say(
            f"注意 note: {done.undated} 份无决定日，未载明期限 without a day of decision: their terms are not stated"
        )
    output.print_result(
        {"letters": done.letters, "by_class": done.by_class, "undated": done.undated, "folder": str(done.folder)}
    )


@repair.command("rules")
def rules(file: FileArgument = None, home: BureauHomeOption = None, as_json: JsonOption = False) -> None:
    """修复规则 Show the rules in force with their sources, or put a file of rules in force."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        if file is not None:
            with bureau.store.begin_read() as session:
                catalogue = current_catalogue(bureau.home, session)
            import_rules(bureau.store, file, catalogue, now=datetime.now(UTC), by=LOCAL_ACTOR)
        with bureau.store.begin_read() as session:
            found = rules_in_force(session)
    _show_rules(out, found)


@repair.command("holidays")
def holidays(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="节假日文件 Holidays and worked weekend days, TOML.")],
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """节假日 Put a file of public holidays in force, by which legal days are reckoned from now on."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        found = import_holidays(bureau.store, file, now=datetime.now(UTC), by=LOCAL_ACTOR)
    years = sorted(found.years)
    out.say(f"节假日 Holidays of the years: {', '.join(map(str, years))}")
    out.print_result({"years": years, "days_off": len(found.days_off), "worked": len(found.worked)})


def _show_cases(out: CommandOutput, found: list[CaseDetails]) -> None:
    if found:
        out.table(
            "案件 Cases",
            ("案号 case", "种类 kind", "领域 domain", "状态 state", "提出 opened", "最迟 due", "逾期 late"),
            [
                (
                    one.id,
                    CaseKind(one.kind).zh + " " + one.kind,
                    one.domain,
                    CaseState(one.state).zh + " " + one.state,
                    one.opened_on.isoformat(),
                    one.due_on.isoformat() + ("" if one.due_certain else " ?"),
                    "是 yes" if one.late else "",
                )
                for one in found
            ],
            whole="案号 case",
        )
        if not all(one.due_certain for one in found):
            out.say("? = 节假日未录入，仅按周末计算 holidays not known: lab bureau repair holidays FILE")
    else:
        out.say("没有案件 No cases")
    out.print_result({"cases": [one.as_dict() for one in found]})


def _show_rules(out: CommandOutput, found: RepairRules) -> None:
    out.table(
        f"{' '.join(found.title)} ({found.in_force})",
        ("类别 class", "最短(月) least", "最长(月) greatest", "依据 sources"),
        [
            (
                " ".join(group.title),
                str(group.least_months),
                str(group.greatest_months),
                "; ".join(one.name + ("" if one.verified else " ?") for one in group.citations),
            )
            for group in found.classes.values()
        ],
    )
    days = {kind.value: one.working_days for kind, one in found.legal_days.items()}
    out.say(f"办理时限(工作日) Legal working days: 修复 repair {days['repair']}, 异议 objection {days['objection']}")
    cited = {one.name: one for group in found.classes.values() for one in group.citations}
    others = [*(one.citation for one in found.sources), *(one.citation for one in found.legal_days.values())]
    cited |= {one.name: one for one in others}
    for one in cited.values():
        mark = "已核对 checked" if one.verified else "? 条文号未核对 article not checked"
        out.say(f"{one.name}: {' '.join(one.title)} ({mark})")
    out.print_result(
        {
            "title": list(found.title),
            "in_force": found.in_force.isoformat(),
            "sha256": found.sha256,
            "unverified": list(found.unverified),
            "legal_days": days,
            "classes": {
                group.code: {"least_months": group.least_months, "greatest_months": group.greatest_months}
                for group in found.classes.values()
            },
            "domains": [one.domain for one in found.sources],
        }
    )
