"""``lab bureau card``: the bureau's card, with which auditors, banks and witnesses check what it signs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.text.escaping import dump_visible_json


def card(
    out: Annotated[
        Path | None, typer.Option("--out", help="写入文件 Write to this file instead of stdout.", show_default=False)
    ] = None,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """数据局名片 Show the bureau's card: name and public key, as GET /v1/bureau gives it. Nothing in it is secret.

    审计员须另行核对指纹。 Whoever gets it compares the fingerprint by telephone: `lab audit verify --card CARD.json`.
    """
    output = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        found, fingerprint = bureau.identity(), bureau.party.fingerprint
    output.say_on_stderr(f"指纹 fingerprint: {fingerprint}")
    text = dump_visible_json(found) + "\n"
    if out is not None:
        out.write_text(text, encoding="utf-8")
        output.say(f"已写入 written: {out}")
    elif not as_json:
        output.print_text(text)
    output.print_result(found | {"fingerprint": fingerprint})
