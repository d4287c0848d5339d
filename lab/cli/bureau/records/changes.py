"""``lab bureau records correct`` and ``delete``: operations of their own, with who and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.ingestion import DeliveryReader, DepartmentDelivery
from lab.bureau.data.ingestion.delivery_history import Operation
from lab.bureau.data.ingestion.mapping import read_mapping
from lab.bureau.data.ingestion.used_records import UsedRecords
from lab.cli.bureau.records.actors import ByOption, find_actor
from lab.cli.bureau.records.delivery_report import show_deliveries, show_use, total_facts
from lab.cli.bureau.records.import_records import AcceptAmountsOption, ReceivedOption, local_day
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput


@dataclass(frozen=True, kw_only=True)
class RecordChangeOptions:
    """Options of ``lab bureau records correct`` and ``delete``."""

    file: Annotated[Path, typer.Argument(help="记录 A table of the records: at least the code and the key items.")]
    mapping: Annotated[Path, typer.Option(metavar="TOML", help="映射文件 Which column holds which item.")]
    reason: Annotated[str, typer.Option(metavar="TEXT", help="原因 Why; kept in the ledger, so without any code.")]
    received: ReceivedOption = None
    by: ByOption = ""
    home: BureauHomeOption = None
    as_json: JsonOption = False


@dataclass(frozen=True, kw_only=True)
class RecordCorrectionOptions(RecordChangeOptions):
    """Options of ``lab bureau records correct``."""

    accept_amounts: AcceptAmountsOption = False


@take_options(RecordCorrectionOptions)
def correct(options: RecordCorrectionOptions) -> None:
    """更正记录 Correct records that are held; what the file's mapping does not read stays as it is.

    没有的记录、同一文件中相互矛盾的更正一律搁置。 A record that never was, and corrections of one file that contradict
    each other, are set aside. What was known before stays known as of its day.
    """
    _change(options, "correct", accept_amounts=options.accept_amounts)


@dataclass(frozen=True, kw_only=True)
class RecordDeletionOptions(RecordChangeOptions):
    """Options of ``lab bureau records delete``."""

    although_used: Annotated[
        bool,
        typer.Option(
            "--although-used",
            help="虽已计入仍删除 Delete records that published versions counted; banks are told to score again.",
        ),
    ] = False


@take_options(RecordDeletionOptions)
def delete(options: RecordDeletionOptions) -> None:
    """删除记录 Delete records that are held, from today on; what was known before stays known as of its day.

    已发布的登记版本计入过的记录，须加 --although-used 才删除。 Records that a published register version counted are
    deleted with --although-used only; the versions, and the contracts whose jobs scored with them, are named.
    """
    _change(options, "delete", although_used=options.although_used)


def _change(
    options: RecordChangeOptions, operation: Operation, *, although_used: bool = False, accept_amounts: bool = False
) -> None:
    out = CommandOutput(options.as_json)
    mapping, day = read_mapping(options.mapping), local_day(options.received)
    with Bureau.open(options.home or default_folder()) as bureau:
        by = find_actor(bureau, options.by)
        reader = DeliveryReader(bureau.home, bureau.store, bureau.records)
        delivery = DepartmentDelivery(
            options.file,
            mapping,
            day,
            operation,
            options.reason,
            by,
            although_used=although_used,
            accept_amounts=accept_amounts,
        )
        try:
            result = reader.read(delivery, out.progress)
        except UsedRecords as refusal:
            show_use(out, refusal.use)
            raise
    show_deliveries(out, [result])
    out.print_result(total_facts([result]))
