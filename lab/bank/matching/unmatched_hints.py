"""What may be wrong with a column of codes of which none is usable, or none is in the register.

Most often it is the wrong column, another kind of code than the contract's, or a column that a spreadsheet or a
numerical library took for numbers. A hint names the bank's own columns and counts; no code is in it.
"""

from __future__ import annotations

from lab.bank.portfolio import Portfolio
from lab.terms.errors import InvalidInput
from lab.terms.identifiers import RejectionReason, normalise_identifiers
from lab.terms.names import IdKind

_SAMPLE = 200
"""Rows from which another column or another kind is recognised."""
_KIND_LABELS: dict[IdKind, tuple[str, str]] = {
    "uscc": ("统一社会信用代码", "unified social credit codes"),
    "opaque": ("约定编号", "numbers that both sides agreed on"),
}


def require_usable_codes(portfolio: Portfolio, kind: IdKind) -> None:
    """Raise ``InvalidInput``, with a hint, if the file has rows and every one of them was set aside."""
    if portfolio.codes or not portfolio.rows:
        return
    reasons = "; ".join(
        f"{count:,} × {RejectionReason(reason).en}" for reason, count in portfolio.set_aside_counts.items()
    )
    hints = find_hints(portfolio, kind)
    raise InvalidInput(
        f"Expected {_KIND_LABELS[kind][1]} in column {portfolio.id_column}; found none in {portfolio.rows:,} rows "
        f"({reasons}).",
        next_step="; ".join(en for _, en in hints) or "name the column of the codes with --id COLUMN",
    )


def hint_sentences(portfolio: Portfolio, kind: IdKind) -> list[str]:
    """Why nothing may have matched, one sentence a hint, in English and Chinese; at least one."""
    general = (
        "没有企业匹配：请与数据局核对代码的写法，以及合同（或企业授权）是否包含这些企业",
        "no enterprise matched: compare with the bureau how it writes the codes, and whether the contract (or the "
        "enterprises' consents) covers these enterprises",
    )
    return [f"{en} · {zh}" for zh, en in (*find_hints(portfolio, kind), general)]


def find_hints(portfolio: Portfolio, kind: IdKind) -> list[tuple[str, str]]:
    """Hints in Chinese and English, the most telling first; none if nothing looks odd."""
    written = [text for text in portfolio.codes_as_written if text is not None]
    written += [row.code_as_written for row in portfolio.set_aside if row.code_as_written is not None]
    found = [*_number_hints(portfolio, written), *_kind_hint(written[:_SAMPLE], kind)]
    return found + [
        (f"“{name}”列像是代码列：用 --id 指定", f"column {name} looks like the column of codes: name it with --id")
        for name in _other_columns(portfolio, kind)
    ]


def _number_hints(portfolio: Portfolio, written: list[str]) -> list[tuple[str, str]]:
    rounded = portfolio.set_aside_counts.get(RejectionReason.ROUNDED.value, 0)
    if rounded:
        yours = f"{rounded:,}"
        return [
            (
                f"{yours} 个代码被写成了科学计数等数字，位数已丢失：请把该列设为文本后重新导出",
                f"{yours} codes were written as numbers with an exponent, which loses digits; export them as text",
            )
        ]
    decimals = sum(text.strip().endswith(".0") for text in written)
    if decimals:
        return [
            (
                f"{decimals:,} 个代码写成了带 .0 的小数，前导零可能已丢失：请把该列按文本读取后重新导出",
                f"{decimals:,} codes end in .0: the column was read as decimal numbers, so zeros in front may be lost; "
                "read and export it as text",
            )
        ]
    digits = [text.strip() for text in written]
    if digits and all(text.isdigit() for text in digits) and len({len(text) for text in digits}) > 1:
        return [
            (
                "代码都是数字但长短不一，前导零可能已丢失：请把该列按文本重新导出",
                "the codes are numbers of different lengths, so zeros in front may be lost: export the column as text",
            )
        ]
    return []


def _kind_hint(sample: list[str], kind: IdKind) -> list[tuple[str, str]]:
    """Whether the codes are credit codes where the contract has others, or the other way round."""
    fit = normalise_identifiers(sample, "uscc").accepted_count * 2 > len(sample) > 0
    other: IdKind = "uscc" if kind == "opaque" else "opaque"
    if not sample or fit is (kind == "uscc"):
        return []
    zh, en = _KIND_LABELS[kind]
    other_zh, other_en = _KIND_LABELS[other] if kind == "opaque" else ("其他编号", "other codes")
    return [
        (
            f"合同使用{zh}，而该列像是{other_zh}：请更换列（--id），或请数据局按此类代码订立合同",
            f"the contract uses {en}, and these look like {other_en}: name another column with --id, or ask the bureau "
            "for a contract on this kind of code",
        )
    ]


def _other_columns(portfolio: Portfolio, kind: IdKind) -> list[str]:
    """Other columns that hold credit codes, where the contract uses these."""
    if kind != "uscc":
        return []
    names = [name for name in portfolio.frame.columns if name != portfolio.id_column]
    samples = {name: portfolio.frame[name].head(_SAMPLE).to_list() for name in names}
    return [
        name
        for name, sample in samples.items()
        if sample and normalise_identifiers(sample, kind).accepted_count * 2 > len(sample)
    ]
