"""``lab bank heads``: the tree heads that bureaus have shown this bank, for others to compare; and what to do when a
bureau has restored its ledger from a backup."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank.options import BankHomeOption, BureauOptions, ContractOption, JsonOption, open_keys
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import NotAllowed

if TYPE_CHECKING:
    from lab.bank.contract.restoration import LedgerRestoration

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


@dataclass(frozen=True, kw_only=True)
class AcceptRestorationOptions(BureauOptions):
    """Options of ``lab bank heads accept-restoration``."""

    contract: ContractOption
    yes: Annotated[
        bool, typer.Option("--yes", help="接受 Accept without asking, after you have talked to the bureau.")
    ] = False


@app.command("accept-restoration")
@take_options(AcceptRestorationOptions)
def accept_restoration(options: AcceptRestorationOptions) -> None:
    """接受台账恢复 Show what a bureau lost when it restored its ledger from a backup, and accept it, once.

    先电话核实原因。 Ask the bureau why, by telephone, first: whoever can restore can also undo. The bank keeps the head
    that is lost and its own receipts, which stay valid evidence.
    """
    from lab.bank.contract.restoration import accept_restoration as accept
    from lab.bank.contract.restoration import find_restoration

    output, home = CommandOutput(options.as_json), options.open_home()
    signed = home.contract(options.contract)
    bureau = signed.contract.bureau
    with options.connect_for(home, open_keys(home), signed) as client:
        found = find_restoration(home, bureau, client)
    if found is None:
        output.say("台账未中断 Nothing to accept: the bureau's ledger continues what it showed this bank")
        output.print_result({"bureau": bureau.name, "accepted": False})
        return
    _show_restoration(output, bureau.name, found)
    if not options.yes and not output.confirm("接受? Accept that these entries are lost?"):
        raise NotAllowed("Nobody accepted the restoration; nothing has changed.", next_step="ask the bureau why")
    accept(home, bureau, found)
    output.say("已接受，照常继续 Accepted; go on as before. Kept: the lost head, the statement, your receipts")
    output.print_result({"bureau": bureau.name, "accepted": True, **found.as_dict()})


def _show_restoration(output: CommandOutput, bureau: str, found: LedgerRestoration) -> None:
    facts = found.statement.facts
    output.alert(
        f"{bureau}: 台账第 {found.first_lost} 至 {found.last_lost} 条已丢失 Entries {found.first_lost} to "
        f"{found.last_lost}, which it showed this bank, are lost"
    )
    output.say(
        f"声明 The bureau states in entry {found.statement.entry_number}, "
        f"{found.statement.time:%Y-%m-%d %H:%M:%S} UTC: restored from a backup of {facts.backup_made[:19]}; "
        f"restoration no. {facts.restorations} in its ledger"
    )
    output.say(f"丢失的树头 The lost head, kept here: {found.lost_head.size} entries, root {found.lost_head.root}")
    output.say(f"现在的树头 Its head now: {found.new_head.size} entries, root {found.new_head.root}")
    output.table(
        "本行持有的已丢失条目的回执 Your receipts for lost entries",
        ("运行 run", "条目 entry", "事项 what", "合同 contract", "时间 time"),
        [(one.run, one.entry, one.kind, one.contract, one.time[:19]) for one in found.receipts],
        whole="运行 run",
    )
