"""``lab bank sign`` and ``lab bank contract``: reading, signing and looking at contracts, for the bank."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from lab.bank.connection.client import BureauClient
from lab.bank.home import BankHome, default_home
from lab.cli.bank.options import (
    BankHomeOption,
    BureauUrl,
    CaFile,
    InsecureHttp,
    JsonOption,
    open_bureau_client,
    open_keys,
    pinned_url,
)
from lab.cli.terminal.fingerprint_prompt import prompt_fingerprint
from lab.cli.terminal.option_types import DespiteWarningsOption
from lab.cli.terminal.output import CommandOutput
from lab.terms.contract.document import Contract
from lab.terms.contract.name_warnings import NameWarning, find_name_warnings, warnings_as_dicts
from lab.terms.errors import InvalidInput, Unreachable

ContractId = Annotated[str, typer.Argument(help="合同编号 The contract's id, from the bureau.")]


def sign(
    contract: ContractId,
    bureau: BureauUrl = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(
            "--fingerprint",
            help="数据局指纹 The bureau's fingerprint, as it read it out to you; signs without asking when it fits "
            "[default: asked for if its key is new here].",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="不再询问 Sign without asking; a key that is new still needs its fingerprint.")
    ] = False,
    despite_warnings: DespiteWarningsOption = False,
    home: BankHomeOption = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: JsonOption = False,
) -> None:
    """签署合同 Fetch a contract's newest version, show it, pin the bureau's key and countersign.

    修订的变动显示在最后。 Of an amendment, what differs from the version signed before is shown last.
    """
    from lab.bank.contract.agreement import countersign

    odd: list[NameWarning] = []
    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    keys = open_keys(opened)

    def agree(document: Contract, known: bool) -> bool:
        show_clauses(output, document)
        before = show_changes_since_signed(output, opened, document)
        odd.extend(find_name_warnings(document, before))
        output.show_warnings(odd)
        if odd and not despite_warnings:
            output.require_confirmation("名称无误? Are these names right?")
        if yes or fingerprint is not None:
            return True
        if not sys.stdin.isatty():
            raise InvalidInput(
                "Wanted your agreement; there is no terminal to ask on.", next_step="give --fingerprint F or --yes"
            )
        return output.confirm("签署该合同? Sign this contract?")

    stored = opened.contract(contract) if opened.versions(contract) else None
    url = bureau or pinned_url(opened, stored)
    told = fingerprint if fingerprint is not None else lambda: prompt_fingerprint("数据局", "the bureau")
    with BureauClient(url, keys, ca_file=ca_file, insecure_http=insecure_http) as client:
        signed = countersign(opened, keys, client, contract, fingerprint=told, agree=agree)
    waiting = signed.bureau_signature is None
    output.say(
        "已签署，等待数据局批准 signed; waiting for the bureau's approval"
        if waiting
        else "已签署，双方签名齐全 signed by both"
    )
    output.print_result(
        {
            "contract": signed.contract.id,
            "version": signed.contract.version,
            "contract_sha256": signed.contract.sha256,
            "bureau": signed.contract.bureau.name,
            "fingerprint": signed.contract.bureau.fingerprint,
            "signed_by": ["bank"] if waiting else ["bank", "bureau"],
            "warnings": warnings_as_dicts(odd),
        }
    )


def contract(
    contract: ContractId,
    bureau: BureauUrl = None,
    home: BankHomeOption = None,
    ca_file: CaFile = None,
    insecure_http: InsecureHttp = False,
    as_json: JsonOption = False,
) -> None:
    """查看合同与余量 Show a signed contract's terms, where it stands at the bureau, and what is left under it."""
    from lab.bank.contract.agreement import verify_contract_text

    output = CommandOutput(as_json)
    opened = BankHome.open(home or default_home())
    signed = opened.contract(contract)
    standing: dict[str, Any] = {"state": None, "versions": [], "allowance": None}
    document = signed.contract
    try:
        with open_bureau_client(opened, open_keys(opened), signed, bureau, ca_file, insecure_http) as client:
            present, state = client.contract(contract)
            document = verify_contract_text(opened, contract, present.contract)
            versions = [{"version": one.version, "state": one.state} for one in client.contract_versions(contract)]
            standing = {"state": state, "versions": versions, "allowance": client.allowance(contract)}
    except Unreachable as error:
        output.say(
            f"无法联系数据局，仅显示本地副本 The bureau does not answer; this is the bank's copy. {error.detail}"
        )
    show_clauses(output, document)
    odd = find_name_warnings(document)
    output.show_warnings(odd)
    if standing["allowance"] is not None:
        show_allowance(output, standing)
    if document.version not in opened.versions(contract):
        output.say(f"本行尚未签署此版本 Not signed here yet: lab bank sign {contract}")
    facts = {
        "contract": document.id,
        "version": document.version,
        "sha256": document.sha256,
        "warnings": warnings_as_dicts(odd),
    }
    output.print_result(facts | standing)


def show_clauses(output: CommandOutput, document: Contract) -> None:
    """Every term, in Chinese and English."""
    from lab.terms.contract.plain_language import clause_label, render_clauses

    output.table(
        f"合同 Contract {document.id} · 第 {document.version} 版 version {document.version}",
        ("条款 term", "中文", "English"),
        [(" ".join(clause_label(clause.clause)), clause.zh, clause.en) for clause in render_clauses(document)],
    )
    output.say(f"数据局指纹 bureau's fingerprint: {document.bureau.fingerprint}")
    output.say(f"SHA-256: {document.sha256}")


def show_changes_since_signed(output: CommandOutput, home: BankHome, document: Contract) -> Contract | None:
    """What differs from the last version that this bank signed, if it signed one; that version."""
    from lab.terms.contract.plain_language import clause_label, diff_contracts

    earlier = [version for version in home.versions(document.id) if version < document.version]
    if not earlier:
        return None
    before = home.contract(document.id, max(earlier)).contract
    output.table(
        f"与已签署的第 {before.version} 版相比 What differs from version {before.version}, signed before",
        ("条款 term", "变化 effect", "中文", "English"),
        [
            (" ".join(clause_label(one.clause)), " ".join(one.effect), one.zh, one.en)
            for one in diff_contracts(before, document)
            if one.clause != "version"
        ],
    )
    return before


def show_allowance(output: CommandOutput, standing: dict[str, Any]) -> None:
    """Where the contract stands and what is left under it."""
    allowance = standing["allowance"]
    versions = ", ".join(f"{one['version']} {one['state']}" for one in standing["versions"])
    rows = [("状态 state", standing["state"]), ("各版本 versions", versions)]
    for words, name in (
        ("标识(含校验元素) identifiers, canaries among them", "identifiers"),
        (f"单户评分，{allowance['scores']['period_days']} 天内最多者 scores of the most scored enterprise", "scores"),
        ("24 小时内作业 jobs within 24 hours", "jobs"),
    ):
        count = allowance[name]
        rows.append((words, f"{count['used']:,} / {count['ceiling']:,}，余 left {count['left']:,}"))
    rows.append(("每作业户数上限 enterprises in a job", f"{allowance['rows_per_job']:,}"))
    output.table("余量 Allowance", ("项 item", "已用 used / 上限 ceiling"), rows)
