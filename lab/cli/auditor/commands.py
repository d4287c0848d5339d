"""``lab audit``: read a bureau's ledger; check exports, receipts and tree heads with the bureau's public key alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.auditor.checkpoints import checkpoint, compare, read_checkpoint, show_cosigners
from lab.cli.auditor.inputs import (
    BureauCardOption,
    BureauKeyOption,
    QuorumOption,
    ServiceUrl,
    WitnessKeyOption,
    create_file,
    open_service_client,
    open_service_reader,
    read_bureau_key,
    read_tree_head,
    write_new_file,
)
from lab.cli.auditor.receipts import NO_COSIGNATURE_NOTE, receipt
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.witness_options import parse_witness_terms
from lab.terms.errors import Conflict, InvalidInput, NotAuthentic
from lab.terms.keys.fingerprint import key_fingerprint
from lab.terms.ledger.entry_kinds import ENTRY_KINDS
from lab.terms.ledger.export import ExportVerification, verify_export
from lab.terms.ledger.restoration import RestorationStatement, find_explanation, read_statements
from lab.terms.ledger.tampering import LedgerFault
from lab.terms.ledger.tree import SignedTreeHead, VerifiableTreeHead, verify_consistency
from lab.terms.names import is_hex32
from lab.terms.witnessing.checkpoint import SignedCheckpoint
from lab.terms.witnessing.cosignature import Cosignature, check_quorum

_HELP = "审计 For auditors: the ledger, who asked about an enterprise, and proofs that anyone can check."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_HELP)


@app.callback()
def group() -> None:
    """审计 For auditors: the ledger, who asked about an enterprise, and proofs that anyone can check."""


@app.command()
def head(
    service: ServiceUrl = None,
    out: Annotated[Path | None, typer.Option(help="存为文件 Keep the head in this file, for later.")] = None,
    earlier: Annotated[
        Path | None,
        typer.Option("--held", help="以前的树头 A head kept earlier: check that the ledger was only continued."),
    ] = None,
    key: BureauKeyOption = None,
    card: BureauCardOption = None,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """树头 The newest signed tree head, which the bureau cannot take back. Needs no sign-in with --service."""
    output = CommandOutput(as_json)
    bureau = read_bureau_key(key, card) if key or card else None
    with open_service_reader(service, session) as ask:
        found = SignedTreeHead.read(ask.json("/v1/ledger/head", {}))
        if bureau:
            found.verify(bureau)
        if earlier is not None:
            old = read_tree_head(earlier)
            if bureau:
                old.verify(bureau)
            # The service gives the newest signed head, so it is the smaller one only if the ledger was put back.
            proof = (
                ask.json("/v1/ledger/consistency", {"from": old.size, "to": found.size})
                if old.size < found.size
                else {}
            )
            try:
                verify_consistency(old, found, proof.get("proof"))
            except NotAuthentic:
                _raise_restoration(read_statements(ask.json("/v1/ledger/restorations", {})), old, bureau)
                raise
    if out is not None:
        write_new_file(out, found.to_json() + b"\n")
    output.say(f"条目 Entries {found.size}, {found.time:%Y-%m-%d %H:%M:%S} UTC")
    output.say(f"根 Root {found.root}")
    output.say("签名已核实 Signature verified" if bureau else "签名未核实 Signature not checked: give --key or --card")
    if earlier is not None:
        output.say("与所存树头一致 Continues the head kept earlier")
    output.print_result({"head": found.as_dict(), "verified": bureau is not None, "continues": earlier is not None})


def _raise_restoration(statements: Sequence[RestorationStatement], old: SignedTreeHead, bureau: str | None) -> None:
    """Raise ``NotAuthentic`` that names what is lost, if a statement of the bureau explains it; needs its key."""
    found = find_explanation(statements, old, bureau) if bureau else None
    if found is not None:
        raise NotAuthentic(
            f"The bureau restored its ledger from a backup, as it states in entry {found.entry_number}: entries "
            f"{found.facts.size + 1} to {old.size} of the head that you kept are lost.",
            next_step="ask the bureau why; keep your head, and check an export with `lab audit verify --head`",
        )


@app.command()
def entries(
    after: Annotated[int, typer.Option(min=0, help="此编号之后 Entries after this number.")] = 0,
    kind: Annotated[str | None, typer.Option(help="种类 Kind, such as refused or job.opened.")] = None,
    contract: Annotated[str | None, typer.Option(help="合同编号 Contract id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="最多 At most so many.")] = 50,
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """条目 Entries of the ledger."""
    output = CommandOutput(as_json)
    with open_service_client(session) as client:
        found = client.get("/v1/audit/entries", after=after, kind=kind, contract=contract, limit=limit)
    rows = [
        (
            one["seq"],
            one["time"][:19],
            _label_entry_kind(one["kind"]),
            one["contract"] or "",
            one["by"],
            _format_facts(one["facts"]),
        )
        for one in found["entries"]
    ]
    output.table(
        f"台账 Ledger ({found['size']})",
        ("编号 no.", "时间 time", "事项 what", "合同 contract", "由 by", "内容 facts"),
        rows,
    )
    output.print_result(found)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="写入文件 File to write; it must not exist.")],
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """导出 Export the whole ledger with all tree heads, to be verified anywhere. The export is itself an entry."""
    output = CommandOutput(as_json)
    if file.exists():
        raise Conflict(f"Expected a new file; {file.name} exists.", next_step="choose another name")
    lines = 0
    with open_service_client(session) as client, create_file(file) as opened:
        size = client.get("/v1/audit/entries", limit=1)["size"]
        with output.progress.stage("export", size) as stage, client.stream("/v1/audit/export") as pieces:
            for piece in pieces:
                opened.write(piece)
                stage.advance(piece.count(b"\n"))
                lines += piece.count(b"\n")
    output.say(f"已导出 Exported {lines} 行 lines: {file}")
    output.say(f"下一步 Next: lab audit verify {file} --card BUREAU.json")
    output.print_result({"file": str(file), "lines": lines, "bytes": file.stat().st_size})


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``lab audit verify``."""

    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="导出的台账 An exported ledger.")]
    key: BureauKeyOption = None
    card: BureauCardOption = None
    head: Annotated[
        list[Path] | None,
        typer.Option("--head", help="所存树头(可重复) A tree head that you kept, or in a receipt; repeatable."),
    ] = None
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", help="检查点(可重复) A checkpoint from `lab audit checkpoint`; repeatable."),
    ] = None
    witness: WitnessKeyOption = None
    quorum: QuorumOption = None
    quick: Annotated[
        bool, typer.Option("--quick", help="不逐条验签 Do not check each entry's signature; the tree is checked.")
    ] = False
    as_json: JsonOption = False


@app.command()
@take_options(VerifyOptions)
def verify(options: VerifyOptions) -> None:
    """核验 Verify an exported ledger offline; names the first entry that was altered, removed, moved or inserted.

    只需数据局公钥。 It needs only the bureau's public key. An export that was cut off at its end looks like an older
    one; give --head with a later tree head to detect it.
    """
    output = CommandOutput(options.as_json)
    bureau = read_bureau_key(options.key, options.card)
    checkpoints, cosigned = _read_checkpoints(options, bureau)
    kept: list[VerifiableTreeHead] = [*(read_tree_head(file) for file in options.head or ()), *checkpoints]
    try:
        found = verify_export(options.export, bureau, known_heads=kept, quick=options.quick, progress=output.progress)
    except LedgerFault as fault:
        where = f"第 {fault.entry} 条 entry {fault.entry}: " if fault.entry else ""
        output.say(f"台账不可信 Not as the bureau wrote it: {where}{fault.kind.zh} {fault.kind.value}")
        raise
    _show_verified_export(output, found, bureau, cosigned)
    if options.quick:
        output.say("未逐条验签 The signatures of single entries were not checked")
    output.print_result(
        {
            "verified": True,
            "signatures": not options.quick,
            "fingerprint": key_fingerprint(bureau),
            "entries": found.size,
            "root": found.root,
            "heads": found.head_count,
            "held": len(kept),
            "lost": [{"size": head.size, "root": head.root, "stated_in": entry} for head, entry in found.lost],
            "cosigned": [{"size": one.size, "by": [witness.name for witness in by]} for one, by in cosigned],
            "kinds": dict(found.kind_counts),
            "first": found.first_time,
            "last": found.last_time,
        }
    )


def _read_checkpoints(
    options: VerifyOptions, bureau: str
) -> tuple[list[SignedCheckpoint], list[tuple[SignedCheckpoint, Sequence[Cosignature]]]]:
    """The checkpoints given, and with --witness each with its cosignatures, which are checked to be a quorum."""
    terms = parse_witness_terms(options.witness, options.quorum)
    checkpoints = [read_checkpoint(file) for file in options.checkpoint or ()]
    if terms is None:
        return checkpoints, []
    if not checkpoints:
        raise InvalidInput("Expected a checkpoint for --witness.", next_step="give --checkpoint FILE")
    return checkpoints, [(one, check_quorum(one, terms, bureau, now=datetime.now(UTC))) for one in checkpoints]


def _show_verified_export(
    output: CommandOutput,
    found: ExportVerification,
    bureau: str,
    cosigned: Sequence[tuple[SignedCheckpoint, Sequence[Cosignature]]],
) -> None:
    output.say(
        f"台账完好 The ledger is as the bureau wrote it: {found.size} 条 entries, {found.head_count} 个树头 tree heads"
    )
    output.say(f"根 Root {found.root}")
    output.say(
        f"核验公钥的指纹，请与数据局核对 Verified with this key; compare its fingerprint with the bureau's: "
        f"{key_fingerprint(bureau)}"
    )
    for head, entry in found.lost:
        output.alert(
            f"台账由备份恢复，您保存的树头中的部分条目已丢失 The ledger was restored from a backup, as entry {entry} "
            f"states: entries {entry} to {head.size} of the head that you kept are lost"
        )
    for one, by in cosigned:
        show_cosigners(output, one, by)
    if not cosigned:
        output.say(NO_COSIGNATURE_NOTE)
    output.table(
        f"{found.first_time[:19]} – {found.last_time[:19]} UTC",
        ("事项 what", "条数 entries"),
        [(_label_entry_kind(kind), count) for kind, count in sorted(found.kind_counts.items())],
    )


@app.command()
def inquiries(
    code: Annotated[str, typer.Argument(metavar="CODE", help="企业代码 The enterprise's code; - reads it from stdin.")],
    session: SessionFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """企业查询记录 Who asked about an enterprise, when and for what; for the enterprise itself."""
    output = CommandOutput(as_json)
    wanted = sys.stdin.readline().strip() if code == "-" else code
    with open_service_client(session) as client:
        found = client.post("/v1/audit/inquiries", {"code": wanted})
    columns = (
        "时间 time",
        "银行 bank",
        "用途 purpose",
        "接收方 recipient",
        "合同 contract",
        "模型 model",
        "条目 entry",
    )
    rows = [
        (
            *(one["at"][:19], one["bank"], one["purpose"], one["recipient"]),
            *(f"{one['contract']} v{one['version']}", one["model"], one["entry"] or ""),
        )
        for one in found["inquiries"]
    ]
    if rows:
        output.table("查询记录 Inquiries", columns, rows)
    else:
        output.say("没有查询记录 Nobody has asked about it")
    output.print_result(found)


app.command("checkpoint")(checkpoint)
app.command()(compare)
app.command()(receipt)


def _label_entry_kind(kind: str) -> str:
    return f"{ENTRY_KINDS[kind]} ({kind})" if kind in ENTRY_KINDS else kind


def _format_facts(facts: dict[str, Any]) -> str:
    """Facts in one line, hashes shortened; --json has them in full."""
    shown = {name: ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact) for name, fact in facts.items()}
    return "; ".join(f"{name} {fact[:12] + '…' if is_hex32(fact) else fact}" for name, fact in shown.items())
