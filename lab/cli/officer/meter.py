"""``lab officer meter``: what was used under a contract, at its prices, counted from the ledger."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.officer.drafts import contract_url_path
from lab.cli.terminal.option_types import JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.sdk.client import ServiceClient
from lab.terms.contract.meter_texts import ACCOUNT_COLUMNS, account_rows, account_title, account_totals
from lab.terms.contract.metering import MeterAccount


def meter(
    contract: Annotated[str, typer.Argument(metavar="CONTRACT", help="合同编号 Contract id.")],
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="月份 Only this month, in UTC [default: all].")
    ] = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """计量 Count what was used under a contract, from the ledger, and what it comes to. Nothing is paid here.

    未答复而退回的不计。 Only what was answered counts. The bank compares: lab bank meter CONTRACT --stated FILE
    """
    out = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = MeterAccount.model_validate(client.get(f"{contract_url_path(contract)}/meter", month=month))
    out.table(account_title(found), ACCOUNT_COLUMNS, account_rows(found))
    for total in account_totals(found):
        out.say(total)
    out.print_result(found.as_dict())
