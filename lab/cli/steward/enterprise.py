"""``lab steward enterprise``: one enterprise's records, through the bureau's service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.enterprise_tables import (
    CodeArgument,
    HistoryOption,
    PersonalOption,
    ReasonOption,
    show_enterprise,
)
from lab.cli.terminal.option_types import ServiceOptions
from lab.cli.terminal.output import CommandOutput
from lab.sdk.client import ServiceClient


@dataclass(frozen=True, kw_only=True)
class StewardEnterpriseOptions(ServiceOptions):
    """Options of ``lab steward enterprise``."""

    code: CodeArgument
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="DAY", help="当日所知 As known at the end of this day [default: now].")
    ] = ""
    history: HistoryOption = False
    personal: PersonalOption = False
    reason: ReasonOption = ""


@take_options(StewardEnterpriseOptions)
def enterprise(options: StewardEnterpriseOptions) -> None:
    """单户企业 Show one enterprise's records, by domain and time; each look is a ledger entry, without the code."""
    out = CommandOutput(options.as_json)
    form = {
        "code": options.code,
        "as_of": options.as_of or None,
        "history": options.history,
        "personal": options.personal,
        "reason": options.reason or None,
    }
    with ServiceClient.open(options.session) as client:
        found = client.post("/v1/enterprises/records", form)
    show_enterprise(out, found)
    out.print_result(found)
