"""``lab steward``: consents, catalogue, requests for data and credit repair, at the bureau through its service."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from lab.cli.steward import requests
from lab.cli.steward.catalogue import catalogue
from lab.cli.steward.enterprise import enterprise
from lab.cli.steward.repair import objection, repair
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, ServiceOptions, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.disk.output_files import check_output_file
from lab.sdk.client import ServiceClient
from lab.tables.code_list import read_code_list
from lab.tables.spreadsheet_csv import save_csv
from lab.terms.consent import COLUMNS, consent_file_template
from lab.terms.contract.document import Purpose
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import normalise_identifiers
from lab.terms.names import IdKind

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="数据管理员 For data stewards: consents, the catalogue, requests for data, credit repair.",
)
consent = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="企业授权 Consents: import, withdraw, count, show."
)
app.add_typer(consent, name="consent")
app.command()(enterprise)
app.add_typer(requests.app, name="request")
app.add_typer(repair, name="repair")
app.add_typer(objection, name="objection")
app.add_typer(catalogue, name="catalogue")

IdKindOption = Annotated[IdKind, typer.Option("--id-kind", help="代码类型 Kind of the codes.")]
_ALL_SET_ASIDE = (
    "全部搁置，未导入任何授权：请按上述原因改正；代码须按文本导出，类型用 --id-kind 指定（现为 {0}） "
    "Every row was set aside, and no consent was imported. Correct what the reasons say; export codes as text (no "
    ".0, no exponent), and name their kind with --id-kind (now {0})."
)
_MAX_ROWS_SHOWN = 10  # rejected rows that the terminal shows; --rejected writes them all


@app.callback()
def group() -> None:
    """数据管理员 For data stewards: consents, the catalogue, requests for data, credit repair."""


@consent.command("template")
def print_template(as_json: JsonOption = False) -> None:
    """授权文件样式 Print the columns of a consent file, and two made-up rows."""
    output = CommandOutput(as_json)
    if not as_json:
        sys.stdout.write(consent_file_template())
    notes = CommandOutput(json=True)  # explanations go to stderr, so that stdout can be saved as the file
    notes.table("列 Columns", ("列 column", "说明", "meaning"), COLUMNS)
    notes.say("每行须有凭证编号，或公钥和签名 A row needs evidence, or a public key and a signature.")
    notes.say(f"用途 purposes: {', '.join(Purpose)}")
    output.print_result(
        {"columns": [{"name": name, "zh": zh, "en": en} for name, zh, en in COLUMNS], "csv": consent_file_template()}
    )


@consent.command("import")
def import_consents(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="授权文件 Consents as CSV (see `template`).")],
    id_kind: IdKindOption = "uscc",
    rejected: Annotated[
        Path | None, typer.Option(help="搁置行写入此文件 Write numbers and reasons of the rows set aside here.")
    ] = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """导入授权 Import consents. Rows that were imported before add nothing.

    全部搁置时退出码为 3。 If every row is set aside, nothing is imported and the exit code is 3.
    """
    output = CommandOutput(as_json)
    if rejected is not None:
        check_output_file(rejected)
    with ServiceClient.open(session) as client, output.progress.stage("import", 1):
        done = client.upload("/v1/consents", file, "text/csv", id_kind=id_kind)
    output.table(
        f"授权导入 Consents of {file.name}",
        ("项 item", "数 count"),
        [
            ("行 rows", done["rows"]),
            ("新增 imported", done["imported"]),
            ("其中带签名 signed", done["signed"]),
            ("已有 imported before", done["duplicates"]),
            ("搁置 set aside", done["set_aside"]),
        ],
    )
    for reason in done["reasons"]:
        output.say(f"搁置 set aside ×{reason['count']}: {reason['zh']} · {reason['en']}")
    for warning in done["warnings"]:
        output.say(warning)
    if rejected is not None:
        _write_rejected(rejected, done["aside"])
        output.say(f"搁置行 Rows set aside: {rejected}")
    elif done["aside"]:
        rows = ", ".join(str(one["row"]) for one in done["aside"][:_MAX_ROWS_SHOWN])
        output.say(f"行号 rows: {rows}{' …' if done['set_aside'] > _MAX_ROWS_SHOWN else ''}; 全部 all: --rejected FILE")
    if done["rows"] and done["set_aside"] == done["rows"]:
        output.alert(_ALL_SET_ASIDE.format(id_kind))
        output.print_result(done)
        raise typer.Exit(InvalidInput.exit_code)
    output.print_result(done)


@dataclass(frozen=True, kw_only=True)
class WithdrawOptions(ServiceOptions):
    """Options of ``lab steward consent withdraw``."""

    reason: Annotated[str, typer.Option(help="原因 Why; kept in the ledger, so without any code.")]
    codes: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE]...", help="企业代码 Codes of the enterprises.")
    ] = None
    file: Annotated[
        Path | None, typer.Option(help="代码文件 A table with a column code; it must be readable in every row.")
    ] = None
    bank: Annotated[
        str | None,
        typer.Option(help="银行名称或编号 The bank, by name or id [default: all]."),
    ] = None
    purpose: Annotated[Purpose | None, typer.Option(help="用途 The purpose [default: all].")] = None
    id_kind: IdKindOption = "uscc"


@consent.command()
@take_options(WithdrawOptions)
def withdraw(options: WithdrawOptions) -> None:
    """撤回授权 Withdraw consents of enterprises, from one bank or all; nothing is scored under them from now on."""
    output = CommandOutput(options.as_json)
    listed = read_code_list(options.file, options.id_kind) if options.file else None
    codes = [*(options.codes or []), *(listed.codes if listed else ())]
    if not codes:
        raise InvalidInput("Expected enterprises' codes; found none.", next_step="give CODE, or --file")
    body: dict[str, Any] = {
        "codes": codes,
        "id_kind": options.id_kind,
        "bank": options.bank,
        "reason": options.reason,
        "purpose": options.purpose.value if options.purpose else None,
    }
    with ServiceClient.open(options.session) as client:
        done = client.post("/v1/consents/withdrawals", body)
    output.say(f"已撤回 Withdrawn: {done['consents']} 份授权 consents, {done['enterprises']} 户企业 enterprises")
    warnings = list(listed.warnings) if listed else []
    asked = len(set(normalise_identifiers(codes, options.id_kind).codes))
    if done["enterprises"] < asked:
        nothing = asked - done["enterprises"]
        warnings.append(
            f"{nothing:,} of {asked:,} enterprises had no consent to withdraw · "
            f"{asked:,} 户中有 {nothing:,} 户没有可撤回的授权"
        )
    for warning in warnings:
        output.say(f"注意 note: {warning}")
    output.print_result(done | {"warnings": warnings})
    if not done["enterprises"]:
        raise typer.Exit(InvalidInput.exit_code)  # nothing was withdrawn, which somebody wanted


@consent.command("list")
def count_consents(session: SessionFileOption = None, as_json: JsonOption = False) -> None:
    """授权统计 Count consents by bank and purpose."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.get("/v1/consents")
    rows = [
        tuple(one[name] for name in ("bank", "purpose", "enterprises", "active", "to_come", "over", "withdrawn"))
        for one in found["consents"]
    ]
    if rows:
        columns = ("银行 bank", "用途 purpose", "企业 enterprises", "有效 active", "未生效 to come", "已过期 over")
        output.table("授权 Consents", (*columns, "已撤回 withdrawn"), rows)
    else:
        output.say("还没有授权 No consents yet. 下一步 Next: lab steward consent import FILE")
    output.print_result(found)


@consent.command()
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="企业代码 The enterprise's code.")],
    id_kind: IdKindOption = "uscc",
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """一户企业的授权 The consents of one enterprise; its signatures are verified again."""
    output = CommandOutput(as_json)
    with ServiceClient.open(session) as client:
        found = client.post("/v1/consents/enterprise", {"code": code, "id_kind": id_kind})
    if found["consents"]:
        output.table(
            "授权 Consents",
            ("银行 bank", "用途 purpose", "生效 starts", "失效 expires", "状态 state", "凭证 evidence"),
            [
                (one["bank"], one["purpose"], one["starts"], one["expires"], one["state"], _describe_evidence(one))
                for one in found["consents"]
            ],
        )
    else:
        output.say("没有该企业的授权 There is no consent of this enterprise.")
    output.print_result(found)


def _describe_evidence(one: dict[str, Any]) -> str:
    words = {True: "签名有效 signature verifies", False: "签名不符 SIGNATURE DOES NOT VERIFY", None: ""}
    return " · ".join(part for part in (one["reference"], words[one["verifies"]]) if part)


def _write_rejected(path: Path, aside: list[dict[str, Any]]) -> None:
    rows = {"row": [int(one["row"]) for one in aside], "reason": [str(one["reason"]) for one in aside]}
    save_csv(pl.DataFrame(rows), path)
