"""``lab bank``: keys, contracts, scoring and portraits, for the bank."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from lab.bank.home import BankHome, default_home
from lab.cli.bank import backups
from lab.cli.bank.contracts import contract, sign
from lab.cli.bank.match import count, match
from lab.cli.bank.options import (
    BankHomeOption,
    JsonOption,
    ModelOption,
    PortfolioOptions,
    RecipientOption,
    RunOption,
    open_keys,
    read_passphrase,
)
from lab.cli.bank.plan import plan
from lab.cli.bank.rescore import drift, rescore
from lab.cli.bank.rotate_key import rotate_key
from lab.cli.bank.runs import runs, show_run, show_run_warnings, summarise_manifest
from lab.cli.bank.tidy import show_expired_reminder, tidy
from lab.cli.bank.tree_heads import app as heads
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.output import CommandOutput
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
        out.write_text(_card_text(opened), encoding="utf-8")
        output.say(f"已写入 written: {out}")
    elif not as_json:
        output.print_text(_card_text(opened))
    output.print_result(opened.card.model_dump())


app.command()(sign)
app.command()(contract)
app.command()(plan)
app.command()(match)
app.command()(count)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(PortfolioOptions):
    """What ``lab bank score`` takes."""

    out: Annotated[Path, typer.Option("--out", help="结果文件 Where results go: .parquet or .csv.")]
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


@app.command()
@take_options(ScoreOptions)
def score(options: ScoreOptions) -> None:
    """评分 Match, encrypt, score and decrypt a portfolio under a contract.

    Every row ends as scored, not-matched, skipped or set-aside with a reason. The same command resumes a job that was
    stopped, without new charges.
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
    )
    with options.connect_for(home, keys, home.contract(options.contract)) as client:
        manifest = score_portfolio(home, keys, client, request, progress=output.progress)
    show_run(output, manifest)
    show_expired_reminder(output, home)
    output.print_result(summarise_manifest(manifest))


@app.command()
def portrait(
    code: Annotated[
        str | None,
        typer.Argument(help="统一社会信用代码 The enterprise's code (default: the first scored).", show_default=False),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="网页文件 Write a page here.", show_default=False)] = None,
    lang: Annotated[Literal["zh", "en", "both"], typer.Option("--lang", help="语言 Language of the page.")] = "both",
    run: RunOption = None,
    home: BankHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """企业信用画像 Draw one enterprise's portrait, in the terminal and as a page."""
    from lab.bank.portraits.pages.portrait_page import portrait_page
    from lab.bank.portraits.pages.terminal_portrait import draw_portrait_panel
    from lab.bank.portraits.scored_run import ScoredRun
    from lab.bank.runs.store import find_finished_run
    from lab.disk.private_files import replace_private

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    scored_run = ScoredRun.open(find_finished_run(opened.runs, run))
    drawn = scored_run.portrait(code)
    output.show(draw_portrait_panel(drawn))
    show_run_warnings(output, scored_run.run.manifest)
    if html is not None:
        page = portrait_page(drawn, scored_run.sheet, lang=lang, warnings=scored_run.warnings)
        replace_private(html.absolute(), page.encode())
        output.say(f"画像网页 page: {html}")
    output.print_result(
        {
            "run": scored_run.run.folder.name,
            "html": str(html) if html else None,
            "warnings": list(scored_run.warnings),
            "portrait": drawn.as_dict(),
        }
    )


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
