"""``lab request``: an organisation asks a bureau's service for data, and follows what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lab.cli.request.views import request_url_path, show_request, show_requests
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, ServiceOptions, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.sdk.client import ServiceClient
from lab.sdk.pages import get_all
from lab.terms.contract.document import Operation, Purpose, ResultDetail
from lab.terms.errors import InvalidInput

HELP = "数据需求 For organisations: ask a bureau for data, and see what became of it."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=HELP)
RequestIdArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="申请编号 The request's id.")]


@app.callback()
def group() -> None:
    """数据需求 For organisations: ask a bureau for data, and see what became of it.

    先登录。 Sign in first: lab account sign-in NAME --service URL
    """


@dataclass(frozen=True, kw_only=True)
class AskOptions(ServiceOptions):
    """Options of ``lab request ask``."""

    purpose: Annotated[str, typer.Argument(metavar="SENTENCE", help="用途 What for, in a sentence without any code.")]
    item: Annotated[
        list[str] | None,
        typer.Option("--item", metavar="CODE", help="数据项或特征(可重复) An item or feature by its code; repeatable."),
    ] = None
    domain: Annotated[
        list[str] | None, typer.Option("--domain", help="整个领域(可重复) All items of a domain; repeatable.")
    ] = None
    use: Annotated[Purpose | None, typer.Option("--use", help="合同用途 Coded purpose of the contract to come.")] = None
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME[@V]", help="模型 The model that is to use the items.")
    ] = None
    operation: Annotated[
        list[Operation] | None,
        typer.Option("--operation", help="操作(可重复) What the contract should allow; repeatable."),
    ] = None
    detail: Annotated[ResultDetail | None, typer.Option(help="结果细度 How fine replies should be.")] = None
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="期限(天) Term of the contract in days.")] = None


@app.command()
@take_options(AskOptions)
def ask(options: AskOptions) -> None:
    """提出需求 Ask for items, in a sentence of purpose. A data steward answers."""
    out = CommandOutput(options.as_json)
    if not options.item and not options.domain:
        raise InvalidInput("Expected items to ask for; found none.", next_step="give --item CODE or --domain CODE")
    body: dict[str, Any] = {
        "purpose": options.purpose,
        "items": options.item or [],
        "domains": options.domain or [],
        "use": options.use,
        "model": options.model,
        "operations": options.operation or None,
        "detail": options.detail,
        "days": options.days,
    }
    with ServiceClient.open(options.session) as client:
        found = client.post("/v1/requests", {name: value for name, value in body.items() if value is not None})
    show_request(out, found)
    unknown = sum(not item["known"] for item in found["items"])
    if unknown:
        out.say(f"{unknown} 项数据局未持有，仍记录为需求 items are not held here; the demand is recorded all the same")
    out.say(f"下一步 Next: lab request show {found['request']}")
    out.print_result(found)


@app.command("list")
def list_requests(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """列出需求 List your organisation's requests, newest first."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = get_all(client, "/v1/requests", "requests")
    if found["requests"]:
        show_requests(out, found["requests"])
    else:
        out.say("还没有需求 No requests yet. 下一步 Next: lab request ask")
    out.print_result(found)


@app.command()
def show(request: RequestIdArgument, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """查看需求 Show a request: each item's answer, in which form, of which quality, and why not."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get(request_url_path(request))
    show_request(out, found)
    out.print_result(found)


@app.command()
def withdraw(
    request: RequestIdArgument,
    reason: Annotated[str, typer.Option(help="原因 Why; kept in the bureau's ledger. Name no enterprise.")],
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """撤回需求 Withdraw a request that has not been answered."""
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.post(f"{request_url_path(request)}/withdraw", {"reason": reason})
    out.say(f"已撤回 Withdrawn: {request}")
    out.print_result(found)
