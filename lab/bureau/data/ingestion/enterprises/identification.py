"""The unified code of each row's enterprise, or the reason why there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from lab.bureau.data.ingestion.enterprises.legacy_codes import LegacyCodes
from lab.bureau.data.ingestion.enterprises.legacy_forms import compact_codes, legacy_kind
from lab.bureau.data.ingestion.mapping.document import CodeKind
from lab.bureau.data.ingestion.reasons import SetAsideReason
from lab.terms.identifiers import IdentifierNote, RejectionReason, normalise_identifiers
from lab.terms.names import IdKind

_PLAIN_UNIFIED: Final = r"^[0-9A-Z]{18}$"


@dataclass(frozen=True, slots=True)
class IdentifiedEnterprises:
    """``codes``: unified codes, null where there is none; ``reasons``: why not; both String [rows].

    ``unmapped``: legacy codes that the table lacks, each once. ``mapped``: rows whose legacy code it has. ``notes``:
    how many codes are odd, and how.
    """

    codes: pl.Series
    reasons: pl.Series
    unmapped: pl.Series
    mapped: int = 0
    notes: Mapping[IdentifierNote, int] = field(default_factory=dict)


def identify_enterprises(cells: pl.Series, kind: CodeKind, legacy: LegacyCodes) -> IdentifiedEnterprises:
    """Identify the enterprise of each row from its cell, [rows]; ``legacy``: the table of legacy codes."""
    distinct = cells.unique(maintain_order=True)
    if kind in ("uscc", "opaque"):
        found = _without_legacy(distinct, "opaque" if kind == "opaque" else "uscc")
    elif kind == "mixed":
        found = _mixed(distinct, legacy)
    else:
        found = _legacy(compact_codes(distinct), kind, legacy)
    table = pl.DataFrame(
        {"cell": distinct, "code": found.codes, "reason": found.reasons, "mapped": _was_legacy(distinct, kind, found)}
    )
    rows = cells.to_frame("cell").join(table, on="cell", how="left", nulls_equal=True, maintain_order="left")
    return IdentifiedEnterprises(
        rows["code"].alias("enterprise"), rows["reason"], found.unmapped, int(rows["mapped"].sum()), found.notes
    )


def _was_legacy(cells: pl.Series, kind: CodeKind, found: IdentifiedEnterprises) -> pl.Series:
    """Whether the code of each cell came from the table, Boolean [cells]."""
    known = found.codes.is_not_null()
    if kind in ("uscc", "opaque"):
        return pl.zeros(cells.len(), dtype=pl.Boolean, eager=True)
    return known & _is_legacy(cells) if kind == "mixed" else known


def _is_legacy(cells: pl.Series) -> pl.Series:
    """Whether a cell has the form of a legacy code, Boolean [cells]; most cells are unified codes, and quickly told."""
    rest = (~cells.str.contains(_PLAIN_UNIFIED).fill_null(value=True)).arg_true()
    found = pl.zeros(cells.len(), dtype=pl.Boolean, eager=True)
    if not rest.len():
        return found
    return found.scatter(rest, legacy_kind(compact_codes(cells.gather(rest))).is_not_null())


def _without_legacy(cells: pl.Series, kind: IdKind) -> IdentifiedEnterprises:
    found = normalise_identifiers(cells.to_list(), kind)
    return IdentifiedEnterprises(
        pl.Series("code", found.codes, dtype=pl.String),
        pl.Series("reason", [None if one is None else one.value for one in found.reasons], dtype=pl.String),
        pl.Series("unmapped", [], dtype=pl.String),
        notes=Counter(found.notes),
    )


def _mixed(cells: pl.Series, legacy: LegacyCodes) -> IdentifiedEnterprises:
    """Legacy codes by their form, the rest as unified codes."""
    old = _is_legacy(cells)
    places = old.arg_true()
    found = _without_legacy(cells.set(old, None), "uscc")
    if not places.len():
        return found
    looked_up = _legacy(compact_codes(cells.gather(places)), None, legacy)
    return IdentifiedEnterprises(
        found.codes.scatter(places, looked_up.codes),
        found.reasons.scatter(places, looked_up.reasons),
        looked_up.unmapped,
        notes=found.notes,
    )


def _legacy(compact: pl.Series, kind: CodeKind | None, legacy: LegacyCodes) -> IdentifiedEnterprises:
    """Compact legacy codes of one kind (None: of either) looked up in the table."""
    forms = legacy_kind(compact)
    right = (forms.is_not_null() if kind is None else forms == kind).fill_null(value=False)
    codes = legacy.look_up(compact.set(~right, None))
    unmapped = right & codes.is_null()
    reasons = pl.Series("reason", [None], dtype=pl.String).new_from_index(0, compact.len())
    reasons = reasons.set(compact.is_null(), RejectionReason.EMPTY.value)
    reasons = reasons.set(compact.is_not_null() & ~right, SetAsideReason.LEGACY_FORM.value)
    reasons = reasons.set(unmapped, SetAsideReason.UNMAPPED.value)
    return IdentifiedEnterprises(codes, reasons, compact.filter(unmapped).unique().sort())
