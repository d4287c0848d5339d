"""``lab witness``: watch bureaus' ledgers and cosign them, for an auditor, a second bureau or a bank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.terminal.option_types import JsonOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.prompts.password_prompt import read_secret
from lab.terms.errors import InvalidInput
from lab.terms.keys.fingerprint import check_fingerprint
from lab.terms.keys.party import Party
from lab.terms.keys.party_card import read_party_card
from lab.transport.tls_files import check_tls_files
from lab.witness.home import WitnessHome, default_folder

_HELP = "见证人 For a witness of bureaus' ledgers: an auditor, a second bureau, a bank."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_HELP)
PASSPHRASE_VARIABLE = "SHULAB_WITNESS_PASSPHRASE"

WitnessHomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        help="见证人文件夹 The witness's folder (default: SHULAB_WITNESS_HOME or ~/.shulab/witness).",
        show_default=False,
    ),
]


@app.callback()
def group() -> None:
    """见证人 For a witness of bureaus' ledgers: an auditor, a second bureau, a bank."""


@app.command()
def init(
    name: Annotated[str, typer.Option("--name", help="名称 Its name in notes, such as audit.example/witness; ASCII.")],
    home: WitnessHomeOption = None,
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase",
            help=f"口令封存 Seal the key under a passphrase ({PASSPHRASE_VARIABLE}, else asked), not a file.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """建立见证人 Make a witness: its folder, and its cosigning key, which is used for nothing else."""
    output = CommandOutput(as_json)
    secret = _read_passphrase(confirm=True) if passphrase else None
    made = WitnessHome.create(home or default_folder(), name=name, passphrase=secret)
    output.say(f"已建立 made: {made.folder}")
    fingerprint = Party(name=made.name, public_key=made.public_key).fingerprint
    output.say(f"验证密钥 verifier key: {made.note_key}")
    output.say(f"指纹(请电话告知) fingerprint, to be read out by telephone: {fingerprint}")
    output.say("下一步 Next: lab witness trust BUREAU.json --fingerprint …; lab witness serve")
    output.print_result(
        {"home": str(made.folder), "name": made.name, "key": str(made.note_key), "fingerprint": fingerprint}
    )


@app.command()
def trust(
    card: Annotated[
        Path, typer.Argument(metavar="CARD", help="数据局名片 The bureau's card: its name and public_key.")
    ],
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", help="指纹 The fingerprint of its key, read to you over another channel.")
    ],
    home: WitnessHomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """见证此数据局 Watch this bureau's ledger from now on. Its first checkpoint is accepted as it is."""
    output = CommandOutput(as_json)
    opened = WitnessHome.open(home or default_folder())
    bureau = read_party_card(card, of="bureau")
    check_fingerprint(fingerprint, bureau.public_key, whose="the bureau")
    origin = opened.watch_bureau(bureau)
    output.say(f"已信任 watched: {bureau.name}")
    output.say(f"日志 origin: {origin}")
    output.print_result({"bureau": bureau.name, "origin": origin, "fingerprint": bureau.fingerprint})


@app.command()
def show(home: WitnessHomeOption = None, as_json: JsonOption = False) -> None:
    """显示 Show the witness's verifier key, the ledgers it watches, what it cosigned last, and forks it was offered."""
    output = CommandOutput(as_json)
    opened = WitnessHome.open(home or default_folder())
    output.say(f"验证密钥 verifier key: {opened.note_key}")
    party = Party(name=opened.name, public_key=opened.public_key)
    output.say(f"指纹 fingerprint: {party.fingerprint}")
    logs = [_describe_ledger(opened, bureau) for bureau in opened.watched_bureaus()]
    output.table(
        "台账 Ledgers",
        ("数据局 bureau", "条目 entries", "联署于 cosigned", "拒绝的检查点 refused", "日志 origin"),
        [(one["bureau"], one["size"], one["cosigned"], len(one["refused"]), one["origin"]) for one in logs],
    )
    for one in logs:
        for path in one["refused"]:
            output.say(f"分叉证据 a checkpoint that contradicts a cosigned one: {path}")
        for path in one["unproven"]:
            output.say(
                f"未附证明，任何人都可送来 a checkpoint without a proof, which anybody may have sent; check it with "
                f"`lab audit compare`: {path}"
            )
    output.print_result(
        {"name": opened.name, "key": str(opened.note_key), "fingerprint": party.fingerprint, "logs": logs}
    )


def _describe_ledger(home: WitnessHome, bureau: Party) -> dict[str, Any]:
    """What the witness cosigned last of a bureau's ledger, and the checkpoints that it refused."""
    from lab.disk.private_files import read_private
    from lab.terms.witnessing.checkpoint import SignedCheckpoint, ledger_origin
    from lab.terms.witnessing.cosignature import read_cosignature

    origin = ledger_origin(bureau.public_key)
    folder = home.log_folder(origin)
    size, when = 0, ""
    if (folder / "cosigned").exists():
        last = SignedCheckpoint.parse(read_private(folder / "cosigned"))
        size = last.size
        own = [line for line in last.note.signatures if line.claims_key(home.note_key)]
        if own:
            when = f"{read_cosignature(home.note_key, own[0], last.note.text).time:%Y-%m-%d %H:%M:%S} UTC"
    refused = {name: [str(path) for path in sorted(folder.glob(f"{name}-*"))] for name in ("refused", "unproven")}
    return {"bureau": bureau.name, "origin": origin, "size": size, "cosigned": when, **refused}


@app.command()
def serve(
    home: WitnessHomeOption = None,
    host: Annotated[str, typer.Option(help="监听地址 Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口 Port; 0 takes a free one.")] = 7380,
    port_file: Annotated[
        Path | None, typer.Option("--port-file", help="端口文件 Write the port to this file once it listens.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option("--tls-certificate", help="TLS 证书 PEM chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="TLS 私钥 PEM key of the certificate.")] = None,
    as_json: JsonOption = False,
) -> None:
    """提供见证服务 Serve C2SP tlog-witness: POST /add-checkpoint, GET /ORIGIN-HASH/checkpoint. Ends on SIGTERM."""
    from lab.witness.cosigning import CheckpointCosigner
    from lab.witness.service import serve as run

    output = CommandOutput(as_json)
    opened = WitnessHome.open(home or default_folder())
    check_tls_files(tls_certificate, tls_key, names=("--tls-certificate", "--tls-key"))
    key = opened.open_key(_read_passphrase() if opened.is_passphrase_sealed else None)
    output.say(f"见证服务 serving {opened.name} on {host}:{port}; {len(opened.watched_bureaus())} 个台账 ledgers")
    run(CheckpointCosigner(opened, key), host, port, port_file=port_file, certificate=tls_certificate, key=tls_key)
    output.print_result({"served": opened.name})


def _read_passphrase(*, confirm: bool = False) -> str:
    missing = InvalidInput(
        "Expected the passphrase of the witness's key; there is no terminal to ask on.",
        next_step=f"set {PASSPHRASE_VARIABLE}, or make the witness without --passphrase",
    )
    return read_secret(PASSPHRASE_VARIABLE, "口令 passphrase", missing, confirm=confirm)
