"""``lab bureau``: set up a bureau, import a register, serve."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.bureau.bureau import Bureau
from lab.bureau.configuration.home import BureauHome, default_folder
from lab.bureau.data.catalogue import read_dictionary
from lab.bureau.data.register import DriftPolicy, RegisterImport, RegisterLayout, import_register
from lab.bureau.key_management.metrics_token import METRICS_TOKEN_FILE, metrics_token, prometheus_configuration
from lab.bureau.ledger import LOCAL_ACTOR
from lab.cli.bureau import backups, keys
from lab.cli.bureau import jobs as bureau_jobs
from lab.cli.bureau import register as bureau_register
from lab.cli.bureau.accounts import FirstAccountsOption, account, add_account, parse_first_accounts
from lab.cli.bureau.card import card
from lab.cli.bureau.data import disclosure
from lab.cli.bureau.data.catalogue import catalogue
from lab.cli.bureau.data.repair import repair
from lab.cli.bureau.records.enterprise import enterprise
from lab.cli.bureau.records.group import legacy_codes, mapping, records
from lab.cli.bureau.registers import features as bureau_features
from lab.cli.bureau.registers import publication as register_publication
from lab.cli.bureau.registers import quality as bureau_quality
from lab.cli.bureau.status import status
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import BureauHomeOption, JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.status import listed
from lab.cli.terminal.tables.column_table import show_columns, summary_lines
from lab.terms.names import IdKind

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="数据局 For the bureau: set up, import a register, serve."
)


app.add_typer(repair, name="repair")
app.add_typer(disclosure.app, name="disclosure")


@app.callback()
def group() -> None:
    """数据局 For the bureau: set up, import a register, serve."""


@app.command()
def init(
    name: Annotated[str, typer.Option(help="数据局名称 The bureau's name, as contracts give it.")],
    home: BureauHomeOption = None,
    database_url: Annotated[
        str, typer.Option(help="数据库 PostgreSQL URL, postgresql+psycopg://USER@HOST/NAME [default: SQLite].")
    ] = "",
    key_file: Annotated[
        Path | None,
        typer.Option(help="密钥文件 File whose bytes seal the keys; made if absent [default: HOME/keys/seal.key]."),
    ] = None,
    seal: Annotated[str, typer.Option(help=keys.SEAL_HELP)] = "file",
    account: FirstAccountsOption = None,
    as_json: JsonOption = False,
) -> None:
    """建立数据局 Make the bureau's folder (0700), its keys (sealed), its database and its first accounts."""
    out = CommandOutput(as_json)
    folder = home or default_folder()
    wanted = parse_first_accounts(account or ())
    with Bureau.create(folder, name=name, database_url=database_url, key_file=key_file, seal=seal) as bureau:
        party = bureau.party
        out.say(f"数据局已建立 The bureau is set up: {party.name}, {bureau.home.folder}")
        out.say(f"指纹(请电话告知银行) Fingerprint; read it out to banks: {party.fingerprint}")
        accounts = [add_account(out, bureau, one) for one in wanted]
        out.say("下一步 Next: lab bureau import REGISTER.csv --id COLUMN")
        out.print_result(
            {
                "name": party.name,
                "home": str(bureau.home.folder),
                "public_key": party.public_key,
                "fingerprint": party.fingerprint,
                "database": bureau.store.engine.dialect.name,
                "seal": bureau.home.settings.seal,
                "key_file": str(bureau.home.key_file),
                "accounts": accounts,
            }
        )


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """Options of ``lab bureau import``."""

    file: Annotated[Path, typer.Argument(help="登记表 Register file: CSV, workbook or Parquet.")]
    id_column: Annotated[str, typer.Option("--id", help="标识列 Column of the identifier.")]
    id_kind: Annotated[IdKind, typer.Option(help="标识种类 Unified social credit codes (checked), or any text.")] = (
        "uscc"
    )
    register: Annotated[str, typer.Option(metavar="NAME", help="登记库名 Name of the register.")] = "main"
    columns: Annotated[str, typer.Option(help="列(逗号分隔) Columns to import, with commas [default: all].")] = ""
    dictionary: Annotated[
        Path | None, typer.Option(help="数据项词典 Words for the columns: TOML with [items.COLUMN] tables.")
    ] = None
    accept_drift: Annotated[
        bool,
        typer.Option(
            "--accept-drift",
            help="接受漂移 Import although data are far from before or from a model; recorded.",
        ),
    ] = False
    evaluate_now: Annotated[
        bool,
        typer.Option("--evaluate/--no-evaluate", help="立即求值 Evaluate it right away, for each contract in use."),
    ] = True
    home: BureauHomeOption = None
    as_json: JsonOption = False


@app.command("import")
@take_options(ImportOptions)
def import_register_file(options: ImportOptions) -> None:
    """导入登记表 Import a register as a new version; earlier versions stay.

    坏代码与重复行另存,不中断。 Bad codes and repeated rows are listed with row and reason, and the import goes on.
    """
    out = CommandOutput(options.as_json)
    words = read_dictionary(options.dictionary) if options.dictionary else {}
    with Bureau.open(options.home or default_folder()) as bureau:
        done = import_register(
            bureau.store,
            bureau.home,
            options.file,
            RegisterLayout(
                id_column=options.id_column,
                id_kind=options.id_kind,
                columns=_split_names(options.columns),
                descriptions=words,
            ),
            name=options.register,
            policy=DriftPolicy(bureau.drift.published(options.register), options.accept_drift),
            progress=out.progress,
        )
        if options.evaluate_now:
            with bureau.store.begin_read() as session:
                epoch = bureau.epochs.current_epoch(session)
            bureau.evaluation_planner.prepare(epoch, out.progress, register=done.register, by=LOCAL_ACTOR)
    _show_import(out, done)
    out.print_result(
        {
            "register": done.register,
            "version": done.version,
            "rows": done.rows,
            "set_aside": done.set_aside,
            "reasons": dict(done.rejection_counts),
            "columns": list(done.columns),
            "undescribed": list(done.undescribed),
            "encoding": done.encoding,
            "sha256": done.sha256,
            "rejected": str(done.rejected_file) if done.rejected_file else None,
            "warnings": [*done.warnings, *_drift_lines(done)],
            "column_report": [one.as_dict() for one in done.column_summaries],
            "drift": {name: [asdict(one) for one in findings] for name, findings in done.drift.items()},
            "drift_accepted": options.accept_drift,
        }
    )


def _show_import(out: CommandOutput, done: RegisterImport) -> None:
    out.say(f"已导入 Imported {done.register} v{done.version}: {done.rows} 行 rows, {len(done.columns)} 列 columns")
    if done.set_aside:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in done.rejection_counts.items())
        out.say(f"另存 Set aside {done.set_aside} ({reasons}): {done.rejected_file}")
    if done.undescribed:
        names = listed(done.undescribed)
        out.say(f"词典中未说明的列 Columns that the dictionary does not describe: {len(done.undescribed)}: {names}")
        out.say("其敏感级视同最高，涉及它们的合同须两个部门批准")
        out.say("they count as the most sensitive: contracts over them need two departments")
    show_columns(out, "列 Columns", summary_lines(done.column_summaries))
    for warning in [*done.warnings, *_drift_lines(done)]:
        out.say(f"注意 Note: {warning}")
    out.say("下一步 Next: lab model train --sample SAMPLE.csv --id COLUMN --label COLUMN")


def _drift_lines(done: RegisterImport) -> list[str]:
    return [
        f"{finding.column or '登记库 register'}: {finding.zh} {finding.en} ({name})"
        for name, findings in done.drift.items()
        for finding in findings
    ]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="监听地址 Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口 Port; 0 takes a free one.")] = 8600,
    port_file: Annotated[
        Path | None, typer.Option(help="端口文件 File that receives the port once the service listens.")
    ] = None,
    processes: bureau_register.WorkerProcessesOption = 0,
    cluster: bureau_register.ClusterOption = "",
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """启动服务 Serve banks over HTTP until SIGTERM or Ctrl-C."""
    from sandbox.app import ServiceAddress  # the web framework is needed by this command alone
    from sandbox.app import serve as run

    out = CommandOutput(as_json)
    folder = (home or default_folder()).expanduser().absolute()

    def announce(address: ServiceAddress) -> None:
        every = " (本机所有地址 every address of this machine)" if address.every_address else ""
        out.say(f"服务就绪 Serving {folder} at {address.origin}{every}; Ctrl-C 结束 ends it")
        if address.unprotected:
            out.alert(
                "警告：其他机器可不加密访问，口令和令牌会在途中泄露 WARNING: other machines reach it without TLS; "
                "passwords and tokens can be read on the way"
            )
            out.alert(
                "请在 service.toml 设置 tls_certificate 和 tls_key，或由代理终止 TLS 并设置 public_url "
                "Set tls_certificate and tls_key in service.toml, or let a proxy end TLS and set public_url"
            )

    changes = bureau_register.worker_settings_overrides(processes, cluster)
    run(folder, host, port, port_file, changes=changes, on_listening=announce)
    out.say("服务已结束 The service has ended")
    out.print_result({"served": str(folder)})


@app.command()
def metrics(
    address: Annotated[str, typer.Option(help="服务地址 Where the service is, HOST:PORT.")] = "127.0.0.1:8600",
    tls: Annotated[bool, typer.Option("--tls/--no-tls", help="用 TLS Ask over TLS, its own or a proxy's.")] = False,
    home: BureauHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """监控指标 Print what Prometheus needs in its configuration to read the service's figures.

    只认令牌，不认来源地址。 Whoever has the token may read the figures, from any address.
    """
    out = CommandOutput(as_json)
    folder = BureauHome.open(home or default_folder()).folder
    metrics_token(folder)
    text = prometheus_configuration(folder / METRICS_TOKEN_FILE, address, tls=tls)
    out.print_text(text)
    out.say_on_stderr("service.toml 的 metrics_token 优先 A metrics_token in service.toml takes precedence")
    out.print_result({"token_file": str(folder / METRICS_TOKEN_FILE), "prometheus": text})


app.add_typer(catalogue, name="catalogue")
for command in (
    account,
    card,
    status,
    bureau_register.evaluate,
    bureau_jobs.jobs,
    keys.rotate_keys,
    keys.rotate_pseudonyms,
    keys.epochs,
    keys.close_epochs,
    keys.reseal,
    backups.backup,
    backups.verify_backup,
    backups.restore,
    backups.upgrade,
    backups.backup_key,
    enterprise,
):
    app.command(command.__name__.replace("_", "-"))(command)

for group_name, group_app in (("records", records), ("mapping", mapping), ("legacy-codes", legacy_codes)):
    app.add_typer(group_app, name=group_name)
app.add_typer(bureau_features.app, name="feature")
app.add_typer(register_publication.app, name="register")
app.add_typer(bureau_quality.app, name="quality")


def _split_names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
