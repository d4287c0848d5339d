"""The steps of a contract's version: one row a step, with its words for people and for the ledger.

The service's API, the client, ``lab officer``, the ledger's kinds of entries and the page on the workflow read this
table. ``lab.bureau.contracts.workflow`` adds to each row what the bureau decides: states, permission, jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lab.terms.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ContractStep:
    """One step: its name, and what people read about it."""

    action: str
    """The name in addresses, commands and the diagram."""
    zh: str
    entry_kind: str
    """The ledger's kind of the step's entry."""
    entry_zh: str
    entry_en: str
    who: str
    """Who takes the step, for the page."""
    help: str = ""
    """The help text of the officer's command; empty for a step that no officer takes."""
    needs_reason: bool = False
    command: str = ""
    """What triggers the step, for the page, where it is not simply the officer's command."""

    @property
    def result(self) -> str:
        """The state of a version after the step, in English, such as ``suspended``."""
        return self.entry_kind.removeprefix("contract.")

    @property
    def page_command(self) -> str:
        """What triggers the step, in Markdown."""
        return self.command or f"`lab officer {self.action}{' --reason' if self.needs_reason else ''}`"


CONTRACT_STEPS: Mapping[str, ContractStep] = {
    step.action: step
    for step in (
        ContractStep(
            *("submit", "提交", "contract.submitted", "合同提交", "contract submitted"),
            who="an officer",
            help="提交 Submit a draft: another officer can review it, and the bank can sign it.",
        ),
        ContractStep(
            *("return", "退回", "contract.returned", "合同退回修改", "contract returned to its author"),
            who="an officer. Approvals so far are void",
            help="退回 Return a version to its author as a draft; approvals so far are void.",
            needs_reason=True,
        ),
        ContractStep(
            *("review", "审查", "contract.reviewed", "合同开始审查", "contract taken into review"),
            who="an officer who did not draft it",
            help="审查 Take a version into review; not one that you drafted.",
        ),
        ContractStep(
            *(
                "approve",
                "批准",
                "contract.approved",
                "合同批准并由数据局签署",
                "contract approved and signed by the bureau",
            ),
            who="officers who did not draft it: one, or two of different departments. From the second version on they "
            "name the version that they have read",
            help="批准 Approve a version; with the last approval needed, the bureau signs it. Not one that you drafted."
            "\n\n修订版须用 --version 写明你读过的版本；名称可疑时先警告，再询问。 From the second version on, name "
            "the one that you have read: --version. If a name in it looks odd, a warning is shown first.",
            command="`lab officer approve --version`",
        ),
        ContractStep(
            *("reject", "驳回", "contract.rejected", "合同驳回", "contract rejected"),
            who="an officer who did not draft it",
            help="驳回 Reject a version in review, for good.",
            needs_reason=True,
        ),
        ContractStep(
            *("activate", "生效", "contract.active", "合同生效", "contract active"),
            who="nobody: it happens when both parties have signed",
            command="`lab bank sign`, or the last approval",
        ),
        ContractStep(
            *("suspend", "中止", "contract.suspended", "合同中止", "contract suspended"),
            who="an officer",
            help="中止 Stop everything under a contract, running jobs too, until it is resumed.",
            needs_reason=True,
        ),
        ContractStep(
            *("resume", "恢复", "contract.resumed", "合同恢复", "contract resumed"),
            who="an officer",
            help="恢复 Let a suspended contract continue; its jobs continue at no new charge.",
            needs_reason=True,
        ),
        ContractStep(
            *("revoke", "撤销", "contract.revoked", "合同撤销", "contract revoked"),
            who="an officer",
            help="撤销 End a contract before its term; nothing is answered under it from now on.",
            needs_reason=True,
        ),
        ContractStep(
            *("expire", "到期", "contract.expired", "合同到期", "contract expired"),
            who="nobody: time does",
            command="–",
        ),
        ContractStep(
            *("retire", "退役", "contract.retired", "合同退役", "contract retired"),
            who="an officer. An amendment that comes into force retires the former version",
            help="退役 Withdraw a draft, or the version in force.",
            needs_reason=True,
        ),
    )
}
"""Every step by its action, in the order in which people read them."""


def officer_steps() -> Iterator[ContractStep]:
    """The steps that an officer takes."""
    return (step for step in CONTRACT_STEPS.values() if step.help)


def find_officer_step(action: str) -> ContractStep:
    """The officer's step of that name; raises ``InvalidInput``."""
    for step in officer_steps():
        if step.action == action:
            return step
    raise InvalidInput(
        "Expected a step that an officer takes; found another word.",
        next_step=f"one of {', '.join(step.action for step in officer_steps())}",
    )


def check_reason(action: str, reason: str | None) -> str | None:
    """The reason for an officer's step without blanks around it, or None where the step needs none.

    Raises ``InvalidInput`` for an unknown step, or for an empty reason where the step needs one.
    """
    step = find_officer_step(action)
    if not step.needs_reason:
        return None
    if not (reason or "").strip():
        raise InvalidInput(f"Expected a reason to {action} a contract; found none.", next_step="give --reason")
    return str(reason).strip()
