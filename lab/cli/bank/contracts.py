"""``lab bank sign`` and ``lab bank contract``: the bank reads, signs and inspects contracts."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lab.bank.home import BankHome
from lab.cli.bank.options import BureauOptions, open_keys, pinned_url
from lab.cli.terminal.command_options import take_options
from lab.cli.terminal.option_types import DespiteWarningsOption
from lab.cli.terminal.output import CommandOutput
from lab.cli.terminal.prompts.fingerprint_prompt import prompt_fingerprint
from lab.terms.contract.document import Contract, SignedContract
from lab.terms.contract.name_warnings import NameWarning, find_name_warnings, warnings_as_dicts
from lab.terms.errors import InvalidInput, Unreachable

ContractArgument = Annotated[str, typer.Argument(help="合同编号 The contract's id, from the bureau.")]


@dataclass(frozen=True, kw_only=True)
class SignOptions(BureauOptions):
    """What ``lab bank sign`` takes."""

    contract: ContractArgument
    fingerprint: Annotated[
        str | None,
        typer.Option(
            "--fingerprint",
            help="数据局指纹 The bureau's fingerprint, as the bureau read it out to you; if it is right, signs without "
            "asking [default: asked for if the key is new here].",
            show_default=False,
        ),
    ] = None
    yes: Annotated[
        bool, typer.Option("--yes", help="不再询问 Sign without asking; a new key still needs its fingerprint.")
    ] = False
    despite_warnings: DespiteWarningsOption = False


@take_options(SignOptions)
def sign(options: SignOptions) -> None:
    """签署合同 Fetch a contract's newest version, show it, pin the bureau's key and countersign.

    修订的变动显示在最后。 For an amendment, the differences from the version signed before are shown last.
    """
    from lab.bank.contract.agreement import countersign

    output, home, contract = CommandOutput(options.as_json), options.open_home(), options.contract
    keys = open_keys(home)
    warnings: list[NameWarning] = []

    def agree(document: Contract, known: bool) -> bool:
        show_clauses(output, document)
        before = show_changes_since_signed(output, home, document)
        warnings.extend(find_name_warnings(document, before))
        return _person_agrees(output, options, warnings)

    stored = home.contract(contract) if home.versions(contract) else None
    url = options.bureau or pinned_url(home, stored)
    given = options.fingerprint
    fingerprint = given if given is not None else lambda: prompt_fingerprint("数据局", "the bureau")
    with options.connect(url, keys) as client:
        signed = countersign(home, keys, client, contract, fingerprint=fingerprint, agree=agree)
    if options.ca_file is not None:
        home.pin(signed.contract.bureau, url, ca_file=options.ca_file)
    _report_signed(output, signed, warnings)


def _person_agrees(output: CommandOutput, options: SignOptions, warnings: list[NameWarning]) -> bool:
    output.show_warnings(warnings)
    if warnings and not options.despite_warnings:
        output.require_confirmation("名称无误? Are these names right?")
    if options.yes or options.fingerprint is not None:
        return True
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Expected your agreement; there is no terminal to ask on.", next_step="give --fingerprint F or --yes"
        )
    return output.confirm("签署该合同? Sign this contract?")


def _report_signed(output: CommandOutput, signed: SignedContract, warnings: list[NameWarning]) -> None:
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
            "warnings": warnings_as_dicts(warnings),
        }
    )


@dataclass(frozen=True, kw_only=True)
class ContractStatusOptions(BureauOptions):
    """What ``lab bank contract`` takes."""

    contract: ContractArgument


@take_options(ContractStatusOptions)
def contract(options: ContractStatusOptions) -> None:
    """查看合同与余量 Show a signed contract's terms, its state at the bureau, and what is left under it."""
    from lab.bank.contract.agreement import verify_contract_text

    output, home, contract_id = CommandOutput(options.as_json), options.open_home(), options.contract
    signed = home.contract(contract_id)
    status: dict[str, Any] = {"state": None, "versions": [], "allowance": None}
    document = signed.contract
    try:
        with options.connect_for(home, open_keys(home), signed) as client:
            present, state = client.contract(contract_id)
            document = verify_contract_text(home, contract_id, present.contract)
            versions = [{"version": one.version, "state": one.state} for one in client.contract_versions(contract_id)]
            status = {"state": state, "versions": versions, "allowance": client.allowance(contract_id)}
    except Unreachable as error:
        output.say(
            f"无法联系数据局，仅显示本地副本 The bureau does not answer; this is the bank's copy. {error.detail}"
        )
    show_clauses(output, document)
    warnings = find_name_warnings(document)
    output.show_warnings(warnings)
    if status["allowance"] is not None:
        show_allowance(output, status)
    if document.version not in home.versions(contract_id):
        output.say(f"本行尚未签署此版本 Not signed here yet: lab bank sign {contract_id}")
    facts = {
        "contract": document.id,
        "version": document.version,
        "sha256": document.sha256,
        "warnings": warnings_as_dicts(warnings),
    }
    output.print_result(facts | status)


def show_clauses(output: CommandOutput, document: Contract) -> None:
    """Show every clause, in Chinese and English."""
    from lab.terms.contract.plain_language import clause_label, render_clauses

    output.table(
        f"合同 Contract {document.id} · 第 {document.version} 版 version {document.version}",
        ("条款 term", "中文", "English"),
        [(" ".join(clause_label(clause.clause)), clause.zh, clause.en) for clause in render_clauses(document)],
    )
    output.say(f"数据局指纹 bureau's fingerprint: {document.bureau.fingerprint}")
    output.say(f"SHA-256: {document.sha256}")


def show_changes_since_signed(output: CommandOutput, home: BankHome, document: Contract) -> Contract | None:
    """Show the differences from the last version that this bank signed; returns that version, or None."""
    from lab.terms.contract.plain_language import clause_label, diff_contracts

    earlier = [version for version in home.versions(document.id) if version < document.version]
    if not earlier:
        return None
    before = home.contract(document.id, max(earlier)).contract
    output.table(
        f"与已签署的第 {before.version} 版相比 Changes since version {before.version}, which was signed before",
        ("条款 term", "变化 effect", "中文", "English"),
        [
            (" ".join(clause_label(one.clause)), " ".join(one.effect), one.zh, one.en)
            for one in diff_contracts(before, document)
            if one.clause != "version"
        ],
    )
    return before


def show_allowance(output: CommandOutput, status: dict[str, Any]) -> None:
    """Show the contract's state and what is left under it."""
    allowance = status["allowance"]
    versions = ", ".join(f"{one['version']} {one['state']}" for one in status["versions"])
    rows = [("状态 state", status["state"]), ("各版本 versions", versions)]
    for words, name in (
        ("标识(含校验元素) identifiers, canaries included", "identifiers"),
        (
            f"单户评分，{allowance['scores']['period_days']} 天内最多者 scores of the enterprise scored most often",
            "scores",
        ),
        ("24 小时内作业 jobs within 24 hours", "jobs"),
    ):
        count = allowance[name]
        rows.append((words, f"{count['used']:,} / {count['ceiling']:,}，余 left {count['left']:,}"))
    rows.append(("每作业户数上限 enterprises in a job", f"{allowance['rows_per_job']:,}"))
    output.table("余量 Allowance", ("项 item", "已用 used / 上限 ceiling"), rows)
