"""An officer's command that signs in first: ``--as NAME`` is `lab account sign-in NAME` and the command in one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.cli.terminal.option_types import ServiceOptions
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.prompts.password_prompt import read_password
from lab.sdk.client import ServiceClient
from lab.sdk.session_file import SavedSession, default_session_file
from lab.terms.errors import InvalidInput, NotAuthentic

AsOption = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="NAME",
        help="先登录 Sign in as NAME first; asks for the password, and for a new one in place of a one-time password.",
        show_default=False,
    ),
]
ServiceUrlOption = Annotated[
    str | None,
    typer.Option(
        "--service",
        metavar="URL",
        help="服务地址 With --as: the service's address [default: that of the last sign-in].",
        show_default=False,
    ),
]


@dataclass(frozen=True, kw_only=True)
class SignInOptions(ServiceOptions):
    """Who takes the step: the person who is signed in, or the one who signs in now."""

    account: AsOption = None
    service: ServiceUrlOption = None


def open_client(out: CommandOutput, session: Path | None, account: str | None, service: str | None) -> ServiceClient:
    """A client of the person who is signed in, or, with ``account``, of the one who signs in now.

    A one-time password must be changed at once. Raises ``InvalidInput`` without an address to sign in at.
    """
    if account is None:
        if service is not None:
            raise InvalidInput("Expected --as NAME with --service; found the address alone.", next_step="add --as NAME")
        return ServiceClient.open(session)
    url, authority = _last_service(session) if service is None else (service, "")
    password = read_password("SHULAB_PASSWORD", "口令 password")
    client, facts = ServiceClient.sign_in(url, account, password, session, ca_file=authority)
    if facts["must_change"]:
        out.say_on_stderr("一次性口令须更改 This one-time password must be changed now.")
        client.change_password(password, read_password("SHULAB_NEW_PASSWORD", "新口令 new password", confirm=True))
    return client


def _last_service(session: Path | None) -> tuple[str, str]:
    """Address and certificate authority of the last sign-in."""
    try:
        saved = SavedSession.read(session or default_session_file())
    except NotAuthentic:
        raise InvalidInput(
            "Expected the service's address; nobody has signed in here yet.", next_step="give --service URL"
        ) from None
    return saved.service, saved.ca_file
