"""``lab bank``: keys, contracts, scoring and portraits, for the bank."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank import backups
from lab.cli.bank.contracts import contract, sign
from lab.cli.bank.match import count, match
from lab.cli.bank.meter import meter
from lab.cli.bank.options import (
    BankHomeOption,
    JsonOption,
    ModelOption,
    PortfolioOptions,
    RecipientOption,
    open_keys,
    read_passphrase,
)
from lab.cli.bank.plan import plan
from lab.cli.bank.rescore import drift, rescore
from lab.cli.bank.results.portrait import portrait
from lab.cli.bank.results.reporting import require_matches, results_are_kept
from lab.cli.bank.results.runs import runs, show_run, summarise_manifest
from lab.cli.bank.rotate_key import rotate_key
from lab.cli.bank.status import status
from lab.cli.bank.tidy import show_expired_reminder, tidy
from lab.cli.bank.tree_heads import app as heads
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
from lab.disk.output_files import write_output_file
from lab.terms.names import ModelRef
from lab.terms.text.escaping import dump_visible_json

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def init(
    name: Annotated[str, typer.Option("--name", help="银行名称 The bank's name, as contracts show it.")],
    home: BankHomeOption = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="密钥文件 Seal the keys under this file, created if absent, instead of a passphrase.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """建立银行目录与密钥 Create the bank's folder and keys.

    Only you may read the folder. Its keys are sealed under a key file or a passphrase (SHULAB_PASSPHRASE, or else asked
    for). Send card.json to the bureau: it holds the bank's name and public key, and nothing secret.
    """
    output = CommandOutput(as_json)
    passphrase = None if key_file else read_passphrase(confirm=True)
    made, _ = BankHome.create(home or default_home(), name=name, passphrase=passphrase, key_file=key_file)
    card = made.folder / "card.json"
    card.write_text(_card_text(made), encoding="utf-8")
    output.say(f"已建立 created: {made.folder}")
    output.say(f"银行名片 bank card (send it to the bureau): {card}")
    output.say(f"指纹 fingerprint: {made.card.fingerprint}")
    output.print_result(
        {"home": str(made.folder), "card": str(card), "fingerprint": made.card.fingerprint} | made.card.model_dump()
    )


@app.command()
def card(
    home: BankHomeOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="写入文件 Write to this file instead of stdout.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """银行名片 Show the bank's card: name and public key, for the bureau to draft a contract with."""
    opened = BankHome.open(home or default_home())
    output = CommandOutput(as_json)
    output.say_on_stderr(f"指纹 fingerprint: {opened.card.fingerprint}")
    if out is not None:
        write_output_file(out, _card_text(opened).encode())
        output.say(f"已写入 written: {out}")
    elif not as_json:
        output.print_text(_card_text(opened))
    output.print_result(opened.card.model_dump())


app.command()(sign)
app.command()(contract)
app.command()(meter)
app.command()(plan)
app.command()(match)
app.command()(count)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(PortfolioOptions):
    """What ``lab bank score`` takes."""

    out: Annotated[Path, typer.Option("--out", help="结果文件 Where results go: .parquet, .csv or .xlsx.")]
    skip: Annotated[
        Path | None,
        typer.Option(
            "--skip",
            help="不评分名单 A table of codes to match but not to score. If a row can't be read, nothing is scored.",
            show_default=False,
        ),
    ] = None
    model: ModelOption = None
    recipient: RecipientOption = None
    accept_drift: Annotated[
        bool,
        typer.Option(
            "--accept-drift", help="接受漂移 Score although columns are far from those of the training; recorded."
        ),
    ] = False
    again: Annotated[
        bool,
        typer.Option("--again", help="重新计费评分 Score anew and pay anew, although these scores were given out."),
    ] = False


@app.command()
@take_options(ScoreOptions)
def score(options: ScoreOptions) -> None:
    """评分 Match, encrypt, score and decrypt a portfolio under a contract.

    Every row ends as scored, not-matched, skipped or set-aside with a reason. The same command resumes a job that was
    stopped, without new charges. 已评过分的不再计费。 If a finished run has the scores of the same portfolio under the
    same contract, model and register, it is given out at no charge; --again scores anew.
    """
    from lab.bank.runs.job_requests import ScoringRequest
    from lab.bank.scoring.job import score_portfolio

    output, home = CommandOutput(options.as_json), options.open_home()
    keys = open_keys(home)
    request = ScoringRequest(
        options.portfolio,
        options.contract,
        options.out,
        id_column=options.id_column,
        processes=options.processes,
        skip=options.skip,
        model=ModelRef.parse(options.model) if options.model else None,
        recipient=options.recipient,
        accept_drift=options.accept_drift,
        again=options.again,
    )
    with options.connect_for(home, keys, home.contract(options.contract)) as client:
        manifest = score_portfolio(home, keys, client, request, progress=output.progress)
    with results_are_kept(manifest["run"]):
        show_run(output, manifest)
        show_expired_reminder(output, home)
        output.print_result(summarise_manifest(manifest))
    require_matches(manifest)


app.command()(portrait)
app.command()(status)
app.command()(runs)
app.command()(rescore)
app.command()(drift)
app.command()(tidy)
app.add_typer(heads, name="heads", help="树头 The tree heads that bureaus have shown this bank.")
app.command("rotate-key")(rotate_key)
for command in (backups.backup, backups.verify_backup, backups.restore, backups.upgrade, backups.backup_key):
    app.command(command.__name__.replace("_", "-"))(command)


def _card_text(home: BankHome) -> str:
    return dump_visible_json(home.card.model_dump())
