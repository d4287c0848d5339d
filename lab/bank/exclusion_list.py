"""The list of enterprises that must not be scored (``lab bank score --skip``), compared with the portfolio.

A list that can't be applied stops the job before anything is sent: the firms that it means would be scored.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from lab.bank.portfolio import Portfolio
from lab.tables.code_list import read_code_list
from lab.terms.errors import InvalidInput
from lab.terms.names import IdKind


@dataclass(frozen=True, slots=True)
class ExclusionList:
    """``codes``: normalised. ``absent``: how many of them the portfolio does not have. ``warnings``: for the user."""

    codes: frozenset[str] = frozenset()
    absent: int = 0
    warnings: tuple[str, ...] = ()


def read_exclusion_list(path: Path | None, *, kind: IdKind, portfolio: Portfolio) -> ExclusionList:
    """Read the list of enterprises that are not to be scored; without a ``path``, nobody is.

    Raises what ``read_code_list`` raises, and ``InvalidInput`` if none of its codes is in the portfolio, or if one is
    there but for zeros in front, case or marks: it probably means that enterprise.
    """
    if path is None:
        return ExclusionList()
    present = frozenset(portfolio.codes)
    found = read_code_list(path, kind, column=portfolio.id_column, known=present)
    codes, warnings = frozenset(found.codes), list(found.warnings)
    absent = len(codes - present)
    if codes and present and absent == len(codes):
        raise InvalidInput(
            f"Expected enterprises of the portfolio in the list {found.name}; found none: {absent:,} codes, and "
            f"{portfolio.name} has none of them.",
            next_step="check that the list writes codes as the portfolio does, or leave out --skip",
        )
    _require_no_near_miss(codes - present, present, found.name)
    if absent:
        warnings.append(
            f"{found.name}: {absent:,} of the list's {len(codes):,} codes are not in the portfolio · "
            f"名单的 {len(codes):,} 个代码中有 {absent:,} 个不在企业清单中"
        )
    return ExclusionList(codes, absent, tuple(warnings))


def _require_no_near_miss(absent: frozenset[str], present: frozenset[str], name: str) -> None:
    """Raise ``InvalidInput`` if an absent code differs from one of the portfolio by zeros, case or marks alone."""
    if not absent:
        return
    known = {_bare(code) for code in present}
    near = sum(_bare(code) in known for code in absent)
    if near:
        raise InvalidInput(
            f"Expected codes written as in the portfolio in the list {name}; found {near:,} that differ from one there "
            "by zeros in front, case or marks alone.",
            next_step="write these codes as the portfolio does (as text, so that a spreadsheet keeps their zeros)",
        )


def _bare(code: str) -> str:
    """Letters and digits of a code, without zeros in front, whatever its case."""
    kept = "".join(char for char in unicodedata.normalize("NFKC", code) if char.isalnum()).casefold()
    return kept.lstrip("0") or kept
