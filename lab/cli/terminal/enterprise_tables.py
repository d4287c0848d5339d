"""How the records of one enterprise look on the terminal, and the options that ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from lab.cli.terminal.output import CommandOutput

CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="统一社会信用代码 The enterprise's code.")]
HistoryOption = Annotated[
    bool, typer.Option("--history", help="各版本 Also all versions: when each became known, from which file.")
]
PersonalOption = Annotated[
    bool, typer.Option("--personal", help="含个人信息 Also personal items; needs --reason, which is recorded.")
]
ReasonOption = Annotated[str, typer.Option(help="原因 Why; kept in the ledger, so without any code.")]
_CASES = {"repair": "信用修复 repair", "objection": "异议 objection"}
_OPERATIONS = {"add": "新增 add", "correct": "更正 correct", "delete": "删除 delete"}


def show_enterprise(out: CommandOutput, found: Mapping[str, Any]) -> None:
    """Tables of the answer of ``EnterpriseViews.look``: one a domain, and one of its history if that was asked for."""
    known = found["as_of"] or found["known_on"]
    if not found["domains"]:
        out.say("没有该企业的记录 There are no records of this enterprise" + (f", {known}" if known else ""))
        return
    out.say(f"截至 As known on {known}: {found['records']} 条记录 records, {len(found['domains'])} 个领域 domains")
    for domain in found["domains"]:
        if domain["records"]:
            out.table(
                f"{domain['zh']} {domain['en']}",
                ("所涉 held", "知悉 known", "内容 items"),
                [(_held(one), one["known_on"], _items(one)) for one in domain["records"]],
            )
        if domain["quality"] is not None:
            out.say(f"质量 Quality, {found['assessed_on']}: {domain['quality']:.1f} / 100")
        for case in domain["cases"]:
            kind = _CASES.get(case["kind"], case["kind"])
            out.say(f"{kind} {case['case']}: {case['record'][:8]}, {case['opened_on']}, {case['state']}")
        if domain["history"]:
            out.table(
                f"{domain['zh']} {domain['en']} · 历史 history",
                ("知悉 known", "操作 operation", "记录 record", "来源 source", "内容 items"),
                list(_history(domain)),
            )
    for one in found.get("inquiries") or ():
        out.say(f"查询 Inquiry {one['at']}: {one['bank']}, {one['contract']}, {one['purpose']}, {one['model']}")


def _history(domain: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for one in domain["history"]:
        yield (
            one["known_on"],
            _OPERATIONS.get(one["operation"], one["operation"]),
            one["record"][:8],
            one["source"],
            _items(one),
        )


def _held(one: Mapping[str, Any]) -> str:
    return f"{one['held_from']} – {one['held_to']}" if one["held_to"] else str(one["held_from"])


def _items(one: Mapping[str, Any]) -> str:
    """Name and value of each item that has one."""
    return "; ".join(f"{name} {_text(value)}" for name, value in one["items"].items() if value is not None)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "是 yes" if value else "否 no"
    return f"{value:,.2f}".removesuffix(".00") if isinstance(value, float) else str(value)
