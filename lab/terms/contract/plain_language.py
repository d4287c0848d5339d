"""A contract in plain Chinese and English, and the differences between two versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.terms.contract.clauses import CLAUSES, ClauseDefinition
from lab.terms.contract.document import Contract
from lab.terms.text.bilingual import BilingualText, join_words
from lab.terms.text.escaping import VisibleText


@dataclass(frozen=True, slots=True)
class ClauseText:
    """One clause of a contract in plain language."""

    clause: str
    zh: VisibleText
    en: VisibleText


@dataclass(frozen=True, slots=True)
class ClauseChange:
    """One clause in which two versions differ. ``widens``: whether the new clause by itself allows more (True) or less
    (False); None if that cannot be decided."""

    clause: str
    zh: VisibleText
    en: VisibleText
    widens: bool | None

    @property
    def effect(self) -> BilingualText:
        """``widens`` in words."""
        return {True: ("放宽", "wider"), False: ("收紧", "narrower"), None: ("不同", "different")}[self.widens]


def render_clauses(contract: Contract) -> list[ClauseText]:
    """Every clause of the contract, in the order of the document."""
    return [ClauseText(term, *map(VisibleText, row.describe(contract))) for term, row in CLAUSES.items()]


def diff_contracts(old: Contract, new: Contract) -> list[ClauseChange]:
    """The clauses that differ; empty if and only if the two documents are equal, byte for byte."""
    before, after = _flat(old), _flat(new)
    return [_change(term, row, old, new) for term, row in CLAUSES.items() if before[term] != after[term]]


def clause_label(term: str) -> BilingualText:
    """The name of a clause in both languages."""
    return CLAUSES[term].label


def format_clauses(lines: Iterable[ClauseText | ClauseChange]) -> str:
    """Clauses or changes as text: the clause's name, then Chinese, then English, each on a line."""
    return "".join(
        f"{' '.join(clause_label(line.clause))} [{line.clause}]\n  {line.zh}\n  {line.en}\n" for line in lines
    )


def _flat(contract: Contract) -> dict[str, Any]:
    """The signed document by clauses; each ceiling and each part of the consent is a clause of its own."""
    found: dict[str, Any] = {}
    for name, value in contract.model_dump(mode="json", by_alias=True).items():
        if name in ("ceilings", "consent"):
            found |= {f"{name}.{part}": one for part, one in value.items()}
        else:
            found[name] = value
    return found


def _change(term: str, row: ClauseDefinition, old: Contract, new: Contract) -> ClauseChange:
    if row.members is not None:
        zh, en = _members(row.members(old), row.members(new))
    else:
        (was_zh, was_en), (now_zh, now_en) = row.describe(old), row.describe(new)
        zh, en = f"原为：{was_zh} 现为：{now_zh}", f"Was: {was_en} Now: {now_en}"
    return ClauseChange(term, VisibleText(zh), VisibleText(en), row.widens(old, new))


def _members(old: Sequence[tuple[str, BilingualText]], new: Sequence[tuple[str, BilingualText]]) -> BilingualText:
    """What was added to a list, removed from it, and changed in it; otherwise only the order differs."""
    before, after = dict(old), dict(new)
    zh, en = [], []
    for members, others, form in (
        (after, before, ("新增：{}。", "Added: {}.")),
        (before, after, ("删去：{}。", "Removed: {}.")),
    ):
        only = [words for key, words in members.items() if key not in others]
        if only:
            zh.append(form[0].format(join_words(only, 0)))
            en.append(form[1].format(join_words(only, 1)))
    changed = [(was, after[key]) for key, was in before.items() if after.get(key, was) != was]
    zh += [f"“{was[0]}”改为“{now[0]}”。" for was, now in changed]
    en += [f"'{was[1]}' becomes '{now[1]}'." for was, now in changed]
    if not zh:
        return "内容相同，次序或重复不同。", "The same members in another order or number."
    return "".join(zh), " ".join(en)
