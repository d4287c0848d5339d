"""A contract in plain Chinese and English, and what two versions of it differ in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab.terms.contract.clauses import CLAUSES, BilingualText, ClauseDefinition, join_words
from lab.terms.contract.document import Contract
from lab.terms.text.escaping import VisibleText


@dataclass(frozen=True, slots=True)
class ClauseText:
    """One term of a contract, said to a person who is no programmer."""

    clause: str
    zh: VisibleText
    en: VisibleText


@dataclass(frozen=True, slots=True)
class ClauseChange:
    """One term that two versions differ in. ``widens``: the new one alone allows more (True), less (False), or it
    can't be said (None)."""

    clause: str
    zh: VisibleText
    en: VisibleText
    widens: bool | None

    @property
    def effect(self) -> BilingualText:
        """``widens`` in words."""
        return {True: ("放宽", "wider"), False: ("收紧", "narrower"), None: ("不同", "different")}[self.widens]


def render_clauses(contract: Contract) -> list[ClauseText]:
    """Every term of the contract, in the order of the document."""
    return [ClauseText(term, *map(VisibleText, row.describe(contract))) for term, row in CLAUSES.items()]


def diff_contracts(old: Contract, new: Contract) -> list[ClauseChange]:
    """The terms that differ; empty if and only if the two documents are the same, byte for byte."""
    before, after = _flat(old), _flat(new)
    return [_change(term, row, old, new) for term, row in CLAUSES.items() if before[term] != after[term]]


def clause_label(term: str) -> BilingualText:
    """What a term is called."""
    return CLAUSES[term].label


def format_clauses(lines: Iterable[ClauseText | ClauseChange]) -> str:
    """Clauses or changes as text: the term, then Chinese, then English, each on a line."""
    return "".join(
        f"{' '.join(clause_label(line.clause))} [{line.clause}]\n  {line.zh}\n  {line.en}\n" for line in lines
    )


def _flat(contract: Contract) -> dict[str, Any]:
    """The document by terms, as it is signed; a ceiling or part of the consent is a term of its own."""
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
    """What was added to a list, what was taken away, what is said otherwise; else only its order is another."""
    before, after = dict(old), dict(new)
    added = [after[key] for key in after if key not in before]
    gone = [before[key] for key in before if key not in after]
    other = [(before[key], after[key]) for key in before if key in after and before[key] != after[key]]
    zh = [f"新增：{join_words(added, 0)}。"] * bool(added) + [f"删去：{join_words(gone, 0)}。"] * bool(gone)
    en = [f"Added: {join_words(added, 1)}."] * bool(added) + [f"Taken away: {join_words(gone, 1)}."] * bool(gone)
    zh += [f"“{was[0]}”改为“{now[0]}”。" for was, now in other]
    en += [f"'{was[1]}' becomes '{now[1]}'." for was, now in other]
    if not zh:
        return "内容相同，次序或重复不同。", "The same members in another order or number."
    return "".join(zh), " ".join(en)
