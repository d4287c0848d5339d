"""``lab audit``: read a bureau's ledger, and check exports, receipts and tree heads with nothing but its public key."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.cli.choices import AsJson, SessionFile
from lab.cli.output import Output
from lab.terms.errors import Conflict, InvalidInput, NotFound
from lab.terms.ledger import SignedHead, verify_consistency
from lab.terms.ledger_export import verify_export
from lab.terms.ledger_fault import LedgerFault
from lab.terms.ledger_kinds import KINDS
from lab.terms.receipt import Receipt, verify_receipt

if TYPE_CHECKING:
    from lab.sdk.desk import Desk

_HELP = "审计 For auditors: the ledger, who asked about an enterprise, and proofs that anyone can check."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_HELP)

Key = Annotated[
    str | None, typer.Option("--key", metavar="HEX", help="数据局公钥 The bureau's public key, 64 hexadecimal digits.")
]
Card = Annotated[
    Path | None,
    typer.Option("--card", help="数据局名片 JSON with the bureau's public_key: its card, or the bank's pin of it."),
]


@app.callback()
def group() -> None:
    """审计 For auditors: the ledger, who asked about an enterprise, and proofs that anyone can check."""


@app.command()
def head(
    service: Annotated[
        str | None, typer.Option(help="服务地址 The service's address; without it, that of your sign-in.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="存为文件 Keep the head in this file, for later.")] = None,
    held: Annotated[
        Path | None, typer.Option(help="以前的树头 A head kept earlier: check that the ledger was only continued.")
    ] = None,
    key: Key = None,
    card: Card = None,
    session: SessionFile = None,
    as_json: AsJson = False,
) -> None:
    """树头 The newest signed tree head: what the bureau can't take back. Needs no sign-in with --service."""
    output = Output(as_json)
    bureau = _key(key, card) if key or card else None
    with _asking(service, session) as ask:
        found = SignedHead.read(ask("/v1/ledger/head", {}))
        if bureau:
            found.verify(bureau)
        if held is not None:
            old = _read_head(held)
            if bureau:
                old.verify(bureau)
            # The served head is the newest signed, so it is never the smaller of two unless the ledger was put back.
            proof = ask("/v1/ledger/consistency", {"from": old.size, "to": found.size}) if old.size < found.size else {}
            verify_consistency(old, found, proof.get("proof"))
    if out is not None:
        _write_new(out, found.to_json() + b"\n")
    output.say(f"条目 Entries {found.size}, {found.time:%Y-%m-%d %H:%M:%S} UTC")
    output.say(f"根 Root {found.root}")
    output.say("签名已核实 Signature verified" if bureau else "签名未核实 Signature not checked: give --key or --card")
    if held is not None:
        output.say("与所存树头一致 Continues the head kept earlier")
    output.result({"head": found.as_dict(), "verified": bureau is not None, "continues": held is not None})


@app.command()
def entries(
    after: Annotated[int, typer.Option(min=0, help="此编号之后 Entries after this number.")] = 0,
    kind: Annotated[str | None, typer.Option(help="种类 Kind, such as refused or job.opened.")] = None,
    contract: Annotated[str | None, typer.Option(help="合同编号 Contract id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="最多 At most so many.")] = 50,
    session: SessionFile = None,
    as_json: AsJson = False,
) -> None:
    """条目 Entries of the ledger."""
    output = Output(as_json)
    with _open_desk(session) as desk:
        found = desk.get("/v1/audit/entries", after=after, kind=kind, contract=contract, limit=limit)
    rows = [
        (one["seq"], one["time"][:19], _phrase(one["kind"]), one["contract"] or "", one["by"], _facts(one["facts"]))
        for one in found["entries"]
    ]
    output.table(
        f"台账 Ledger ({found['size']})",
        ("编号 no.", "时间 time", "事项 what", "合同 contract", "由 by", "内容 facts"),
        rows,
    )
    output.result(found)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="写入文件 File to write; it must not exist.")],
    session: SessionFile = None,
    as_json: AsJson = False,
) -> None:
    """导出 Export the whole ledger with all tree heads, to be verified anywhere. Itself an entry."""
    output = Output(as_json)
    if file.exists():
        raise Conflict(f"Wanted a new file; {file.name} exists.", next_step="choose another name")
    partial = file.with_name(f".{file.name}.partial")
    lines = 0
    try:
        with _open_desk(session) as desk, os.fdopen(_open_private(partial), "wb") as opened:
            size = desk.get("/v1/audit/entries", limit=1)["size"]
            with output.progress.stage("export", size) as stage, desk.stream("/v1/audit/export") as pieces:
                for piece in pieces:
                    opened.write(piece)
                    stage.advance(piece.count(b"\n"))
                    lines += piece.count(b"\n")
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)
    output.say(f"已导出 Exported {lines} 行 lines: {file}")
    output.say(f"下一步 Next: lab audit verify {file} --card BUREAU.json")
    output.result({"file": str(file), "lines": lines, "bytes": file.stat().st_size})


@app.command()
def verify(
    export: Annotated[Path, typer.Argument(metavar="EXPORT", help="导出的台账 An exported ledger.")],
    key: Key = None,
    card: Card = None,
    head: Annotated[
        list[Path] | None,
        typer.Option("--head", help="所存树头(可重复) A tree head that you kept, or in a receipt; repeatable."),
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="逐条验签 Check every entry's signature too; slower, not needed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """核验 Verify an exported ledger offline; names the first entry altered, dropped, moved or put in.

    只需数据局公钥。 Needs nothing but the bureau's public key. An export cut off at its end looks like an older one:
    --head with any later tree head shows it.
    """
    output = Output(as_json)
    bureau = _key(key, card)
    held = [_read_head(file) for file in head or ()]
    try:
        found = verify_export(export, bureau, held=held, thorough=thorough, progress=output.progress)
    except LedgerFault as fault:
        where = f"第 {fault.entry} 条 entry {fault.entry}: " if fault.entry else ""
        output.say(f"台账不可信 Not as the bureau wrote it: {where}{fault.how.zh} {fault.how.value}")
        raise
    output.say(
        f"台账完好 The ledger is as the bureau wrote it: {found.size} 条 entries, {found.heads} 个树头 tree heads"
    )
    output.say(f"根 Root {found.root}")
    output.table(
        f"{found.first[:19]} – {found.last[:19]} UTC",
        ("事项 what", "条数 entries"),
        [(_phrase(kind), count) for kind, count in sorted(found.kinds.items())],
    )
    output.result(
        {
            "verified": True,
            "entries": found.size,
            "root": found.root,
            "heads": found.heads,
            "held": len(held),
            "kinds": dict(found.kinds),
            "first": found.first,
            "last": found.last,
        }
    )


@app.command()
def inquiries(
    code: Annotated[str, typer.Argument(metavar="CODE", help="企业代码 The enterprise's code; - reads it from stdin.")],
    session: SessionFile = None,
    as_json: AsJson = False,
) -> None:
    """企业查询记录 Who asked about an enterprise, when and for what; for the enterprise itself."""
    output = Output(as_json)
    wanted = sys.stdin.readline().strip() if code == "-" else code
    with _open_desk(session) as desk:
        found = desk.post("/v1/audit/inquiries", {"code": wanted})
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
    output.result(found)


@app.command()
def receipt(
    file: Annotated[Path, typer.Argument(help="回执或银行的运行清单 A receipt, or a run's manifest.json at the bank.")],
    key: Key = None,
    card: Card = None,
    as_json: AsJson = False,
) -> None:
    """核验回执 Verify receipts offline: signed by the bureau, and proven to be in its ledger."""
    output = Output(as_json)
    bureau = _key(key, card)
    document = _read_object(file)
    listed = document.get("receipts", [document])
    found = [Receipt.read(one) for one in (listed if isinstance(listed, list) else [listed])]
    for one in found:
        verify_receipt(one, bureau)
    output.say(f"{len(found)} 份回执已核实 receipts verified")
    columns = ("条目 entry", "合同 contract", "作业 job", "户数 rows", "模型 model", "登记 register", "时间 time")
    output.table("回执 Receipts", columns, [_line(one) for one in found])
    output.result({"verified": len(found), "receipts": [_told(one) for one in found]})


def _open_desk(session: Path | None) -> Desk:
    """Loaded only here: what is checked offline needs no client."""
    _require_client()
    from lab.sdk.desk import Desk

    return Desk.open(session)


def _require_client() -> None:
    if importlib.util.find_spec("lab.sdk") is None:
        raise NotFound(
            "What asks a service is not part of this installation; verify and receipt work without it.",
            next_step="run it where lab/sdk is installed",
        )


@contextmanager
def _asking(service: str | None, session: Path | None) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    """GET from a service, by its address as anyone, else by the sign-in."""
    _require_client()
    from lab.sdk.connection import Connection

    if service is None:
        with _open_desk(session) as desk:
            yield lambda path, query: desk.get(path, **query)
        return
    connection = Connection(service)
    try:
        yield lambda path, query: connection.ask("GET", path, query=query)
    finally:
        connection.close()


def _phrase(kind: str) -> str:
    return f"{KINDS[kind]} ({kind})" if kind in KINDS else kind


def _facts(facts: dict[str, Any]) -> str:
    """Facts in one line, hashes shortened: the whole stands under --json."""
    shown = {name: ", ".join(map(str, fact)) if isinstance(fact, list) else str(fact) for name, fact in facts.items()}
    return "; ".join(
        f"{name} {fact[:12] + '…' if re.fullmatch('[0-9a-f]{64}', fact) else fact}" for name, fact in shown.items()
    )


def _line(one: Receipt) -> tuple[object, ...]:
    told = _told(one)
    return tuple(told[name] for name in ("entry", "contract", "job", "rows", "model", "register", "time"))


def _told(one: Receipt) -> dict[str, Any]:
    return {
        "entry": one.entry,
        "contract": one.contract,
        "job": one.job,
        "rows": one.rows,
        "model": f"{one.model}@{one.model_version}",
        "register": f"{one.register}-{one.register_version}",
        "time": str(one.body["time"])[:19],
        "batch_sha256": one.batch_sha256,
        "reply_sha256": one.reply_sha256,
        "ledger_size": one.head.size,
    }


def _key(key: str | None, card: Path | None) -> str:
    if (key is None) == (card is None):
        raise InvalidInput("Wanted the bureau's public key.", next_step="give --key HEX or --card FILE, one of them")
    found = key if key is not None else _read_object(card).get("public_key") if card is not None else None
    if not isinstance(found, str) or not re.fullmatch("[0-9a-f]{64}", found):
        raise InvalidInput(
            "Wanted a public key of 64 hexadecimal digits; found something else.", next_step="check --key or --card"
        )
    return found


def _read_head(file: Path) -> SignedHead:
    """A head by itself, or the one in a receipt."""
    found = _read_object(file)
    return SignedHead.read(found["head"] if isinstance(found.get("head"), dict) else found)


def _read_object(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"Wanted the file {file.name}; there is none.", next_step="check the path") from None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidInput(f"Wanted a JSON object in {file.name}; found something else.", next_step="check the path")
    return found


def _open_private(file: Path) -> int:
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"Wanted to write {file.name}; it exists already.", next_step="choose another name") from None
    except OSError:
        raise InvalidInput(
            f"Wanted to write {file.name}; it can't be made there.", next_step="check the path"
        ) from None


def _write_new(file: Path, content: bytes) -> None:
    with os.fdopen(_open_private(file), "wb") as opened:
        opened.write(content)
