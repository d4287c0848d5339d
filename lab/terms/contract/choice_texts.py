"""The coded choices of a contract in Chinese and English: purposes, operations, details, release forms, identifiers."""

from __future__ import annotations

from collections.abc import Mapping

from lab.terms.contract.document import Operation, Purpose, ReleaseForm, ResultDetail
from lab.terms.names import IdKind
from lab.terms.text.bilingual import BilingualText

PURPOSE_TEXTS: Mapping[Purpose, BilingualText] = {
    Purpose.CREDIT_APPROVAL: ("授信审批", "credit approval"),
    Purpose.POST_LOAN_MONITORING: ("贷后监测", "post-loan monitoring"),
    Purpose.PRODUCT_MATCHING: ("产品匹配", "product matching"),
    Purpose.RESEARCH: ("研究", "research"),
    Purpose.MODEL_TRAINING: ("模型训练", "model training"),
}
OPERATION_TEXTS: Mapping[Operation, BilingualText] = {
    Operation.COUNT: (
        "计数（只告知银行的企业中有多少家在登记中，不告知是哪些）",
        "counting how many of the bank's enterprises the register holds, without revealing which",
    ),
    Operation.MATCH: ("匹配企业（不透露其余企业）", "matching the enterprises that both sides know, and no others"),
    Operation.SCORE: ("评分（密文计算）", "scoring them on encrypted data"),
    Operation.PORTRAIT: ("画像（返回分项小计）", "portraits, from subtotals of the score"),
    Operation.RESEARCH_RUN: ("在数据局内部运行研究代码", "running research code inside the bureau"),
}
DETAIL_TEXTS: Mapping[ResultDetail, BilingualText] = {
    ResultDetail.TOTAL: ("每家企业一个总分", "one total for each enterprise"),
    ResultDetail.DIMENSIONS: ("每个维度一个小计", "a subtotal for each dimension"),
    ResultDetail.FEATURES: (
        "银行每个特征一个小计，外加公共记录的小计",
        "a subtotal for each feature of the bank, and one for public records",
    ),
    ResultDetail.FULL: ("各维度与各特征的小计", "subtotals for each dimension and for each feature"),
}
RELEASE_FORM_TEXTS: Mapping[ReleaseForm, BilingualText] = {
    ReleaseForm.NONE: ("不得使用", "not to be used"),
    ReleaseForm.MODEL_INPUT_ONLY: (
        "只作模型的加密输入，数值不出数据局",
        "only inside a model's encrypted computation; its value never leaves the bureau",
    ),
    ReleaseForm.BAND: ("可给出粗略档次", "a coarse band of its value may be released"),
    ReleaseForm.EXACT: ("可给出原值", "its value may be released"),
}
ID_KIND_TEXTS: Mapping[IdKind, BilingualText] = {
    "uscc": ("统一社会信用代码", "unified social credit codes"),
    "opaque": ("双方约定的编号", "identifiers agreed by both sides"),
}
