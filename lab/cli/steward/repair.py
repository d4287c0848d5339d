"""``lab steward repair`` and ``lab steward objection``: cases about adverse records, kept at the bureau through its
service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import typer

from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, ServiceOptions, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.sdk.client import ServiceClient
from lab.sdk.pages import get_all
from lab.terms.errors import InvalidInput

repair = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="信用修复 Credit repair: request, list, show, decide, late."
)
objection = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="异议 Objections to records: open, list, show, decide, late."
)
_STATES = {
    "open": "办理中 open",
    "granted": "准予修复 granted",
    "refused": "不予修复 refused",
    "upheld": "异议成立 upheld",
    "rejected": "异议不成立 rejected",
}
_STANDINGS = {
    "counts": "计入评价 counts",
    "not-yet": "尚未作出 not decided yet",
    "unpublished": "轻微且未公示,不计入 does not count: minor, and not published",
    "ended-by-correction": "纠正后即停止,不计入 does not count: corrected",
    "removed": "已由来源移出,不计入 does not count: removed by its source",
    "repaired-at-source": "来源已修复,不计入 does not count: repaired at its source",
    "expired": "最长公示期届满,不计入 does not count: its greatest term is over",
    "repaired": "已修复,不计入 does not count: repaired",
    "frozen": "异议期间冻结,不计入 does not count: frozen by an objection",
    "corrected": "异议成立,不计入 does not count: an objection was upheld",
}
CaseArgument = Annotated[str, typer.Argument(metavar="CASE", help="案号 The case.")]
AllOption = Annotated[bool, typer.Option("--all", help="含已决定 Also those that are decided.")]


@dataclass(frozen=True, kw_only=True)
class RecordOptions(ServiceOptions):
    """Which record a case is about, and the papers."""

    domain: Annotated[str, typer.Option(help="领域 Domain of the record, for example penalties.")]
    evidence: Annotated[str, typer.Option(help="凭证编号 Where the papers are kept; without any code.")]
    grounds: Annotated[str, typer.Option(help="事由 What is asked, in a sentence; without any code.")]
    record: Annotated[str, typer.Option(metavar="ID", help="记录编号 The record's id, instead of code and key.")] = ""
    enterprise: Annotated[str, typer.Option(metavar="CODE", help="企业代码 The enterprise's code.")] = ""
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="ITEM=VALUE", help="主键(可重复) Key of the record: decision_number=...; repeatable."
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class RepairRequestOptions(RecordOptions):
    """Options of ``lab steward repair request``."""

    corrected_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="纠正日期 Day by which all duties were done, by the papers."),
    ] = None
    commitment: Annotated[bool, typer.Option("--commitment", help="已公开承诺 The commitment was made in public.")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class DecisionOptions(ServiceOptions):
    """Options of the two ``decide`` commands."""

    case: CaseArgument
    outcome: Annotated[
        str, typer.Argument(metavar="OUTCOME", help="结果 repair: granted, refused; objection: upheld, rejected.")
    ]
    reason: Annotated[str, typer.Option(help="理由 The reasons, for the enterprise and the ledger; without any code.")]


@repair.command("request")
@take_options(RepairRequestOptions)
def request_repair(options: RepairRequestOptions) -> None:
    """申请修复 Enter a request for the repair of an adverse record; it is refused until its conditions are met."""
    day = options.corrected_on.date().isoformat() if options.corrected_on else None
    _open(options, "repair", {"corrected_on": day, "commitment": options.commitment})


@objection.command("open")
@take_options(RecordOptions)
def open_objection(options: RecordOptions) -> None:
    """提出异议 Enter an objection to an adverse record. The record is frozen: no new score counts it meanwhile."""
    _open(options, "objection", {})


@repair.command("list")
def list_repairs(every: AllOption = False, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """修复案件 List cases of repair by the day they are due."""
    _list(CommandOutput(as_json), session, kind="repair", open_only=not every)


@objection.command("list")
def list_objections(every: AllOption = False, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """异议案件 List objections by the day they are due."""
    _list(CommandOutput(as_json), session, kind="objection", open_only=not every)


@repair.command("late")
def list_late_repairs(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """逾期 List open cases of repair whose legal days are over."""
    _list(CommandOutput(as_json), session, kind="repair", late_only=True)


@objection.command("late")
def list_late_objections(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """逾期 List open objections whose legal days are over."""
    _list(CommandOutput(as_json), session, kind="objection", late_only=True)


@repair.command("show")
def show_repair(case: CaseArgument, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """案件详情 Show a case, the terms of its record, and whether the record counts today."""
    _show(CommandOutput(as_json), session, case)


@objection.command("show")
def show_objection(case: CaseArgument, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """案件详情 Show a case, the terms of its record, and whether the record counts today."""
    _show(CommandOutput(as_json), session, case)


@repair.command("decide")
@take_options(DecisionOptions)
def decide_repair(options: DecisionOptions) -> None:
    """作出决定 Grant or refuse a repair, with reasons. From today a repaired record does not count."""
    _decide(options, ("granted", "refused"))


@objection.command("decide")
@take_options(DecisionOptions)
def decide_objection(options: DecisionOptions) -> None:
    """作出决定 Uphold or reject an objection, with reasons. A rejected one lets the record count again."""
    _decide(options, ("upheld", "rejected"))


def _open(options: RecordOptions, kind: str, more: dict[str, Any]) -> None:
    output = CommandOutput(options.as_json)
    body = {
        "kind": kind,
        "domain": options.domain,
        "record": options.record,
        "enterprise": options.enterprise or None,
        "keys": _parse_keys(options.key or ()),
        "evidence": options.evidence,
        "grounds": options.grounds,
    }
    with ServiceClient.open(options.session) as client:
        opened = client.post("/v1/repairs", body | more)
    output.say(f"案号 Case: {opened['id']}")
    output.say(f"最迟决定日 Decision due: {_due(opened)}")
    if kind == "objection":
        output.say("记录已冻结,异议期间不计入新评分 The record is frozen: no new score counts it meanwhile.")
    output.say(f"下一步 Next: lab steward {kind} decide {opened['id']} OUTCOME --reason TEXT")
    output.print_result(opened)


def _list(output: CommandOutput, session: Any, **query: Any) -> None:
    with ServiceClient.open(session) as client:
        found = get_all(client, "/v1/repairs", "cases", **query)
    if found["cases"]:
        output.table(
            "案件 Cases",
            ("案号 case", "领域 domain", "状态 state", "提出 opened", "最迟 due", "剩余日 days left"),
            [
                (one["id"], one["domain"], _STATES[one["state"]], one["opened_on"], _due(one), _days_left(one))
                for one in found["cases"]
            ],
            whole="案号 case",
        )
    else:
        output.say("没有案件 No cases")
    output.print_result(found)


def _show(output: CommandOutput, session: Any, case: str) -> None:
    with ServiceClient.open(session) as client:
        found = client.get(f"/v1/repairs/{case}")
    now = found["record_now"]
    rows = [
        ("状态 state", _STATES[found["state"]]),
        ("记录 record", f"{found['domain']} {found['record']}"),
        ("提出 opened", f"{found['opened_on']} {found['opened_by']}"),
        ("最迟决定日 due", f"{_due(found)} {_days_left(found)}"),
        ("凭证 evidence", found["evidence"]),
        ("事由 grounds", found["grounds"]),
        ("决定 decided", f"{found['decided_on']} {found['decided_by']}" if found["decided_on"] else "—"),
        ("理由 reason", found["reason"] or "—"),
    ]
    if now is None:
        rows.append(("现状 record now", found["why"]))
    else:
        rows += [
            ("类别 class", f"{now['class_zh']} {now['class_en']}"),
            ("起算日 terms from", now["started"] or "—"),
            ("可申请修复 repair from", now["repairable_from"] or "—"),
            ("最长公示期至 counts until", now["counts_until"] or "—"),
            ("现状 record now", _STANDINGS.get(now["standing"], now["standing"])),
        ]
    output.table(f"案件 Case {found['id']}", ("项 item", ""), rows)
    output.print_result(found)


def _decide(options: DecisionOptions, outcomes: Sequence[str]) -> None:
    output = CommandOutput(options.as_json)
    if options.outcome not in outcomes:
        raise InvalidInput(
            f"Expected one of the outcomes {', '.join(outcomes)}; found another.", next_step="choose one of them"
        )
    with ServiceClient.open(options.session) as client:
        body = {"outcome": options.outcome, "reason": options.reason}
        decided = client.post(f"/v1/repairs/{options.case}/decision", body)
    output.say(f"{decided['id']}: {_STATES[decided['state']]}{' · 逾期 late' if decided['late'] else ''}")
    if options.outcome in ("granted", "upheld"):
        output.say("自今日起该记录不计入 From today the record does not count in features and new scores.")
        output.say(f"下一步 Next: lab bureau register publish, then lab bureau repair touched {decided['id']}")
    output.print_result(decided)


def _parse_keys(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InvalidInput("Expected --key as ITEM=VALUE; found something else.", next_step="write it so")
        found[name] = value
    return found


def _due(one: dict[str, Any]) -> str:
    return str(one["due_on"]) + ("" if one["due_certain"] else " (节假日未全 holidays not all known)")


def _days_left(one: dict[str, Any]) -> str:
    if one["days_left"] is None:
        return "逾期决定 decided late" if one["late"] else "—"
    return f"逾期 late {-one['days_left']}" if one["late"] else str(one["days_left"])
