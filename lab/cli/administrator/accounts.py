"""``lab account``: sign in to a bureau's service, and keep its accounts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, RoleOption, ServiceOptions, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.prompts.password_prompt import read_password
from lab.sdk.client import ServiceClient
from lab.sdk.pages import get_all
from lab.terms.errors import InvalidInput

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="账户 Sign in to a bureau's service, and keep its accounts."
)

AccountName = Annotated[str, typer.Argument(metavar="NAME", help="账户名 The account's name.")]


@app.callback()
def group() -> None:
    """账户 Sign in to a bureau's service, and keep its accounts."""


@app.command("sign-in")
def sign_in(
    service: Annotated[str, typer.Option(help="服务地址 The service's address, https://host[:port].")],
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="账户名 The account's name; not with --browser.")
    ] = None,
    browser: Annotated[
        bool,
        typer.Option("--browser", help="用浏览器登录 Sign in at the OpenID provider, in a browser."),
    ] = False,
    ca_file: Annotated[
        Path | None, typer.Option(help="自有 CA 证书 Certificate authority of the service, PEM.", show_default=False)
    ] = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """登录 Sign in; the sign-in is kept in a file until it ends.

    口令取自 SHULAB_PASSWORD,否则询问。 The password comes from SHULAB_PASSWORD, or is asked for. A one-time password
    must be changed at once, to SHULAB_NEW_PASSWORD or to what you then type.
    """
    output = CommandOutput(as_json)
    authority = str(ca_file.expanduser().absolute()) if ca_file else ""
    if browser:
        from lab.sdk.browser_sign_in import sign_in_by_browser

        response = sign_in_by_browser(service, output.say, ca_file=authority)
        client, facts = ServiceClient.save_session(service, response, session, ca_file=authority)
    else:
        if name is None:
            raise InvalidInput("Expected an account's name; found none.", next_step="give NAME, or --browser")
        password = read_password("SHULAB_PASSWORD", "口令 password")
        client, facts = ServiceClient.sign_in(service, name, password, session, ca_file=authority)
    with client:
        if facts["must_change"]:
            output.say("一次性口令须更改 This one-time password must be changed now.")
            facts = client.change_password(
                password, read_password("SHULAB_NEW_PASSWORD", "新口令 new password", confirm=True)
            )
    output.say(f"已登录 Signed in: {facts['account']} ({', '.join(facts['roles'])}), {service}")
    output.print_result(facts | {"service": service, "session": str(client.session_file)})


@app.command("sign-out")
def sign_out(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """退出 End the sign-in, at the service and here."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        client.sign_out()
        output.say(f"已退出 Signed out: {client.session.account}")
        output.print_result({"account": client.session.account, "signed_out": True})


@app.command()
def who(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """我是谁 Who is signed in, and what they may do."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        me = client.get("/v1/me")
    output.table(
        f"{me['account']} @ {client.session.service}",
        ("项 item", "值 value"),
        [
            ("姓名 name", me["shown_name"]),
            ("部门 department", me["department"]),
            ("角色 roles", ", ".join(me["roles"])),
            ("权限 may", ", ".join(me["permissions"])),
            ("到期 until", me["expires_at"]),
        ],
    )
    output.print_result(me)


@app.command()
def password(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """更改口令 Change your password (SHULAB_PASSWORD and SHULAB_NEW_PASSWORD, or asked for)."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        old = read_password("SHULAB_PASSWORD", "口令 password")
        facts = client.change_password(old, read_password("SHULAB_NEW_PASSWORD", "新口令 new password", confirm=True))
    output.say("口令已更改,其他登录均已结束 The password is changed; every other sign-in has ended.")
    output.print_result({"account": facts["account"], "changed": True})


@app.command("list")
def list_accounts(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """列出账户 List the accounts (administrators and auditors)."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = get_all(client, "/v1/accounts", "accounts")
    output.table(
        "账户 Accounts",
        ("账户 name", "姓名 shown name", "部门 department", "角色 roles", "状态 state", "锁定至 locked until"),
        [
            (
                one["name"],
                one["shown_name"],
                one["department"],
                ", ".join(one["roles"]),
                one["state"],
                _locked_until(one),
            )
            for one in found["accounts"]
        ],
    )
    output.print_result(found)


@dataclass(frozen=True, kw_only=True)
class AddOptions(ServiceOptions):
    """Options of ``lab account add``."""

    name: AccountName
    role: RoleOption
    department: Annotated[str, typer.Option(help="部门 Department; two approvals come from two of them.")]
    shown_name: Annotated[str, typer.Option(help="显示姓名 Name as people read it [default: NAME].")] = ""
    issuer: Annotated[str | None, typer.Option(help="身份平台 OpenID provider the person signs in at.")] = None
    subject: Annotated[str | None, typer.Option(help="平台上的身份 Who the person is there (claim sub).")] = None


@app.command()
@take_options(AddOptions)
def add(options: AddOptions) -> None:
    """新增账户 Add an account; its one-time password is shown once."""
    output = CommandOutput(options.as_json)
    body: dict[str, Any] = {
        "name": options.name,
        "department": options.department,
        "roles": options.role,
        "shown_name": options.shown_name,
        "issuer": options.issuer,
        "subject": options.subject,
    }
    with ServiceClient.open(options.session) as client:
        made = client.post("/v1/accounts", body)
    output.say(f"已新增 Added {options.name} ({', '.join(options.role)}, {options.department})")
    _show_one_time_password(output, made)
    output.print_result(made | {"roles": options.role, "department": options.department})


@app.command()
def roles(name: AccountName, role: RoleOption, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """更改角色 Replace the roles of an account."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        account = client.put(f"/v1/accounts/{_checked_account_name(name)}/roles", {"roles": role})
    output.say(f"角色已更改 The roles of {name} are now {', '.join(account['roles'])}")
    output.print_result(account)


@app.command()
def disable(name: AccountName, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """停用账户 Disable an account; its sign-ins end at once."""
    _post_account_action(name, "disable", "已停用 Disabled", session, CommandOutput(as_json))


@app.command()
def enable(name: AccountName, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """启用账户 Enable a disabled account."""
    _post_account_action(name, "enable", "已启用 Enabled", session, CommandOutput(as_json))


@app.command()
def unlock(name: AccountName, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """解锁账户 Unlock an account that was locked after failed sign-ins."""
    _post_account_action(name, "unlock", "已解锁 Unlocked", session, CommandOutput(as_json))


@app.command()
def reset(name: AccountName, session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """重置口令 Give an account a one-time password, shown once; its sign-ins end."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        made = client.post(f"/v1/accounts/{_checked_account_name(name)}/reset")
    _show_one_time_password(output, made)
    output.print_result(made)


def _post_account_action(name: str, action: str, done: str, session: Path | None, output: CommandOutput) -> None:
    with ServiceClient.open(session) as client:
        account = client.post(f"/v1/accounts/{_checked_account_name(name)}/{action}")
    output.say(f"{done} {name}")
    output.print_result(account)


def _show_one_time_password(output: CommandOutput, made: dict[str, Any]) -> None:
    if made["password"] is not None:
        output.say(f"一次性口令(只显示一次) One-time password, shown once: {made['password']}")
        output.say(f"下一步 Next: lab account sign-in {made['account']} --service URL")


def _locked_until(account: dict[str, Any]) -> str:
    return str(account["locked_until"] or "")


def _checked_account_name(name: str) -> str:
    if not name.isascii() or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
        raise InvalidInput("Expected an account's name; found something else.", next_step="see `lab account list`")
    return name
