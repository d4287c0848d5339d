"""``lab bank-key``: for administrators of a bureau, the keys by which it knows its banks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.terminal.option_types import JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.prompts.fingerprint_prompt import prompt_fingerprint
from lab.sdk.client import ServiceClient
from lab.sdk.pages import get_all
from lab.terms.errors import InvalidInput
from lab.terms.keys.fingerprint import check_fingerprint
from lab.terms.keys.party_card import read_party_card

_HELP = "银行密钥 For administrators: the keys by which a bureau knows its banks."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_HELP)

_KEY_STATE_LABELS = {"active": "有效 active", "succeeded": "已更替 succeeded", "revoked": "已吊销 revoked"}


@app.callback()
def group() -> None:
    """银行密钥 For administrators: the keys by which a bureau knows its banks."""


@app.command("list")
def list_bank_keys(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """密钥列表 All banks and their keys, with the state of each."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = get_all(client, "/v1/banks", "banks")
    _show(output, found["banks"])
    output.print_result(found)


@app.command()
def add(
    card: Annotated[Path, typer.Argument(metavar="CARD", help="新名片 The bank's new card, as it sent it.")],
    fingerprint: Annotated[
        str | None,
        typer.Option(help="指纹 The fingerprint that the bank read out by telephone [default: asked for]."),
    ] = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记新密钥 Register another key for a bank that lost its own. First compare the fingerprint by telephone.

    旧密钥不受影响,须另行吊销。 Older keys stay as they are; revoke those that are lost.
    """
    output = CommandOutput(as_json)
    party = read_party_card(card)
    confirmed = fingerprint if fingerprint is not None else prompt_fingerprint("银行", "the bank")
    check_fingerprint(confirmed, party.public_key, whose="the bank")
    with ServiceClient.open(session) as client:
        bank = client.post("/v1/banks/keys/added", party.model_dump() | {"fingerprint": confirmed})
    output.say(f"已登记 Added: {bank['name']}, {party.fingerprint}")
    _show(output, [bank])
    output.print_result(bank)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="公钥 The key, 64 hexadecimal digits, as in the list.")],
    reason: Annotated[str, typer.Option(help="原因 Why; it is kept in the ledger.")],
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """吊销密钥 Revoke a bank's key from now on; contracts signed with it stay signed."""
    output = CommandOutput(as_json)
    if len(key) != 64 or any(digit not in "0123456789abcdef" for digit in key):
        raise InvalidInput("Expected a key of 64 hexadecimal digits; found another form.", next_step="see the list")
    with ServiceClient.open(session) as client:
        bank = client.post(f"/v1/banks/keys/{key}/revocation", {"reason": reason})
    output.say(f"已吊销 Revoked: {bank['name']}")
    _show(output, [bank])
    output.print_result(bank)


def _show(output: CommandOutput, banks: list[dict[str, Any]]) -> None:
    output.table(
        "银行密钥 Banks' keys",
        ("银行 bank", "状态 state", "指纹 fingerprint", "登记 added", "公钥 key"),
        [
            (f"{bank['name']} {bank['bank']}", _state(key), key["fingerprint"], key["added_at"][:16], key["public_key"])
            for bank in banks
            for key in bank["keys"]
        ],
    )


def _state(key: dict[str, Any]) -> str:
    grace = " (仍接受 still accepted)" if key["accepted"] and key["state"] != "active" else ""
    return f"{_KEY_STATE_LABELS.get(key['state'], key['state'])}{grace}"
