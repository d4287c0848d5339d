"""The clauses of a contract in Chinese and English, and the rule by which another value of a clause allows more.

One table, ``CLAUSES``, has a row for each field of ``Contract``. ``lab.terms.contract.plain_language`` renders and
compares contracts by it, so that the comparison cannot forget a clause that is shown. ``escape_hidden`` makes every
freely chosen name visible here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab.terms.contract.choice_texts import (
    DETAIL_TEXTS,
    ID_KIND_TEXTS,
    OPERATION_TEXTS,
    PURPOSE_TEXTS,
    RELEASE_FORM_TEXTS,
)
from lab.terms.contract.document import Contract, ReleaseForm, ResultDetail
from lab.terms.contract.price_texts import describe_prices, describe_request
from lab.terms.keys.party import Party
from lab.terms.text.bilingual import BilingualText, join_words
from lab.terms.text.escaping import escape_hidden


@dataclass(frozen=True, slots=True)
class ClauseDefinition:
    """``describe`` writes the clause; ``members`` lists the members of a clause that is a list.

    ``widens(old, new)``: whether the new value by itself allows more (True) or less (False); None if undecided.
    """

    label: BilingualText
    describe: Callable[[Contract], BilingualText]
    widens: Callable[[Contract, Contract], bool | None] = lambda old, new: None
    members: Callable[[Contract], Sequence[tuple[str, BilingualText]]] | None = None


def _party(label_zh: str, label_en: str, party: Party) -> BilingualText:
    name, key, fingerprint = escape_hidden(party.name), party.public_key, party.fingerprint
    return (
        f"{label_zh}：{name}，签名公钥 {key}，指纹 {fingerprint}。",
        f"{label_en}: {name}, public key {key}, fingerprint {fingerprint}.",
    )


def _format_time(moment: datetime) -> str:
    """A time in UTC to the second, followed by its exact form if that is finer or in another zone."""
    plain = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    exact = not moment.microsecond and not moment.utcoffset()
    return plain if exact else f"{plain} ({moment.isoformat()})"


def _item_members(contract: Contract) -> list[tuple[str, BilingualText]]:
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
        return "不使用任何登记数据项。", "No register item is used."
    zh, en = [], []
    for form in ReleaseForm:
        codes = [escape_hidden(item.code) for item in contract.items if item.form is form]
        if codes:
            zh.append(f"{RELEASE_FORM_TEXTS[form][0]}：{'、'.join(codes)}。")
            en.append(f"{RELEASE_FORM_TEXTS[form][1].capitalize()}: {', '.join(codes)}.")
    return f"涉及 {len(contract.items)} 个登记数据项。" + "".join(zh), " ".join(
        [f"Register items: {len(contract.items)}.", *en]
    )


def _models(contract: Contract) -> BilingualText:
    zh, en = (join_words((words for _, words in _model_members(contract)), language) for language in (0, 1))
    if contract.counts_only:
        return (
            f"在下列模型所用的登记中计数，模型本身不运行（附其说明书的 SHA-256）：{zh}。",
            f"Counts use the register of these models, which are not run; each with the SHA-256 of its sheet: {en}.",
        )
    return (
        f"只能使用以下模型版本（及其说明书的 SHA-256）：{zh}。",
        f"Only these models, each with the SHA-256 of its sheet: {en}.",
    )


def _detail(contract: Contract) -> BilingualText:
    if contract.counts_only:
        return (
            "只返回一个总数，不返回任何一家企业的结果。",
            "Results: one number, and nothing about any single enterprise.",
        )
    return f"结果细到：{DETAIL_TEXTS[contract.detail][0]}。", f"Results: {DETAIL_TEXTS[contract.detail][1]}."


def _model_members(contract: Contract) -> list[tuple[str, BilingualText]]:
    return [
        (str(model), (f"{model}（{model.sheet_sha256}）", f"{model} ({model.sheet_sha256})"))
        for model in contract.models
    ]


def _witnesses(contract: Contract) -> BilingualText:
    quorum = contract.witnesses
    if quorum is None:
        return (
            "未指定见证人：若数据局给各方看不同的台账，回执不能发现（分叉检测关闭）。",
            "No witness is named: if the bureau shows each party a different ledger, receipts do not reveal it "
            "(fork detection is off).",
        )
    zh, en = (join_words((_witness_words(party) for party in quorum.parties), language) for language in (0, 1))
    return (
        f"数据局的台账须由下列见证人中至少 {quorum.quorum} 个联署，银行才接受回执：{zh}。",
        f"The bank accepts receipts of a ledger only if at least {quorum.quorum} of these witnesses cosigned it: {en}.",
    )


def _witness_words(party: Party) -> BilingualText:
    name, key, fingerprint = escape_hidden(party.name), party.public_key, party.fingerprint
    return f"{name}（公钥 {key}，指纹 {fingerprint}）", f"{name} (public key {key}, fingerprint {fingerprint})"


def _named(values: Iterable[str]) -> list[tuple[str, BilingualText]]:
    return [(value, (escape_hidden(value), escape_hidden(value))) for value in values]


def _larger_allows_more(pick: Callable[[Contract], Any]) -> Callable[[Contract, Contract], bool | None]:
    """For a value that allows more when it is larger."""

    def widens(old: Contract, new: Contract) -> bool | None:
        was, now = pick(old), pick(new)
        return None if was == now else bool(now > was)

    return widens


def _larger_allows_less(pick: Callable[[Contract], Any]) -> Callable[[Contract, Contract], bool | None]:
    """For a value that allows less when it is larger."""

    def widens(old: Contract, new: Contract) -> bool | None:
        was, now = pick(old), pick(new)
        return None if was == now else bool(now < was)

    return widens


def _superset_allows_more(pick: Callable[[Contract], Iterable[object]]) -> Callable[[Contract, Contract], bool | None]:
    """For a set: a superset allows more, a subset less, anything else is undecided."""

    def widens(old: Contract, new: Contract) -> bool | None:
        was, now = set(pick(old)), set(pick(new))
        if was == now or not (was < now or now < was):
            return None
        return was < now

    return widens


def _allowed(contract: Contract) -> set[tuple[str, ReleaseForm]]:
    """Each item, with each form in which it may be used."""
    forms = [form for form in ReleaseForm if form is not ReleaseForm.NONE]
    return {(item.code, form) for item in contract.items for form in forms if item.form.allows(form)}


_FINER: Mapping[ResultDetail, frozenset[str]] = {
    ResultDetail.TOTAL: frozenset(),
    ResultDetail.DIMENSIONS: frozenset({"dimensions"}),
    ResultDetail.FEATURES: frozenset({"features"}),
    ResultDetail.FULL: frozenset({"dimensions", "features"}),
}


def _fill(words: BilingualText, number: int | str) -> BilingualText:
    return words[0].format(number), words[1].format(number)


def _ceiling(
    name: str, words: BilingualText, label: BilingualText, widens: Callable[[Callable[[Contract], Any]], Any]
) -> ClauseDefinition:
    def pick(contract: Contract) -> int:
        return int(getattr(contract.ceilings, name))

    return ClauseDefinition(label, lambda contract: _fill(words, f"{pick(contract):,}"), widens(pick))


CLAUSES: Mapping[str, ClauseDefinition] = {
    "schema": ClauseDefinition(
        ("文件格式", "document form"),
        lambda c: (f"本文件按 {c.schema_} 书写。", f"This document has the form {c.schema_}."),
    ),
    "id": ClauseDefinition(("合同编号", "contract"), lambda c: (f"合同编号 {c.id}。", f"The contract is {c.id}.")),
    "version": ClauseDefinition(
        ("版本", "version"),
        lambda c: (
            f"这是第 {c.version} 版；每一版都须双方重新签署。",
            f"This is version {c.version}; both sides sign each version separately.",
        ),
    ),
    "bureau": ClauseDefinition(
        ("数据局", "bureau"), lambda c: _party("提供数据的数据局", "The bureau that holds the public records", c.bureau)
    ),
    "bank": ClauseDefinition(
        ("银行", "bank"), lambda c: _party("使用数据的银行", "The bank that uses the data", c.bank)
    ),
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
            f"Only these in the bank may receive results: {join_words((w for _, w in _named(c.recipients)), 1)}.",
        ),
        _superset_allows_more(lambda c: c.recipients),
        lambda c: _named(c.recipients),
    ),
    "items": ClauseDefinition(("数据项", "items"), _items, _superset_allows_more(_allowed), _item_members),
    "operations": ClauseDefinition(
        ("操作", "operations"),
        lambda c: (
            f"允许的操作：{join_words((OPERATION_TEXTS[one] for one in c.operations), 0)}。",
            f"Allowed operations: {join_words((OPERATION_TEXTS[one] for one in c.operations), 1)}.",
        ),
        _superset_allows_more(lambda c: c.operations),
        lambda c: [(one.value, OPERATION_TEXTS[one]) for one in c.operations],
    ),
    "detail": ClauseDefinition(
        ("结果粒度", "detail"),
        _detail,
        _superset_allows_more(lambda c: _FINER[c.detail]),
    ),
    "models": ClauseDefinition(
        ("模型", "models"),
        _models,
        _superset_allows_more(lambda c: c.models),
        _model_members,
    ),
    "id_kind": ClauseDefinition(
        ("企业标识", "identifiers"),
        lambda c: (
            f"企业以{ID_KIND_TEXTS[c.id_kind][0]}识别。",
            f"Enterprises are identified by {ID_KIND_TEXTS[c.id_kind][1]}.",
        ),
    ),
    "engine": ClauseDefinition(
        ("匹配引擎", "matching engine"),
        lambda c: (f"隐私求交使用引擎 {c.engine}。", f"Matching uses the engine {c.engine}."),
    ),
    "parameters": ClauseDefinition(
        ("加密参数", "encryption parameters"),
        lambda c: (f"密文计算使用参数 {c.parameters}。", f"Encrypted computation uses the parameters {c.parameters}."),
    ),
    "ceilings.identifiers": _ceiling(
        "identifiers",
        (
            "整个合同期内最多查询 {} 个企业标识（重复的、随附的校验元素也计入）。",
            "At most {} identifiers may be sent in all; repeated ones and canaries count too.",
        ),
        ("标识总数", "identifiers in all"),
        _larger_allows_more,
    ),
    "ceilings.identifiers_per_match": _ceiling(
        "identifiers_per_match",
        (
            "一次匹配或计数最多 {} 个标识（含校验元素）。",
            "At most {} identifiers in one match or count, including canaries.",
        ),
        ("每次匹配", "identifiers a match"),
        _larger_allows_more,
    ),
    "ceilings.scores_per_enterprise": ClauseDefinition(
        ("每户评分次数", "scores an enterprise"),
        lambda c: (
            f"同一企业在统计期内最多评分 {c.ceilings.scores_per_enterprise:,} 次。",
            f"One enterprise may be scored at most {c.ceilings.scores_per_enterprise:,} times in the counting period.",
        ),
        _larger_allows_more(lambda c: c.ceilings.scores_per_enterprise),
    ),
    "ceilings.period_days": _ceiling(
        "period_days",
        ("统计期为任意连续 {} 天。", "The counting period is any {} consecutive days."),
        ("统计期", "counting period"),
        _larger_allows_less,
    ),
    "ceilings.jobs_per_day": _ceiling(
        "jobs_per_day",
        ("任意 24 小时内最多开始 {} 个任务。", "At most {} jobs may be started within any 24 hours."),
        ("每日任务", "jobs a day"),
        _larger_allows_more,
    ),
    "ceilings.rows_per_job": _ceiling(
        "rows_per_job",
        ("一个任务最多 {} 家企业。", "At most {} enterprises in one job."),
        ("每任务企业数", "enterprises a job"),
        _larger_allows_more,
    ),
    "ceilings.rows_per_batch": _ceiling(
        "rows_per_batch",
        ("一批密文最多 {} 家企业。", "At most {} enterprises in one encrypted batch."),
        ("每批企业数", "enterprises a batch"),
        _larger_allows_more,
    ),
    "ceilings.precision": _ceiling(
        "precision",
        ("结果只精确到模型最小单位的 {} 倍。", "Results are exact to {} of the model's smallest steps."),
        ("精度", "precision"),
        _larger_allows_less,
    ),
    "consent.required": ClauseDefinition(
        ("企业授权", "consent"),
        lambda c: (
            (
                "企业须事先授权；未授权的企业视同不在登记中。",
                "An enterprise must have agreed beforehand; otherwise it is treated as if it were not in the register.",
            )
            if c.consent.required
            else ("无须企业逐户授权。", "The enterprises need not agree one by one.")
        ),
        lambda old, new: _larger_allows_less(lambda c: c.consent.required)(old, new),
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
            f"任务产生的数据，双方最多保存 {c.retention_days:,} 天，到期删除。",
            f"Either side keeps the data of a job for at most {c.retention_days:,} days and then deletes it.",
        ),
        _larger_allows_more(lambda c: c.retention_days),
    ),
    "witnesses": ClauseDefinition(("见证人", "witnesses"), _witnesses),
    "prices": ClauseDefinition(("价格", "prices"), describe_prices),
    "request": ClauseDefinition(("需求申请", "request for data"), describe_request),
    "starts": ClauseDefinition(
        ("生效", "starts"),
        lambda c: (f"自 {_format_time(c.starts)} 起有效。", f"In force from {_format_time(c.starts)}."),
        _larger_allows_less(lambda c: c.starts),
    ),
    "expires": ClauseDefinition(
        ("到期", "expires"),
        lambda c: (
            f"有效至 {_format_time(c.expires)}（不含该时刻）。",
            f"In force until {_format_time(c.expires)}, that moment not included.",
        ),
        _larger_allows_more(lambda c: c.expires),
    ),
}
"""The clauses by the names of their fields, in the order of the document."""
