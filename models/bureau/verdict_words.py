"""The sentences of a training's verdict, in Chinese and English, and lists of names that stay short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from lab.terms.text.bilingual import BilingualText
from models.bureau.training_verdict import AucDifference, LeakSign, TrainingVerdict

OTHER_MODELS: Mapping[str, BilingualText] = {
    "bank_only": ("仅用银行数据", "the bank's data alone"),
    "bureau_only": ("仅用数据局数据", "the bureau's data alone"),
    "free": ("不受约束的模型", "the unconstrained model"),
}
PARTIES: Mapping[str, BilingualText] = {"bank": ("银行列", "bank column"), "bureau": ("数据局列", "bureau column")}
LEAKS: Mapping[str, BilingualText] = {
    "equals_label": ("与标签一一对应", "is the label in other words"),
    "alone": ("单独就几乎分清违约与否", "tells defaults apart almost alone"),
    "missing": ("是否缺失就几乎说明违约与否", "tells defaults apart by its gaps"),
    "dominates": ("一列几乎等于整个模型", "is almost the whole model"),
}
REMARKS: Mapping[str, BilingualText] = {
    "empty": ("全部缺失，模型不使用", "always missing, not used"),
    "constant": ("只有一个值，模型不使用", "one value only, not used"),
    "no_difference": (
        "各值的违约率没有区别，没有分箱，模型不使用",
        "no bins, as the values do not differ in their share of defaults; not used",
    ),
    "unused": ("没有一棵树用到", "no tree of the model tests it"),
    "solver_found_none": (
        "求解器没有找到分箱（例如某值全部或无一违约，或不足 5 % 的行），改用简单分箱",
        "the solver found no bins (for example a value that all or no defaulters have, or below 5 % of the rows); "
        "simple bins are used",
    ),
    "solver_weaker": (
        "简单分箱比求解器的分箱多说明得多，已采用",
        "simple bins tell much more than the solver's and are used",
    ),
    "solver_failed": (
        "求解器出错或超时，改用简单分箱（没有则模型不使用）",
        "the solver failed or ran out of time; simple bins are used, or none if there are none",
    ),
}
_LEAKS_SPOKEN = 10
_NAMES_ROOM = 150  # characters; with the words around them within the 400 of a warning


def verdict_summary(verdict: TrainingVerdict) -> dict[str, Any]:
    """The verdict in plain values for ``--json``: its figures, and ``lines`` with both languages."""
    return {
        **asdict(verdict),
        "conclusive": verdict.conclusive,
        "lines": [{"zh": zh, "en": en} for zh, en in verdict_lines(verdict)],
    }


def verdict_lines(verdict: TrainingVerdict) -> list[BilingualText]:
    """The verdict for a person: lines in (Chinese, English)."""
    return [
        *_tested(verdict),
        *(_comparison(one, verdict.conclusive) for one in verdict.comparisons),
        *_what_chance_means(verdict),
        *leak_lines(verdict),
        *_remarks(verdict),
    ]


def leak_lines(verdict: TrainingVerdict) -> list[BilingualText]:
    """A line for each column that looks like a leak, then how many more there are."""
    lines = [_leak(leak) for leak in verdict.leaks[:_LEAKS_SPOKEN]]
    if more := verdict.leak_count - len(lines):
        lines.append((f"另有 {more:,} 列可能泄露结果", f"{more:,} more columns may give away the outcome"))
    return lines


def list_names(names: Sequence[str], count: int | None = None) -> BilingualText:
    """Names with commas, as many as there is room for, and the count of all if some are left out."""
    listed, whole = "", len(names) if count is None else count
    shown = 0
    for name in names:
        part = name if len(name) <= _NAMES_ROOM else name[: _NAMES_ROOM - 1] + "…"
        if listed and len(listed) + len(part) + 2 > _NAMES_ROOM:
            break
        listed, shown = f"{listed}, {part}" if listed else part, shown + 1
    if shown == whole:
        return listed, listed
    return f"{listed} … 共 {whole:,} 列", f"{listed} … {whole:,} in all"


def how_tested(verdict: TrainingVerdict) -> BilingualText:
    """What makes the tested rows unseen."""
    if verdict.cross_fitted:
        return "各由未见过它的模型评分", "each scored by a model that had not seen it"
    return "训练时留出", "held out of the training"


def _tested(verdict: TrainingVerdict) -> Iterator[BilingualText]:
    if not verdict.rows:
        return
    how_zh, how_en = how_tested(verdict)
    yield (
        f"在 {verdict.rows:,} 户上检验（{how_zh}），其中违约 {verdict.positives:,} 户",
        f"Tested on {verdict.rows:,} enterprises ({how_en}), {verdict.positives:,} in default",
    )
    if not verdict.conclusive:
        few = min(verdict.positives, verdict.rows - verdict.positives)
        kind_zh, kind_en = ("违约", "in default") if few == verdict.positives else ("未违约", "that did not default")
        yield (
            f"检验样本{kind_zh}的只有 {few:,} 户，太少，看不出哪个模型更好；以下差异不能作为结论",
            f"Only {few:,} of the tested enterprises are {kind_en}: too few to tell which model is better; "
            "conclude nothing from the differences below",
        )


def _comparison(found: AucDifference, conclusive: bool) -> BilingualText:
    zh, en = OTHER_MODELS[found.other]
    sign = -1 if found.other == "free" else 1  # the question is whether ``free`` would help
    low, high = sorted((sign * found.low, sign * found.high))
    figures = [f"{round(figure, 4) + 0.0:+.4f}" for figure in (sign * found.difference, low, high)]  # no -0.0000
    figures_zh = f"AUC 相差 {figures[0]}，95 % 区间 {figures[1]} 至 {figures[2]}"
    figures_en = f"AUC {figures[0]}, 95 % interval {figures[1]} to {figures[2]}"
    if not conclusive:
        who = (
            (f"{zh}与本模型", f"{en} against this model")
            if sign < 0
            else (f"联合模型与{zh}", f"This model against {en}")
        )
        return f"{who[0]}：{figures_zh}（样本太少）", f"{who[1]}: {figures_en} (too few to tell)"
    outcome = 1 if low > 0 else -1 if high < 0 else 0
    words = _constraint_words(outcome) if sign < 0 else _joint_words(outcome, zh, en)
    return f"{words[0]}：{figures_zh}", f"{words[1]}: {figures_en}"


def _what_chance_means(verdict: TrainingVerdict) -> Iterator[BilingualText]:
    """The bootstrap draws tested rows and keeps the models; it knows nothing of models of another sample."""
    if not verdict.comparisons:
        return
    pooled_zh, pooled_en = (
        ("，五个模型的评分合在一起", ", and the scores of five models are pooled") if verdict.cross_fitted else ("", "")
    )
    yield (
        f"区间只反映检验企业的抽样偶然，模型视为不变{pooled_zh}；换一批企业重新训练，差异的变动会更大",
        f"The intervals cover the chance of which enterprises were tested; the models are taken as they are{pooled_en}"
        ". Models trained on other enterprises would differ by more",
    )


def _joint_words(outcome: int, zh: str, en: str) -> BilingualText:
    """``outcome``: 1 if the joint model is better by more than chance, -1 if it is worse, 0 if neither."""
    if outcome > 0:
        return f"联合模型优于{zh}", f"The joint model is better than {en} by more than chance"
    if outcome < 0:
        return f"联合模型不如{zh}", f"The joint model is worse than {en} by more than chance"
    return f"看不出联合模型优于{zh}，差异可能只是偶然", f"The joint model is not better than {en} by more than chance"


def _constraint_words(outcome: int) -> BilingualText:
    """``outcome``: 1 if boosted trees without the constraint are better by more than chance, and so on."""
    if outcome > 0:
        return "不受约束（--interactions free）会更好", "Boosted trees with --interactions free would be better"
    if outcome < 0:
        return "不受约束（--interactions free）反而更差", "Boosted trees with --interactions free would be worse"
    return (
        "不受约束（--interactions free）看不出更好",
        "Boosted trees with --interactions free would not be better by more than chance",
    )


def _leak(leak: LeakSign) -> BilingualText:
    party_zh, party_en = PARTIES[leak.party]
    zh, en = LEAKS[leak.kind]
    return (
        f"可能泄露结果：{party_zh} {leak.feature} {zh}（单独 AUC {leak.auc:.3f}）；请核实它在评分之日是否已知",
        f"Possible leak: {party_en} {leak.feature} {en} (AUC alone {leak.auc:.3f}); check that it is known on the day "
        "of scoring",
    )


def _remarks(verdict: TrainingVerdict) -> Iterator[BilingualText]:
    """One line for each kind of remark and party, as both parties may have columns of one name."""
    order = list(REMARKS)
    found = sorted(verdict.remarks, key=lambda remark: (order.index(remark.kind), remark.party))
    for (kind, party), group in groupby(found, key=lambda remark: (remark.kind, remark.party)):
        names = [remark.feature for remark in group]
        (names_zh, names_en), (zh, en), (party_zh, party_en) = list_names(names), REMARKS[kind], PARTIES[party]
        plural = "" if len(names) == 1 else "s"
        yield (
            f"{len(names):,} 个{party_zh}{zh}：{names_zh}",
            f"{len(names):,} {party_en}{plural} ({names_en}): {en}",
        )
    if more := verdict.remark_count - len(found):
        yield f"另有 {more:,} 列有类似说明，未列出", f"{more:,} more columns have such remarks, not listed"
