"""The kinds of ledger entries: a closed list, each kind with a phrase in Chinese and English.

A kind that is not in the list cannot be recorded. The kinds of a contract's steps come from their table. Kinds are
never renamed or removed, because old ledgers contain them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.terms.contract_steps import CONTRACT_STEPS


@dataclass(frozen=True, slots=True)
class EntryKind:
    """A kind of entry: its code (``noun.what-happened``) and its phrase in both languages."""

    code: str
    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.zh} {self.en}"


ENTRY_KINDS: Mapping[str, EntryKind] = {
    kind.code: kind
    for kind in (
        EntryKind("contract.drafted", "合同起草", "contract drafted"),
        *(EntryKind(step.entry_kind, step.entry_zh, step.entry_en) for step in CONTRACT_STEPS.values()),
        EntryKind("contract.approval", "专员同意合同", "an officer approved a contract"),
        EntryKind("contract.signed", "银行签署合同", "contract signed by the bank"),
        EntryKind("contract.flagged", "合同用法可疑", "contract's use looks like probing"),
        EntryKind("contract.exported", "合同导出", "contract exported"),
        EntryKind("contract.imported", "合同导入", "contract imported"),
        EntryKind("bank.registered", "银行登记", "bank registered"),
        EntryKind("bank.key-added", "银行新增密钥", "key of a bank added"),
        EntryKind("bank.key-succeeded", "银行密钥更替", "key of a bank succeeded by another"),
        EntryKind("bank.key-revoked", "银行密钥吊销", "key of a bank revoked"),
        EntryKind("job.opened", "作业开始", "job opened"),
        EntryKind("job.stopped", "作业中止", "job stopped"),
        EntryKind("job.reopened", "作业恢复", "job reopened"),
        EntryKind("job.ended", "作业结束", "job ended"),
        EntryKind("match.key", "求交公钥声明", "matching key stated for a contract"),
        EntryKind("match.setup", "求交准备数据发出", "matching set-up given"),
        EntryKind("match.charged", "求交计数", "match charged"),
        EntryKind("match.answered", "求交答复", "match answered"),
        EntryKind("match.repeated", "求交重复答复", "match answered again, not charged"),
        EntryKind("match.returned", "求交计数退回", "match not answered, charge returned"),
        EntryKind("context.kept", "公开上下文存入", "public context stored"),
        EntryKind("score.charged", "评分计数", "score batch charged"),
        EntryKind("score.answered", "评分答复", "score batch answered"),
        EntryKind("score.reply-lost", "评分答复丢失，免费重算", "reply lost, score batch evaluated again at no charge"),
        EntryKind("score.returned", "评分计数退回", "score batch not answered, charge returned"),
        EntryKind("consent.imported", "授权导入", "consents imported"),
        EntryKind("consent.withdrawn", "授权撤回", "consents withdrawn"),
        EntryKind("consent.expired", "授权到期", "consents expired"),
        EntryKind("epoch.preparing", "密钥期准备", "key epoch in preparation"),
        EntryKind("epoch.current", "密钥期启用", "key epoch in use"),
        EntryKind("epoch.closing", "密钥期收尾", "key epoch closing"),
        EntryKind("epoch.destroyed", "密钥期密钥销毁", "keys of an epoch destroyed"),
        EntryKind("keys.resealed", "密钥重新封存", "keys sealed again"),
        EntryKind("pseudonyms.rotated", "企业假名更换", "enterprises' pseudonyms changed"),
        EntryKind("account.added", "账户新增", "account added"),
        EntryKind("account.changed", "账户变更", "account changed"),
        EntryKind("account.disabled", "账户停用", "account disabled"),
        EntryKind("account.enabled", "账户启用", "account enabled"),
        EntryKind("account.unlocked", "账户解锁", "account unlocked"),
        EntryKind("account.reset", "账户口令重置", "account's password reset"),
        EntryKind("password.changed", "口令更改", "password changed"),
        EntryKind("sign-in.done", "登录", "signed in"),
        EntryKind("sign-in.failed", "登录失败", "sign-in failed"),
        # Written by earlier versions; now the failed sign-in that led to a lock says so.
        EntryKind("sign-in.locked", "账户锁定", "account locked after failed sign-ins"),
        EntryKind("sign-in.ended", "退出登录", "session ended"),
        EntryKind("refused", "拒绝", "refused"),
        EntryKind("ledger.exported", "台账导出", "ledger exported"),
        EntryKind("ledger.restored", "台账由备份恢复", "ledger restored from a backup"),
        EntryKind("inquiries.read", "企业查询记录查阅", "an enterprise's inquiries read"),
        EntryKind("configuration.changed", "配置变更", "configuration changed"),
        EntryKind("catalogue.imported", "目录导入", "catalogue imported"),
        EntryKind("quality.assessed", "质量评估", "quality of the records assessed"),
        EntryKind("quality.faults-listed", "问题记录清单导出", "records that a check found at fault listed"),
        EntryKind("register.imported", "登记导入", "register imported"),
        EntryKind("register.removed", "登记版本删除", "register version removed"),
        EntryKind("register.evaluated", "登记求值", "register evaluated for matching"),
        EntryKind("records.imported", "企业记录导入", "records imported"),
        EntryKind("records.corrected", "企业记录更正", "records corrected"),
        EntryKind("records.deleted", "企业记录删除", "records deleted"),
        EntryKind("records.compacted", "企业记录文件合并", "files of records merged"),
        EntryKind("records.exported", "企业记录快照导出", "snapshot of records exported"),
        EntryKind("features.computed", "特征计算", "feature table computed"),
        EntryKind("register.published", "登记库发布", "register version published from features"),
        EntryKind("enterprise.viewed", "企业记录查阅", "an enterprise's records viewed"),
        EntryKind("model.kept", "模型存入", "model stored"),
        EntryKind("model.published", "模型发布", "model published"),
        EntryKind("model.drift-accepted", "接受数据漂移", "drift of the register accepted for a model"),
        EntryKind("request.asked", "数据需求提出", "data requested"),
        EntryKind("request.answered", "数据需求答复", "request for data answered"),
        EntryKind("request.withdrawn", "数据需求撤回", "request for data withdrawn"),
        EntryKind("request.contracted", "数据需求转为合同草案", "request for data became a draft contract"),
        EntryKind("disclosure.written", "授权运营情况披露", "disclosure of authorised data written"),
        EntryKind("delivery.read", "部门数据读入", "a department's delivery read"),
        EntryKind("legacy-codes.imported", "旧代码对照表导入", "legacy codes imported"),
        EntryKind("repair.rules-changed", "信用修复规则变更", "rules of credit repair changed"),
        EntryKind("repair.requested", "信用修复申请", "credit repair requested"),
        EntryKind("repair.granted", "准予信用修复", "credit repair granted"),
        EntryKind("repair.refused", "不予信用修复", "credit repair refused"),
        EntryKind("repair.noticed", "信用修复告知书生成", "notices of credit repair written"),
        EntryKind("objection.opened", "异议受理，记录冻结", "objection opened, record frozen"),
        EntryKind("objection.upheld", "异议成立", "objection upheld"),
        EntryKind("objection.rejected", "异议不成立", "objection rejected"),
        EntryKind("retention.swept", "到期数据清除", "expired data removed"),
    )
}
