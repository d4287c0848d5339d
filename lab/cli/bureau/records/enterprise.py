"""``lab bureau enterprise``: a bureau's own view of one enterprise, on the bureau's machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.enterprises import EnterpriseLook
from lab.bureau.ledger import LOCAL_ACTOR
from lab.cli.bureau.records.stored_records import AsOfOption, read_day
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.enterprise_tables import (
    CodeArgument,
    HistoryOption,
    PersonalOption,
    ReasonOption,
    show_enterprise,
)
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput


@dataclass(frozen=True, kw_only=True)
class EnterpriseOptions:
    """Options of ``lab bureau enterprise``."""

    code: CodeArgument
    as_of: AsOfOption = ""
    history: HistoryOption = False
    personal: PersonalOption = False
    reason: ReasonOption = ""
    inquiries: Annotated[bool, typer.Option("--inquiries", help="查询记录 Also which banks had it scored.")] = False
    home: BureauHomeOption = None
    as_json: JsonOption = False


@take_options(EnterpriseOptions)
def enterprise(options: EnterpriseOptions) -> None:
    """单户企业 Show one enterprise's records, by domain and time; each look is a ledger entry, without the code."""
    out = CommandOutput(options.as_json)
    look = EnterpriseLook(
        options.code, read_day(options.as_of), options.history, options.personal, options.reason, options.inquiries
    )
    with Bureau.open(options.home or default_folder()) as bureau:
        begun = time.perf_counter()
        found = bureau.enterprises.look(look, by=LOCAL_ACTOR)
        seconds = time.perf_counter() - begun
    show_enterprise(out, found)
    out.print_result({**found, "seconds": round(seconds, 4)})
