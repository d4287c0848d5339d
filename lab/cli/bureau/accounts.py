"""``lab bureau account``, and the accounts that ``lab bureau init`` makes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.people import NewAccount, parse_roles, parse_subject
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption, RoleOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import InvalidInput

FirstAccountsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--account",
        metavar="NAME:ROLE:DEPARTMENT",
        help="同时新增账户(可重复) Make an account as well, as `lab bureau account` does; repeatable.",
        show_default=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class AccountOptions:
    """Options of ``lab bureau account``."""

    name: Annotated[str, typer.Argument(metavar="NAME", help="账户名 The account's name, such as li.wei.")]
    role: RoleOption
    department: Annotated[str, typer.Option(help="部门 Department; two approvals come from two of them.")]
    shown_name: Annotated[str, typer.Option(help="显示姓名 Name as people read it [default: NAME].")] = ""
    issuer: Annotated[str | None, typer.Option(help="身份平台 OpenID provider the person signs in at.")] = None
    subject: Annotated[str | None, typer.Option(help="平台上的身份 Who the person is there (claim sub).")] = None
    home: BureauHomeOption = None
    as_json: JsonOption = False


@take_options(AccountOptions)
def account(options: AccountOptions) -> None:
    """新增账户 Make an account here, on the bureau's machine; its one-time password is shown once.

    首个管理员由此产生。 Make the first administrator here; make others with `lab account add`.
    """
    out = CommandOutput(options.as_json)
    name, department = options.name, options.department
    new = NewAccount(
        name, department, parse_roles(options.role), options.shown_name, parse_subject(options.issuer, options.subject)
    )
    with Bureau.open(options.home or default_folder()) as bureau:
        made = add_account(out, bureau, new)
    out.say(f"下一步 Next: lab account sign-in {name if made['password'] else '--browser'} --service URL")
    out.print_result(made)


def add_account(out: CommandOutput, bureau: Bureau, new: NewAccount) -> dict[str, Any]:
    """Make one account and show its one-time password; returns what a program is told."""
    password = bureau.accounts.add(new, by="local")
    out.say(f"已新增 Added {new.name} ({', '.join(sorted(new.roles))}, {new.department})")
    if password is not None:
        out.say(f"一次性口令(只显示一次) One-time password, shown once: {password}")
    return {"account": new.name, "password": password, "roles": sorted(new.roles), "department": new.department}


def parse_first_accounts(given: Sequence[str]) -> list[NewAccount]:
    """The accounts of ``--account NAME:ROLE:DEPARTMENT``; several roles are separated by commas.

    Raises ``InvalidInput`` for another form, an unknown role, or a name given twice.
    """
    accounts = []
    for text in given:
        name, roles, department = ([part.strip() for part in text.split(":", 2)] + ["", ""])[:3]
        if not (name and roles and department):
            raise InvalidInput(
                "Expected --account as NAME:ROLE:DEPARTMENT; found another form.",
                next_step='write, for example, --account "zhang.wei:officer:数据资源处 Data resources"',
            )
        accounts.append(NewAccount(name, department, parse_roles([one.strip() for one in roles.split(",")])))
    if len({one.name for one in accounts}) != len(accounts):
        raise InvalidInput("Expected each account once; found one name twice.", next_step="correct --account")
    return accounts
