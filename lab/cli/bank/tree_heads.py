"""``lab bank heads export``: the tree heads that bureaus have shown this bank, for others to compare with theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank.options import BankHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """树头 The tree heads that bureaus have shown this bank."""


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", help="写入文件 File to write.")],
    home: BankHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """导出树头 Write the newest head of each bureau's ledger to a file: signed hashes, nothing about enterprises.

    交给另一银行或审计方，用 `lab audit compare` 比对。 Give the file to another bank or an auditor, who compares
    it with theirs; this detects a bureau that shows each of them another ledger.
    """
    from lab.bank.contract.ledger_witness import stored_heads
    from lab.disk.output_files import write_output_file
    from lab.terms.witnessing.observed_heads import write_heads

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    heads = stored_heads(opened)
    write_output_file(out, write_heads(opened.name, heads))
    for bureau, head, checkpoint in heads:
        state = "有联署 cosigned" if checkpoint is not None else "无联署 not cosigned"
        output.say(f"{bureau.name}: {head.size} 条 entries, {state}")
    output.say(f"已写入 written: {out}")
    output.say("下一步 Next: lab audit compare THIS OTHER --card BUREAU.json --service URL")
    output.print_result({"out": str(out), "heads": [{"bureau": one[0].name, "size": one[1].size} for one in heads]})
