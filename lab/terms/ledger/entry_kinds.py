"""What a ledger entry can tell of: the closed list of kinds, each with a phrase in Chinese and English.

A kind that is not here cannot be recorded; whoever needs a new one adds a line. Kinds are never renamed or taken away,
because old ledgers hold them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entry: its code (``noun.what-happened``), and what a person reads."""

    code: str
    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}"


KINDS: Mapping[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind("contract.drafted", "合同起草", "contract drafted"),
        Kind("contract.submitted", "合同提交", "contract submitted"),
        Kind("contract.returned", "合同退回修改", "contract returned to its author"),
        Kind("contract.reviewed", "合同开始审查", "contract taken into review"),
        Kind("contract.approval", "专员同意合同", "an officer approved a contract"),
        Kind("contract.approved", "合同批准并由数据局签署", "contract approved and signed by the bureau"),
        Kind("contract.rejected", "合同驳回", "contract rejected"),
        Kind("contract.signed", "银行签署合同", "contract signed by the bank"),
        Kind("contract.active", "合同生效", "contract active"),
        Kind("contract.suspended", "合同中止", "contract suspended"),
        Kind("contract.resumed", "合同恢复", "contract resumed"),
        Kind("contract.revoked", "合同撤销", "contract revoked"),
        Kind("contract.expired", "合同到期", "contract expired"),
        Kind("contract.retired", "合同退役", "contract retired"),
        Kind("contract.flagged", "合同用法可疑", "contract's use looks like probing"),
        Kind("contract.exported", "合同导出", "contract exported"),
        Kind("contract.imported", "合同导入", "contract imported"),
        Kind("bank.registered", "银行登记", "bank registered"),
        Kind("bank.key-added", "银行新增密钥", "key of a bank added"),
        Kind("bank.key-succeeded", "银行密钥更替", "key of a bank succeeded by another"),
        Kind("bank.key-revoked", "银行密钥吊销", "key of a bank revoked"),
        Kind("job.opened", "作业开始", "job opened"),
        Kind("job.stopped", "作业中止", "job stopped"),
        Kind("job.reopened", "作业恢复", "job reopened"),
        Kind("job.ended", "作业结束", "job ended"),
        Kind("match.key", "求交公钥声明", "matching key stated for a contract"),
        Kind("match.setup", "求交准备数据发出", "matching set-up given"),
        Kind("match.charged", "求交计数", "match charged"),
        Kind("match.answered", "求交答复", "match answered"),
        Kind("match.repeated", "求交重复答复", "match answered again, not charged"),
        Kind("match.returned", "求交计数退回", "match not answered, charge returned"),
        Kind("context.kept", "公开上下文存入", "public context kept"),
        Kind("score.charged", "评分计数", "score batch charged"),
        Kind("score.answered", "评分答复", "score batch answered"),
        Kind("score.returned", "评分计数退回", "score batch not answered, charge returned"),
        Kind("consent.imported", "授权导入", "consents imported"),
        Kind("consent.withdrawn", "授权撤回", "consents withdrawn"),
        Kind("consent.expired", "授权到期", "consents expired"),
        Kind("epoch.preparing", "密钥期准备", "key epoch in preparation"),
        Kind("epoch.current", "密钥期启用", "key epoch in use"),
        Kind("epoch.closing", "密钥期收尾", "key epoch closing"),
        Kind("epoch.destroyed", "密钥期密钥销毁", "keys of an epoch destroyed"),
        Kind("keys.resealed", "密钥重新封存", "keys sealed anew"),
        Kind("pseudonyms.rotated", "企业假名更换", "enterprises' pseudonyms changed"),
        Kind("account.added", "账户新增", "account added"),
        Kind("account.changed", "账户变更", "account changed"),
        Kind("account.disabled", "账户停用", "account disabled"),
        Kind("account.enabled", "账户启用", "account enabled"),
        Kind("account.unlocked", "账户解锁", "account unlocked"),
        Kind("account.reset", "账户口令重置", "account's password reset"),
        Kind("password.changed", "口令更改", "password changed"),
        Kind("sign-in.done", "登录", "signed in"),
        Kind("sign-in.failed", "登录失败", "sign-in failed"),
        # Of earlier versions: a lock is told by the failed sign-in that led to it.
        Kind("sign-in.locked", "账户锁定", "account locked after failed sign-ins"),
        Kind("sign-in.ended", "退出登录", "session ended"),
        Kind("refused", "拒绝", "refused"),
        Kind("ledger.exported", "台账导出", "ledger exported"),
        Kind("inquiries.read", "企业查询记录查阅", "an enterprise's inquiries read"),
        Kind("configuration.changed", "配置变更", "configuration changed"),
        Kind("register.imported", "登记导入", "register imported"),
        Kind("register.evaluated", "登记求值", "register evaluated for matching"),
        Kind("model.kept", "模型存入", "model kept"),
        Kind("model.published", "模型发布", "model published"),
        Kind("retention.swept", "到期数据清除", "what was kept for its time removed"),
    )
}
