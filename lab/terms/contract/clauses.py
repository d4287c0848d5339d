"""What each term of a contract says to a person, in Chinese and English, and when another value of it allows more.

One table, ``CLAUSES``, has a row for each field of ``Contract``; ``lab.terms.contract.plain_language`` renders and
compares by it, so that a term can't be shown and then be forgotten where versions are compared. Every name that
somebody chose passes ``escape_hidden`` here, so that what is said hides nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab.terms.contract.document import Contract, Operation, Purpose, ReleaseForm, ResultDetail
from lab.terms.keys.party import Party
from lab.terms.text.escaping import escape_hidden

BilingualText = tuple[str, str]
"""A sentence or a word: Chinese, English."""

PURPOSE_TEXTS: Mapping[Purpose, BilingualText] = {
    Purpose.CREDIT_APPROVAL: ("授信审批", "deciding on credit"),
    Purpose.POST_LOAN_MONITORING: ("贷后监测", "watching loans already made"),
    Purpose.PRODUCT_MATCHING: ("产品匹配", "finding a fitting product"),
    Purpose.RESEARCH: ("研究", "research"),
    Purpose.MODEL_TRAINING: ("模型训练", "training a model"),
}
OPERATION_TEXTS: Mapping[Operation, BilingualText] = {
    Operation.COUNT: (
        "计数（只告知银行的企业中有多少家在登记中，不告知是哪些）",
        "counting how many of the bank's enterprises the register holds, without telling which",
    ),
    Operation.MATCH: ("匹配企业（不透露其余企业）", "finding which enterprises both sides know, and no others"),
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
    ReleaseForm.BAND: ("可给出粗略档次", "a coarse band of its value may be given out"),
    ReleaseForm.EXACT: ("可给出原值", "its value may be given out"),
}
ID_KIND_TEXTS: Mapping[str, BilingualText] = {
    "uscc": ("统一社会信用代码", "unified social credit codes"),
    "opaque": ("双方约定的编号", "numbers that both sides agreed on"),
}


@dataclass(frozen=True, slots=True)
class ClauseDefinition:
    """``say`` writes the clause; ``parts`` are the members of a term that is a list.

    ``widens(old, new)``: the new value alone allows more (True), less (False), or it can't be said (None).
    """

    label: BilingualText
    describe: Callable[[Contract], BilingualText]
    widens: Callable[[Contract, Contract], bool | None] = lambda old, new: None
    members: Callable[[Contract], Sequence[tuple[str, BilingualText]]] | None = None


def join_words(words: Iterable[BilingualText], language: int) -> str:
    """Words of one language (0: Chinese, 1: English) as a list in a sentence."""
    return ("、", ", ")[language].join(one[language] for one in words)


def _party(label_zh: str, label_en: str, party: Party) -> BilingualText:
    name, key, print_ = escape_hidden(party.name), party.public_key, party.fingerprint
    return (
        f"{label_zh}：{name}，签名公钥 {key}，指纹 {print_}。",
        f"{label_en}: {name}, public key {key}, fingerprint {print_}.",
    )


def _moment(moment: datetime) -> str:
    """To the second in UTC; finer or in another zone it is written out, so that no difference is hidden."""
    plain = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    exact = not moment.microsecond and not moment.utcoffset()
    return plain if exact else f"{plain} ({moment.isoformat()})"


def _item_parts(contract: Contract) -> list[tuple[str, BilingualText]]:
    return [
        (
            item.code,
            (
                f"{escape_hidden(item.code)}（{RELEASE_FORM_TEXTS[item.form][0]}）",
                f"{escape_hidden(item.code)} ({RELEASE_FORM_TEXTS[item.form][1]})",
            ),
        )
        for item in contract.items
    ]


def _items(contract: Contract) -> BilingualText:
    if not contract.items:
        return "不使用任何登记数据项。", "No item of the register is used."
    zh, en = [], []
    for form in ReleaseForm:
        codes = [escape_hidden(item.code) for item in contract.items if item.form is form]
        if codes:
            zh.append(f"{RELEASE_FORM_TEXTS[form][0]}：{'、'.join(codes)}。")
            en.append(f"{RELEASE_FORM_TEXTS[form][1].capitalize()}: {', '.join(codes)}.")
    return f"涉及 {len(contract.items)} 个登记数据项。" + "".join(zh), " ".join(
        [f"Items of the register: {len(contract.items)}.", *en]
    )


def _models(contract: Contract) -> BilingualText:
    zh, en = (join_words((words for _, words in _model_parts(contract)), language) for language in (0, 1))
    if contract.counts_only:
        return (
            f"在下列模型所用的登记中计数，模型本身不运行（附其说明书的 SHA-256）：{zh}。",
            f"Counted in the register of these models, none of which is run, each with the SHA-256 of its sheet: {en}.",
        )
    return (
        f"只能使用以下模型版本（及其说明书的 SHA-256）：{zh}。",
        f"Only these models, each with the SHA-256 of its sheet: {en}.",
    )


def _detail(contract: Contract) -> BilingualText:
    if contract.counts_only:
        return (
            "只返回一个总数，不返回任何一家企业的结果。",
            "What comes back: one number, and nothing of any enterprise.",
        )
    return f"结果细到：{DETAIL_TEXTS[contract.detail][0]}。", f"What comes back: {DETAIL_TEXTS[contract.detail][1]}."


def _model_parts(contract: Contract) -> list[tuple[str, BilingualText]]:
    return [
        (str(model), (f"{model}（{model.sheet_sha256}）", f"{model} ({model.sheet_sha256})"))
        for model in contract.models
    ]


def _witnesses(contract: Contract) -> BilingualText:
    terms = contract.witnesses
    if terms is None:
        return (
            "未指定见证人：若数据局给各方看不同的台账，回执不能发现（分叉检测关闭）。",
            "No witness is named: that the bureau shows each party a ledger of its own is not found out by receipts "
            "(detection of forks is off).",
        )
    zh, en = (join_words((_witness_words(party) for party in terms.parties), language) for language in (0, 1))
    return (
        f"数据局的台账须由下列见证人中至少 {terms.quorum} 个联署，银行才接受回执：{zh}。",
        f"The bank takes receipts of a ledger that at least {terms.quorum} of these witnesses have cosigned: {en}.",
    )


def _witness_words(party: Party) -> BilingualText:
    name, key, print_ = escape_hidden(party.name), party.public_key, party.fingerprint
    return f"{name}（公钥 {key}，指纹 {print_}）", f"{name} (public key {key}, fingerprint {print_})"


def _named(values: Iterable[str]) -> list[tuple[str, BilingualText]]:
    return [(value, (escape_hidden(value), escape_hidden(value))) for value in values]


def _more(pick: Callable[[Contract], Any]) -> Callable[[Contract, Contract], bool | None]:
    """More of it allows more."""

    def widens(old: Contract, new: Contract) -> bool | None:
        was, now = pick(old), pick(new)
        return None if was == now else bool(now > was)

    return widens


def _less(pick: Callable[[Contract], Any]) -> Callable[[Contract, Contract], bool | None]:
    """More of it allows less."""

    def widens(old: Contract, new: Contract) -> bool | None:
        was, now = pick(old), pick(new)
        return None if was == now else bool(now < was)

    return widens


def _superset(pick: Callable[[Contract], Iterable[object]]) -> Callable[[Contract, Contract], bool | None]:
    """A set that only grew allows more, one that only shrank less."""

    def widens(old: Contract, new: Contract) -> bool | None:
        was, now = set(pick(old)), set(pick(new))
        if was == now or not (was < now or now < was):
            return None
        return was < now

    return widens


def _allowed(contract: Contract) -> set[tuple[str, ReleaseForm]]:
    """Each item with each form in which it may be used."""
    forms = [form for form in ReleaseForm if form is not ReleaseForm.NONE]
    return {(item.code, form) for item in contract.items for form in forms if item.form.allows(form)}


_FINER: Mapping[ResultDetail, frozenset[str]] = {
    ResultDetail.TOTAL: frozenset(),
    ResultDetail.DIMENSIONS: frozenset({"dimensions"}),
    ResultDetail.FEATURES: frozenset({"features"}),
    ResultDetail.FULL: frozenset({"dimensions", "features"}),
}


def _either(words: BilingualText, number: int | str) -> BilingualText:
    return words[0].format(number), words[1].format(number)


def _ceiling(
    name: str, words: BilingualText, label: BilingualText, widens: Callable[[Callable[[Contract], Any]], Any]
) -> ClauseDefinition:
    def pick(contract: Contract) -> int:
        return int(getattr(contract.ceilings, name))

    return ClauseDefinition(label, lambda contract: _either(words, f"{pick(contract):,}"), widens(pick))


CLAUSES: Mapping[str, ClauseDefinition] = {
    "schema": ClauseDefinition(
        ("文件格式", "form of the document"),
        lambda c: (f"本文件按 {c.schema_} 书写。", f"This document is written in the form {c.schema_}."),
    ),
    "id": ClauseDefinition(("合同编号", "contract"), lambda c: (f"合同编号 {c.id}。", f"The contract is {c.id}.")),
    "version": ClauseDefinition(
        ("版本", "version"),
        lambda c: (
            f"这是第 {c.version} 版；每一版都须双方重新签署。",
            f"This is version {c.version}; both sides sign each version anew.",
        ),
    ),
    "bureau": ClauseDefinition(
        ("数据局", "bureau"), lambda c: _party("提供数据的数据局", "The bureau that holds the public records", c.bureau)
    ),
    "bank": ClauseDefinition(("银行", "bank"), lambda c: _party("使用数据的银行", "The bank that asks", c.bank)),
    "purpose": ClauseDefinition(
        ("用途", "purpose"),
        lambda c: (
            f"只为{PURPOSE_TEXTS[c.purpose][0]}使用，不得作他用。",
            f"Only for {PURPOSE_TEXTS[c.purpose][1]}, and for nothing else.",
        ),
    ),
    "recipients": ClauseDefinition(
        ("接收方", "recipients"),
        lambda c: (
            f"结果只能交给银行的：{join_words((w for _, w in _named(c.recipients)), 0)}。",
            f"In the bank, only these may receive results: {join_words((w for _, w in _named(c.recipients)), 1)}.",
        ),
        _superset(lambda c: c.recipients),
        lambda c: _named(c.recipients),
    ),
    "items": ClauseDefinition(("数据项", "items"), _items, _superset(_allowed), _item_parts),
    "operations": ClauseDefinition(
        ("操作", "operations"),
        lambda c: (
            f"可以做的事：{join_words((OPERATION_TEXTS[one] for one in c.operations), 0)}。",
            f"What may be asked for: {join_words((OPERATION_TEXTS[one] for one in c.operations), 1)}.",
        ),
        _superset(lambda c: c.operations),
        lambda c: [(one.value, OPERATION_TEXTS[one]) for one in c.operations],
    ),
    "detail": ClauseDefinition(
        ("结果粒度", "detail"),
        _detail,
        _superset(lambda c: _FINER[c.detail]),
    ),
    "models": ClauseDefinition(
        ("模型", "models"),
        _models,
        _superset(lambda c: c.models),
        _model_parts,
    ),
    "id_kind": ClauseDefinition(
        ("企业标识", "identifiers"),
        lambda c: (
            f"企业以{ID_KIND_TEXTS[c.id_kind][0]}识别。",
            f"Enterprises are known by {ID_KIND_TEXTS[c.id_kind][1]}.",
        ),
    ),
    "engine": ClauseDefinition(
        ("匹配引擎", "matching engine"),
        lambda c: (f"隐私求交使用引擎 {c.engine}。", f"Matching is done by the engine {c.engine}."),
    ),
    "parameters": ClauseDefinition(
        ("加密参数", "encryption parameters"),
        lambda c: (f"密文计算使用参数 {c.parameters}。", f"Encrypted computation uses the parameters {c.parameters}."),
    ),
    "ceilings.identifiers": _ceiling(
        "identifiers",
        (
            "整个合同期内最多查询 {} 个企业标识（重复的、随附的校验元素也计入）。",
            "At most {} identifiers may be asked about in all, repeated ones and canaries counted too.",
        ),
        ("标识总数", "identifiers in all"),
        _more,
    ),
    "ceilings.identifiers_per_match": _ceiling(
        "identifiers_per_match",
        (
            "一次匹配或计数最多 {} 个标识（含校验元素）。",
            "At most {} identifiers in one match or count, canaries among them.",
        ),
        ("每次匹配", "identifiers a match"),
        _more,
    ),
    "ceilings.scores_per_enterprise": ClauseDefinition(
        ("每户评分次数", "scores an enterprise"),
        lambda c: (
            f"同一企业在统计期内最多评分 {c.ceilings.scores_per_enterprise:,} 次。",
            f"One enterprise may be scored at most {c.ceilings.scores_per_enterprise:,} times in the counting period.",
        ),
        _more(lambda c: c.ceilings.scores_per_enterprise),
    ),
    "ceilings.period_days": _ceiling(
        "period_days",
        ("统计期为任意连续 {} 天。", "The counting period is any {} days in a row."),
        ("统计期", "counting period"),
        _less,
    ),
    "ceilings.jobs_per_day": _ceiling(
        "jobs_per_day",
        ("任意 24 小时内最多开始 {} 个任务。", "At most {} jobs may be begun within any 24 hours."),
        ("每日任务", "jobs a day"),
        _more,
    ),
    "ceilings.rows_per_job": _ceiling(
        "rows_per_job",
        ("一个任务最多 {} 家企业。", "At most {} enterprises in one job."),
        ("每任务企业数", "enterprises a job"),
        _more,
    ),
    "ceilings.rows_per_batch": _ceiling(
        "rows_per_batch",
        ("一批密文最多 {} 家企业。", "At most {} enterprises in one encrypted batch."),
        ("每批企业数", "enterprises a batch"),
        _more,
    ),
    "ceilings.precision": _ceiling(
        "precision",
        ("结果只精确到模型最小单位的 {} 倍。", "Results are exact to {} of the model's smallest steps."),
        ("精度", "precision"),
        _less,
    ),
    "consent.required": ClauseDefinition(
        ("企业授权", "consent"),
        lambda c: (
            (
                "企业须事先授权；未授权的企业视同不在登记中。",
                "An enterprise must have agreed beforehand; one that has not looks as if it were not registered.",
            )
            if c.consent.required
            else ("无须企业逐户授权。", "The enterprises need not agree one by one.")
        ),
        lambda old, new: _less(lambda c: c.consent.required)(old, new),
    ),
    "consent.why": ClauseDefinition(
        ("授权理由", "reason about consent"),
        lambda c: (
            f"关于授权的理由：{escape_hidden(c.consent.why)}。",
            f"The reason about consent: {escape_hidden(c.consent.why)}.",
        ),
    ),
    "retention_days": ClauseDefinition(
        ("保存期限", "retention"),
        lambda c: (
            f"任务留下的内容，双方最多保存 {c.retention_days:,} 天，之后删除。",
            f"What a job leaves behind, either side keeps for {c.retention_days:,} days at most and then deletes.",
        ),
        _more(lambda c: c.retention_days),
    ),
    "witnesses": ClauseDefinition(("见证人", "witnesses"), _witnesses),
    "starts": ClauseDefinition(
        ("生效", "starts"),
        lambda c: (f"自 {_moment(c.starts)} 起有效。", f"In force from {_moment(c.starts)}."),
        _less(lambda c: c.starts),
    ),
    "expires": ClauseDefinition(
        ("到期", "expires"),
        lambda c: (
            f"到 {_moment(c.expires)} 为止（届时不再有效）。",
            f"In force until {_moment(c.expires)}, and not any more at that moment.",
        ),
        _more(lambda c: c.expires),
    ),
}
"""The terms by the name of their field, in the order of the document."""
