"""``lab bureau disclosure``: the yearly disclosure and the registration forms, as files a bureau hands in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import default_folder
from lab.bureau.data.catalogue import Catalogue, Domain, current_catalogue
from lab.bureau.data.disclosure.handed_in_files import registration_files, yearly_files
from lab.bureau.data.disclosure.output_folder import check_output_folder, write_output_folder
from lab.bureau.data.disclosure.registration_form import fill_registration_form
from lab.bureau.data.disclosure.resource_counts import count_resources
from lab.bureau.data.disclosure.yearly import disclose_year
from lab.bureau.data.requests.item_quality import domain_quality
from lab.bureau.ledger import LOCAL_ACTOR, Fact, record
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.errors import InvalidInput

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="公共数据披露与登记 Disclosure: authorised public data of a year, registration forms of resources.",
)
OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="输出目录 A new folder for the files.")]


@app.command()
def yearly(
    year: Annotated[int, typer.Option(min=2000, max=2999, help="年度 The year (UTC).")],
    out: OutOption,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """年度披露 Write a year: resources, products, recipients, calls and prices, as CSV, XLSX and JSON."""
    output = CommandOutput(as_json)
    check_output_folder(out)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            found = disclose_year(session, current_catalogue(bureau.home, session), year, bureau.now())
        files = yearly_files(found, bureau.party.name)
        write_output_folder(out, files)
        _record(bureau, files, {"what": "yearly", "year": year})
    output.table(
        f"授权运营公共数据 Authorised public data, {year}",
        ("项 figure", "数 count"),
        [
            ("合同 contracts", found.summary["contracts"]),
            ("使用单位 recipients", found.summary["recipients"]),
            ("数据项 resources", found.summary["resources"]),
            ("产品 products", found.summary["products"]),
            ("调用 calls", found.summary["calls"]),
            ("评分企业 scored enterprises", found.summary["scored_enterprises"]),
            ("匹配标识 matched identifiers", found.summary["matched_identifiers"]),
        ],
    )
    output.say(f"已写入 Written: {out} ({len(files)} 个文件 files)")
    output.print_result(found.summary | {"out": str(out), "files": sorted(files)})


@app.command("registration-form")
def registration_form(
    out: OutOption,
    domain: Annotated[
        list[str] | None, typer.Option("--domain", help="领域(可重复) A domain's code; repeatable.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="全部领域 Every domain.")] = False,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """登记表 Write the registration form of resources: owner, items, current records, frequency, sharing, quality."""
    output = CommandOutput(as_json)
    if every == bool(domain):
        raise InvalidInput("Expected --domain CODE or --all; found neither or both.", next_step="give one of them")
    check_output_folder(out)
    files: dict[str, bytes] = {}
    rows = []
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.begin_read() as session:
            catalogue, manifest = current_catalogue(bureau.home, session), bureau.records.head(session)
            quality = domain_quality(bureau.home, session)
        chosen = _choose_domains(catalogue, domain)
        with output.progress.stage("count-records", len(chosen)) as stage:
            for one, counts in count_resources(bureau.records, manifest, catalogue, chosen, quality):
                files |= registration_files(fill_registration_form(one, bureau.party.name, counts))
                rows.append((one.code, one.zh, counts.records, counts.enterprises, counts.quality or "–"))
                stage.advance()
        write_output_folder(out, files)
        _record(bureau, files, {"what": "registration-form", "domains": [one.code for one in chosen]})
    columns = ("代码 code", "名称 name", "记录 records", "企业 enterprises", "质量 quality")
    output.table("登记表 Registration forms", columns, rows)
    output.say(f"已写入 Written: {out} ({len(files)} 个文件 files)")
    output.print_result(
        {
            "out": str(out),
            "files": sorted(files),
            "domains": [
                {"domain": code, "records": records, "enterprises": enterprises}
                for code, _, records, enterprises, _ in rows
            ],
        }
    )


def _choose_domains(catalogue: Catalogue, wanted: list[str] | None) -> list[Domain]:
    if wanted is None:
        return list(catalogue.domains)
    known = {one.code: one for one in catalogue.domains}
    for code in wanted:
        if code not in known:
            raise InvalidInput(
                f"Expected a domain of the catalogue; it has {len(known)}, and not this one.",
                next_step=f"choose among {', '.join(known)}",
            )
    return [known[code] for code in dict.fromkeys(wanted)]


def _record(bureau: Bureau, files: Mapping[str, bytes], about: dict[str, Fact]) -> None:
    """One ledger entry: what was written, and the hash of all files together."""
    listed = "\n".join(f"{name} {hashlib.sha256(files[name]).hexdigest()}" for name in sorted(files))
    facts: dict[str, Fact] = about | {"files": len(files), "sha256": hashlib.sha256(listed.encode()).hexdigest()}
    with bureau.store.begin() as session:
        record(session, "disclosure.written", None, facts, by=LOCAL_ACTOR)
