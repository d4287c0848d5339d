"""Who does what a command on the bureau's machine does, as the ledger names them."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import select

from lab.bureau.bureau import Bureau
from lab.bureau.ledger import LOCAL_ACTOR
from lab.bureau.store.tables import AccountRow
from lab.terms.errors import NotFound

ByOption = Annotated[
    str,
    typer.Option(
        "--by", metavar="ACCOUNT", help="经手人账户 Account of who does it [default: the machine's operator]."
    ),
]


def find_actor(bureau: Bureau, account: str) -> str:
    """``person:ACCOUNT``, or ``local`` if none is named; raises ``NotFound`` for an account that is not there."""
    if not account:
        return LOCAL_ACTOR
    with bureau.store.begin_read() as session:
        known = session.scalar(select(AccountRow.name).where(AccountRow.name == account))
    if known is None:
        raise NotFound(
            "Expected --by as the name of an account; there is none of this name.",
            next_step="leave --by out, or see the accounts with `lab administrator list`",
        )
    return f"person:{known}"
