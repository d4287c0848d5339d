"""What ``lab officer`` shows of contracts: state, allowance, deliveries, and the notice to the bank."""

from __future__ import annotations

from typing import Any

from lab.cli.terminal.output import CommandOutput
from lab.terms.contract.name_warnings import NameWarning
from lab.terms.contract_steps import CONTRACT_STEPS
from lab.terms.text.escaping import VisibleText, join_visible_lines

STATE_LABELS = {
    "draft": "草稿",
    "submitted": "已提交",
    "under-review": "审查中",
    "approved": "已批准",
    "active": "生效",
    "suspended": "中止",
    "rejected": "驳回",
    "revoked": "撤销",
    "expired": "到期",
    "retired": "退役",
}
_DELIVERY_LABELS = {"match": "求交 match", "scores": "评分 scores"}


def show_warnings(out: CommandOutput, found: dict[str, Any]) -> None:
    """Show the warnings about a version's names in a frame; nothing if there are none."""
    out.show_warnings(
        NameWarning(one["term"], VisibleText(one["zh"]), VisibleText(one["en"])) for one in found["warnings"]
    )


def show_missing_steps(out: CommandOutput, found: dict[str, Any]) -> None:
    """Show what is still missing before a version is in force."""
    contract, missing = found["contract"], found["officers_needed"] - len(found["approvals"])
    if found["state"] in ("submitted", "under-review") and missing > 0:
        out.say(
            f"还须批准 Approvals still needed: {missing}. 下一步 Next: another officer: "
            f"lab officer approve {contract} --version {found['version']}"
        )
    if found["state"] in ("submitted", "under-review", "approved") and not found["signed_by_bank"]:
        out.say(f"还缺银行签名 The bank must still sign: lab bank sign {contract} --bureau URL")


def show_notice_to_bank(out: CommandOutput, step: str, reason: str, found: dict[str, Any]) -> None:
    """Show the text of the notice that an officer sends to the bank."""
    bank, contract = found["bank"]["name"], found["contract"]
    words = CONTRACT_STEPS[step]
    if not found["delivered"]:
        out.say("此前没有交付结果，无须通知 Nothing was delivered before; no notice is needed.")
        return
    out.say("")
    out.say("通知 Notice")
    out.say(
        f"致{bank}：合同{contract}已{words.zh}。原因：{reason}。"
        "此前交付的下列结果，请告知接收方不再用于新的决定，并按合同的保存期限处理。"
    )
    out.say(
        f"To {bank}: contract {contract} is {words.result}. Reason: {reason}. The results below were delivered "
        "before. Tell their recipients not to use them for new decisions, and keep them no longer than the "
        "contract allows."
    )
    show_deliveries(out, contract, found["delivered"])


def show_deliveries(out: CommandOutput, contract: str, rows: list[dict[str, Any]]) -> None:
    """Show what left the bureau under a contract."""
    if not rows:
        out.say(f"合同 {contract} 尚未交付结果 Nothing has been delivered under it")
        return
    out.table(
        f"已交付 Delivered under {contract}",
        ("时间 when", "内容 what", "作业 job", "接收方 recipient", "模型 model", "数量 rows, canaries", "台账 entry"),
        [
            (
                row["at"],
                _DELIVERY_LABELS[row["what"]],
                row["job"],
                row["recipient"],
                row["model"],
                row["rows"],
                row["entry"],
            )
            for row in rows
        ],
    )


def show_watch_findings(out: CommandOutput, found: dict[str, Any]) -> None:
    """Show the findings of the watch, and what to do first."""
    if not found["findings"]:
        out.say(f"未见异常 None of the {len(found['rules'])} rules finds signs of probing")
        return
    out.table(
        "监测 Findings",
        ("合同 contract", "银行 bank", "规则 rule", "计数 found", "天 days", "始于 since", "台账 entry"),
        [
            (
                one["contract"],
                one["bank"],
                join_visible_lines((one["zh"], one["en"])),
                f"{one['found']} > {one['limit']}",
                one["days"] or "–",
                (one["since"] or "现在 now")[:10],
                one["entry"] or "–",
            )
            for one in found["findings"]
        ],
    )
    for step in dict.fromkeys(one["next_step"] for one in found["findings"]):
        out.say(f"下一步 Next: {step}")


def show_version_status(out: CommandOutput, found: dict[str, Any]) -> None:
    """Show the state of a version: who drafted, reviewed, approved and signed it."""
    approvals = "; ".join(f"{one['account']} ({one['department']}), {one['approved_at']}" for one in found["approvals"])
    out.table(
        "状态 State",
        ("项", "值 value"),
        [
            ("状态 state", label_state(found)),
            ("起草 drafted", f"{found['drafted_by']}, {found['drafted_at']}"),
            ("审查 reviewer", found["reviewer"] or "–"),
            ("批准 approvals", f"{len(found['approvals'])} / {found['officers_needed']} {approvals}".strip()),
            ("数据局签名 bureau's signature", _yes_or_no(found["signed_by_bureau"])),
            ("银行签名 bank's signature", _yes_or_no(found["signed_by_bank"])),
            ("银行指纹 bank's key", found["bank"]["fingerprint"]),
            ("版本 versions", ", ".join(f"{one['version']} {label_state(one)}" for one in found["versions"])),
        ],
    )


def show_allowance(out: CommandOutput, allowance: dict[str, Any]) -> None:
    """Show what is used of the ceilings, and what is left."""
    rows = [
        ("标识(含校验元素) identifiers, including canaries", "identifiers"),
        ("单户评分(最多者) scores of the most scored enterprise", "scores"),
        ("24小时内作业 jobs within 24 hours", "jobs"),
    ]
    out.table(
        "额度 Allowance",
        ("项", "已用 used", "上限 ceiling", "剩余 left"),
        [(words, *(allowance[name][part] for part in ("used", "ceiling", "left"))) for words, name in rows],
    )


def label_state(found: dict[str, Any]) -> str:
    """A state in both languages."""
    return f"{STATE_LABELS[found['state']]} {found['state']}"


def _yes_or_no(fact: bool) -> str:
    return "有 yes" if fact else "无 no"
