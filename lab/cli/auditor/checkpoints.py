"""``lab audit checkpoint`` and ``compare``: what witnesses cosigned, and whether all were shown one ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from lab.cli.auditor.inputs import (
    BureauCardOption,
    BureauKeyOption,
    QuorumOption,
    ServiceUrl,
    WitnessKeyOption,
    open_service_reader,
    read_bureau_key,
    write_new_file,
)
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import JsonOption, SessionFileOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.witness_options import parse_witness_terms
from lab.terms.errors import InvalidInput, NotFound
from lab.terms.ledger.export import verify_export
from lab.terms.ledger.tree import Proof
from lab.terms.witnessing.checkpoint import SignedCheckpoint, log_key
from lab.terms.witnessing.cosignature import Cosignature, check_quorum
from lab.terms.witnessing.observed_heads import MAX_HEADS_BYTES, ObservedHead, compare_heads, heads_as_dicts, read_heads


@dataclass(frozen=True, kw_only=True)
class CheckpointOptions:
    """Options of ``lab audit checkpoint``."""

    service: ServiceUrl = None
    out: Annotated[Path | None, typer.Option(help="存为文件 Keep it in this file, a signed note.")] = None
    covering: Annotated[int, typer.Option(min=0, help="至少条目数 Of at least so many entries.")] = 0
    key: BureauKeyOption = None
    card: BureauCardOption = None
    witness: WitnessKeyOption = None
    quorum: QuorumOption = None
    session: SessionFileOption = None
    as_json: JsonOption = False


@take_options(CheckpointOptions)
def checkpoint(options: CheckpointOptions) -> None:
    """检查点 A checkpoint of the ledger (C2SP) and its cosignatures; with --witness they must be a quorum."""
    output = CommandOutput(options.as_json)
    terms = parse_witness_terms(options.witness, options.quorum)
    bureau = read_bureau_key(options.key, options.card)
    query: dict[str, Any] = {"covering": options.covering}
    with open_service_reader(options.service, options.session) as ask:
        found = SignedCheckpoint.parse(ask.text("/v1/ledger/checkpoint", query))
    found.verify(bureau)
    if found.size < options.covering:
        raise NotFound(
            f"Its checkpoint has {found.size} entries, not {options.covering}.", next_step="ask again in a moment"
        )
    cosigners = check_quorum(found, terms, bureau, now=datetime.now(UTC)) if terms is not None else ()
    if options.out is not None:
        write_new_file(options.out, str(found).encode())
    output.say(f"条目 Entries {found.size}")
    output.say(f"根 Root {found.root}")
    output.say(f"日志验证密钥 The log's verifier key: {log_key(bureau)}")
    names = [line.name for line in found.note.signatures[1:]]
    if terms is None:
        output.say(f"联署未核验 Cosignatures, not checked: {', '.join(names) or '无 none'}")
    else:
        show_cosigners(output, found, cosigners)
    output.print_result(
        {
            "size": found.size,
            "root": found.root,
            "log": str(log_key(bureau)),
            "signatures": names,
            "cosigned": [{"by": one.name, "at": one.time.isoformat()} for one in cosigners],
        }
    )


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="树头文件 Of `lab bank heads export`, heads, receipts, runs' manifests, checkpoints.",
        ),
    ],
    key: BureauKeyOption = None,
    card: BureauCardOption = None,
    service: Annotated[
        str | None, typer.Option(help="服务地址 The service, for the proofs between heads of different sizes.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="导出的台账 An exported ledger to compare the heads with, instead of the service."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """比对树头 Compare the heads that banks and auditors were shown: of one ledger, or of two?

    没有见证人时使用。 For use without a witness: parties who exchange heads detect a bureau that shows them
    different ledgers. Heads of different sizes need --service or --export.
    """
    output = CommandOutput(as_json)
    bureau = read_bureau_key(key, card)
    shown = _read_all_heads(files, bureau)
    if len({one.source for one in shown}) < 2 and export is None:
        raise InvalidInput(
            f"Expected heads of this bureau from at least two files; found {len(shown)} in one.",
            next_step="ask another bank or the auditor for theirs (`lab bank heads export`)",
        )
    if export is not None:
        verify_export(export, bureau, known_heads=[one.head for one in shown], progress=output.progress)
    sizes = _count_sizes(shown, service)
    if sizes > 1 and service is None and export is None:
        output.say(f"{len(shown)} 个树头 heads, {sizes} 种大小 sizes")
        raise InvalidInput(
            f"Heads of one size agree; heads of {sizes} different sizes were not compared with each other.",
            next_step="give --service URL, or --export FILE",
        )
    output.say(f"{len(shown)} 个树头 heads, {sizes} 种大小 sizes: 属同一台账 of one ledger")
    output.print_result({"one_ledger": True, "sizes": sizes, "heads": heads_as_dicts(shown)})


def _read_all_heads(files: Sequence[Path], bureau: str) -> list[ObservedHead]:
    return [one for file in files for one in read_heads(_read_file(file), file.name, bureau)]


def _count_sizes(shown: Sequence[ObservedHead], service: str | None) -> int:
    """Compare heads, with proofs from ``service`` if it is given; returns how many sizes they have."""
    if service is None:
        return compare_heads(shown, None)
    with open_service_reader(service, None) as ask:

        def prove(first: int, second: int) -> Proof:
            found: Proof = ask.json("/v1/ledger/consistency", {"from": first, "to": second})["proof"]
            return found

        return compare_heads(shown, prove)


def read_checkpoint(file: Path) -> SignedCheckpoint:
    """A checkpoint in a file; raises ``NotFound`` or ``InvalidInput``."""
    return SignedCheckpoint.parse(_read_file(file))


def show_cosigners(output: CommandOutput, found: SignedCheckpoint, cosigners: Sequence[Cosignature]) -> None:
    """Show who cosigned, and when."""
    for one in cosigners:
        output.say(f"已联署 {found.size} entries cosigned by {one.name}, {one.time:%Y-%m-%d %H:%M:%S} UTC")


def _read_file(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_HEADS_BYTES:
            raise InvalidInput(
                f"Expected a file of at most {MAX_HEADS_BYTES} bytes in {file.name}.", next_step="check the path"
            )
        return file.read_bytes()
    except OSError:
        raise NotFound(f"Expected the file {file.name}; it cannot be read.", next_step="check the path") from None
