"""``lab officer``: draft, approve, revoke and look at contracts at the bureau."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lab.bureau.contracts import cabinet
from lab.bureau.contracts.drafting import Choices, draft, read_bank_card
from lab.bureau.home import default_folder
from lab.bureau.office import Bureau
from lab.bureau.shelf import find_model, parse_name
from lab.cli.output import Output
from lab.terms.contract import Ceilings, Detail, Purpose
from protocols.matching.bureau import DEFAULT_ENGINE
from protocols.scoring.params import DEFAULT_PARAMETERS

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="数据专员 For data officers: draft, approve and revoke contracts."
)

Home = Annotated[
    Path | None,
    typer.Option(help="数据局文件夹 The bureau's folder [default: SHULAB_BUREAU_HOME or ~/.shulab/bureau]."),
]
Json = Annotated[bool, typer.Option("--json", help="输出一个 JSON 对象 Print one JSON object.")]
ContractId = Annotated[str, typer.Argument(metavar="CONTRACT", help="合同编号 Contract id.")]
DEFAULTS = Ceilings()


@app.callback()
def group() -> None:
    """数据专员 For data officers: draft, approve and revoke contracts."""


@app.command("draft")
def draft_(
    bank_card: Annotated[Path, typer.Option(help="银行名片 The bank's card (from `lab bank card`).")],
    model: Annotated[str, typer.Option(metavar="NAME[@V]", help="模型 Published model [default version: newest].")],
    detail: Annotated[
        Detail, typer.Option(help="结果细度 How fine replies are; finer ones tell a dishonest bank more of the model.")
    ] = Detail.FULL,
    purpose: Annotated[Purpose, typer.Option(help="用途 Coded purpose.")] = Purpose.CREDIT_APPROVAL,
    days: Annotated[int, typer.Option(min=1, max=3650, help="期限(天) Term in days, from now.")] = 365,
    engine: Annotated[str, typer.Option(help="求交引擎 Matching engine.")] = DEFAULT_ENGINE,
    parameters: Annotated[str, typer.Option(help="加密参数 Parameter set of encrypted scoring.")] = DEFAULT_PARAMETERS,
    ceiling_identifiers: Annotated[
        int, typer.Option(min=1, help="标识总上限 Identifiers evaluated over the whole term.")
    ] = DEFAULTS.identifiers,
    ceiling_identifiers_per_match: Annotated[
        int, typer.Option(min=1, help="单次求交上限 Identifiers in one match.")
    ] = DEFAULTS.identifiers_per_match,
    ceiling_scores_per_enterprise: Annotated[
        int, typer.Option(min=1, help="单户评分上限 Scores of one enterprise over the whole term.")
    ] = DEFAULTS.scores_per_enterprise,
    ceiling_rows_per_batch: Annotated[
        int, typer.Option(min=1, max=8192, help="单批上限 Enterprises in one batch.")
    ] = DEFAULTS.rows_per_batch,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """起草合同 Draft a contract with a bank over a published model. Signs nothing."""
    out = Output(as_json)
    bank = read_bank_card(bank_card)
    choices = Choices(
        purpose=purpose,
        detail=detail,
        engine=engine,
        parameters=parameters,
        days=days,
        ceilings=Ceilings(
            identifiers=ceiling_identifiers,
            identifiers_per_match=ceiling_identifiers_per_match,
            scores_per_enterprise=ceiling_scores_per_enterprise,
            rows_per_batch=ceiling_rows_per_batch,
        ),
    )
    name, version = parse_name(model)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.read() as session:
            shelved = find_model(session, name, version, published=version is None)
        read = bureau.shelf.model(shelved)
        with bureau.store.begin() as session:
            contract = draft(session, bureau.party, bank, shelved, read, choices, bureau.now())
        fingerprint = bureau.party.fingerprint
    out.say(f"合同已起草 Drafted {contract.id}: {bank.name}, {contract.model.name}@{contract.model.version}")
    out.say(f"数据局指纹 Fingerprint of this bureau: {fingerprint}")
    out.say(f"下一步 Next: lab officer approve {contract.id}; 银行 the bank: lab bank sign {contract.id} --bureau URL")
    out.result({"contract": contract.id, "state": "draft", "sha256": contract.sha256, "fingerprint": fingerprint})


@app.command()
def approve(contract: ContractId, home: Home = None, as_json: Json = False) -> None:
    """批准合同 Approve a draft: sign it with the bureau's key."""
    out = Output(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin() as session:
        held = cabinet.approve(session, contract, bureau.keys.sign, bureau.now())
    signed = held.signed.bank_signature is not None
    out.say(f"合同已批准 Approved {contract}")
    if not signed:
        out.say(f"还缺银行签名 The bank has still to sign: lab bank sign {contract} --bureau URL")
    out.result({"contract": contract, "state": held.state.value, "signed_by_bank": signed})


@app.command()
def revoke(
    contract: ContractId,
    reason: Annotated[str, typer.Option(help="原因 Why; kept in the ledger.")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """撤销合同 End a contract before its term; nothing is answered under it from now on."""
    out = Output(as_json)
    with Bureau.open(home or default_folder()) as bureau, bureau.store.begin() as session:
        cabinet.revoke(session, contract, reason, bureau.now())
    out.say(f"合同已撤销 Revoked {contract}")
    out.result({"contract": contract, "state": "revoked"})


@app.command("list")
def list_(home: Home = None, as_json: Json = False) -> None:
    """列出合同 List contracts, newest first."""
    out = Output(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.read() as session:
            held = cabinet.list_held(session)
        rows = [_line(one, cabinet.standing(one, bureau.now()).value) for one in held]
    if rows:
        out.table(
            "合同 Contracts",
            ("编号 id", "状态 state", "银行 bank", "模型 model", "到期 expires"),
            [(row["contract"], row["state"], row["bank"], row["model"], row["expires"]) for row in rows],
        )
    else:
        out.say("还没有合同 No contracts yet. 下一步 Next: lab officer draft")
    out.result({"contracts": rows})


@app.command()
def show(contract: ContractId, home: Home = None, as_json: Json = False) -> None:
    """查看合同 Show a contract: terms, signatures, state, and what is used."""
    out = Output(as_json)
    with Bureau.open(home or default_folder()) as bureau:
        with bureau.store.read() as session:
            held = cabinet.find(session, contract)
        state = cabinet.standing(held, bureau.now()).value
        allowance = bureau.allowance(contract)
    document = held.contract
    terms = [
        ("状态 state", state),
        ("银行 bank", f"{document.bank.name} ({document.bank.fingerprint})"),
        ("银行签名 bank's signature", "有 yes" if held.signed.bank_signature else "无 no"),
        ("数据局签名 bureau's signature", "有 yes" if held.signed.bureau_signature else "无 no"),
        ("用途 purpose", document.purpose.value),
        ("模型 model", f"{document.model.name}@{document.model.version}"),
        ("细度 detail", document.detail.value),
        ("数据项 items", str(len(document.items))),
        ("期限 term", f"{document.starts:%Y-%m-%d} – {document.expires:%Y-%m-%d %H:%M} UTC"),
        ("标识 identifiers", "{used} / {ceiling}".format(**allowance["identifiers"])),
        ("单户评分 scores an enterprise, most", "{used} / {ceiling}".format(**allowance["scores"])),
    ]
    out.table(f"合同 Contract {document.id}", ("项 term", "值 value"), terms)
    signed = held.signed.model_dump(mode="json", by_alias=True)
    out.result({"contract": document.id, "state": state, "signed": signed, "allowance": allowance})


def _line(held: cabinet.Held, state: str) -> dict[str, Any]:
    document = held.contract
    return {
        "contract": document.id,
        "state": state,
        "bank": document.bank.name,
        "model": f"{document.model.name}@{document.model.version}",
        "signed_by_bank": held.signed.bank_signature is not None,
        "expires": f"{document.expires:%Y-%m-%d}",
    }
