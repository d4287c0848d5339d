"""``lab steward request``: stewards read requests for data, answer them, and see the figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lab.cli.request.views import STATE_WORDS, request_url_path, show_request, show_requests
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, ServiceOptions, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.sdk.client import ServiceClient
from lab.sdk.pages import get_all
from lab.terms.errors import InvalidInput

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="数据需求 Requests for data: list, show, answer, figures."
)
RequestIdArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="申请编号 The request's id.")]


@app.command("list")
def list_requests(
    waiting: Annotated[bool, typer.Option("--waiting", help="待答复 Only those that wait for an answer.")] = False,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """列出需求 List requests for data, newest first."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = get_all(client, "/v1/requests", "requests", state="asked" if waiting else None)
    if found["requests"]:
        show_requests(out, found["requests"])
    else:
        out.say("没有需求 No requests.")
    out.print_result(found)


@app.command()
def show(request: RequestIdArgument, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """查看需求 Show a request, with what the catalogue says of each item."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get(request_url_path(request))
    show_request(out, found)
    for item in found["items"]:
        if item["fate"] == "asked" and item["barred"]:
            out.say(f"不能同意 Cannot be granted: {item['code']} ({item['barred']})")
    if found["state"] == "asked":
        out.say(f"下一步 Next: lab steward request answer {request} --grant ITEM --refuse all --reason WHY")
    out.print_result(found)


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(ServiceOptions):
    """Options of ``lab steward request answer``."""

    request: RequestIdArgument
    grant: Annotated[
        list[str] | None,
        typer.Option(
            "--grant", metavar="ITEM", help="同意(可重复) An item or a domain to grant, or all: the rest; repeatable."
        ),
    ] = None
    refuse: Annotated[
        list[str] | None,
        typer.Option(
            "--refuse",
            metavar="ITEM",
            help="不同意(可重复) An item or a domain to refuse, or all: the rest; repeatable.",
        ),
    ] = None
    reason: Annotated[
        str | None, typer.Option(help="理由 Why; needed for what is refused, and kept in the ledger.")
    ] = None


@app.command()
@take_options(AnswerOptions)
def answer(options: AnswerOptions) -> None:
    """答复需求 Answer a request: grant or refuse each of its items, once."""
    out = CommandOutput(options.as_json)
    grant, refuse = _split(options.grant), _split(options.refuse)
    if not grant and not refuse:
        raise InvalidInput("Expected items to grant or to refuse; found none.", next_step="give --grant or --refuse")
    body: dict[str, Any] = {"grant": grant, "refuse": refuse}
    if options.reason is not None:
        body["reason"] = options.reason
    with ServiceClient.open(options.session) as client:
        found = client.post(f"{request_url_path(options.request)}/answer", body)
    show_request(out, found)
    if found["granted"]:
        out.say(f"下一步 Next: lab officer draft --request {options.request} --model NAME")
    out.print_result(found)


@app.command()
def figures(
    year: Annotated[int | None, typer.Option(min=2000, max=2999, help="年份 Only requests of this year.")] = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """需求满足情况 Show the share of demands met, and the days that answers took."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get("/v1/requests/figures", year=year)
    met = "–" if found["demands_met"] is None else f"{found['demands_met']}%"
    unsure = "" if found["holidays_known"] else " ?"
    rows: list[tuple[str, object]] = [("需求 requests", found["requests"])]
    rows += [(STATE_WORDS.get(state, state), count) for state, count in found["by_state"].items()]
    rows += [
        ("单位 organisations", found["organisations"]),
        ("申请数据项 items asked", found["items_asked"]),
        ("同意数据项 items granted", found["items_granted"]),
        ("待答复数据项 items waiting", found["items_waiting"]),
        ("共享需求满足率 sharing demands met", met),
        ("自然日(平均/中位/最长) calendar days (mean/median/longest)", _days(found["calendar_days"])),
        ("工作日(平均/中位/最长) working days (mean/median/longest)", _days(found["working_days"]) + unsure),
    ]
    out.table("数据需求 Requests for data" + (f", {year}" if year else ""), ("项 figure", "值 value"), rows)
    if not found["holidays_known"]:
        out.say("? = 节假日未录入，仅按周末计算 holidays not known: lab bureau repair holidays FILE")
    out.print_result(found)


def _split(words: list[str] | None) -> list[str]:
    """The words of an option that may be given again, or with commas."""
    return [part for word in words or () for part in word.split(",") if part]


def _days(taken: dict[str, Any]) -> str:
    return " / ".join("–" if taken[name] is None else str(taken[name]) for name in ("mean", "median", "longest"))
