"""``lab bureau records import`` and ``lab bureau records deliveries``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import current_catalogue
from lab.bureau.data.ingestion import DeliveryReader, DepartmentDelivery
from lab.bureau.data.ingestion.deliveries.delivery_list import check_mappings, read_deliveries, read_delivery_list
from lab.bureau.data.ingestion.delivery_history import list_deliveries
from lab.bureau.data.ingestion.mapping import read_mapping
from lab.cli.bureau.records.actors import ByOption, find_actor
from lab.cli.bureau.records.delivery_report import show_deliveries, total_facts
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import InvalidInput

ReceivedOption = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        metavar="DAY",
        help="收到之日 The day on which the bureau received it, YYYY-MM-DD [default: today].",
        show_default=False,
    ),
]

AcceptAmountsOption = Annotated[
    bool,
    typer.Option(
        "--accept-amounts",
        help="照收金额 Take amounts although they are 10,000 times (or 1/10,000 of) those held: they were checked.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class RecordImportOptions:
    """Options of ``lab bureau records import``."""

    file: Annotated[
        Path | None,
        typer.Argument(help="部门数据 A department's table: CSV, workbook or Parquet [default: the mapping's source]."),
    ] = None
    mapping: Annotated[Path | None, typer.Option(metavar="TOML", help="映射文件 Which column holds which item.")] = None
    deliveries: Annotated[
        Path | None, typer.Option(metavar="TOML", help="交付清单 A list of many files, read in its order.")
    ] = None
    received: ReceivedOption = None
    accept_amounts: AcceptAmountsOption = False
    by: ByOption = ""
    home: BureauHomeOption = None
    as_json: JsonOption = False


@take_options(RecordImportOptions)
def import_records(options: RecordImportOptions) -> None:
    """导入记录 Read a department's table by its mapping, or a list of tables, into the bureau's records.

    新记录入库，相同的不变，不同的搁置并注明原因。 New records are stored, same ones stay, and what differs from what is
    held is set aside with its reason. The same file again changes nothing; after a kill, run it again.
    """
    out = CommandOutput(options.as_json)
    today = local_day(options.received)
    with Bureau.open(options.home or default_folder()) as bureau:
        by = find_actor(bureau, options.by)
        reader = DeliveryReader(bureau.home, bureau.store, bureau.records)
        if options.deliveries is not None:
            alone = (options.file, options.mapping, options.received, options.accept_amounts or None)
            if any(one is not None for one in alone):
                raise InvalidInput(
                    "Expected --deliveries alone, or a file with --mapping; found both.",
                    next_step="write files, mappings and days into the list of deliveries",
                )
            listed = read_delivery_list(options.deliveries, today, by=by)
            with bureau.store.begin_read() as session:
                check_mappings(listed, current_catalogue(bureau.home, session))
            results = read_deliveries(reader, listed, out.progress)
        else:
            if options.mapping is None:
                raise InvalidInput(
                    "Expected --mapping or --deliveries; found neither.",
                    next_step="draft a mapping with `lab bureau mapping suggest FILE --domain DOMAIN`",
                )
            mapping = read_mapping(options.mapping)
            accepted = options.accept_amounts
            delivery = DepartmentDelivery(options.file, mapping, today, by=by, accept_amounts=accepted)
            results = [reader.read(delivery, out.progress)]
    show_deliveries(out, results)
    out.print_result(total_facts(results))


def deliveries(
    domain: Annotated[str | None, typer.Option("--domain", metavar="DOMAIN", help="领域 Only this domain.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="条数 At most so many.")] = 50,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """交付记录 List the deliveries that were read, newest first: who, when, why, and what became of the rows."""
    out = CommandOutput(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin_read() as session:
        found = list_deliveries(session, domain=domain, limit=limit)
        rows = [
            (one.source, one.operation, one.received.isoformat(), one.stored, one.unchanged, one.set_aside, one.actor)
            for one in found
        ]
        facts = [
            {
                "domain": one.domain,
                "source": one.source,
                "operation": one.operation,
                "received": one.received.isoformat(),
                "read_at": one.at.isoformat(timespec="seconds"),
                "by": one.actor,
                "why": one.why,
                "rows": one.rows,
                "stored": one.stored,
                "unchanged": one.unchanged,
                "repeated": one.repeated,
                "set_aside": one.set_aside,
                "source_sha256": one.source_sha256,
                "mapping_sha256": one.mapping_sha256,
            }
            for one in found
        ]
    if rows:
        out.table(
            "交付 Deliveries",
            ("来源 source", "操作 op.", "收到 received", "入库 stored", "未变 same", "搁置 aside", "经手 by"),
            rows,
        )
    else:
        out.say("还没有 None yet. 下一步 Next: lab bureau records import FILE --mapping TOML")
    out.print_result({"deliveries": facts})


def local_day(stated: datetime | None) -> date:
    """The stated day, or today where this machine is; raises ``InvalidInput`` for a day to come."""
    today = datetime.now().astimezone().date()
    if stated is not None and stated.date() > today:
        raise InvalidInput(
            f"Expected a day of receipt that has come; found {stated.date()}, and today is {today}.",
            next_step="correct --received",
        )
    return stated.date() if stated is not None else today
