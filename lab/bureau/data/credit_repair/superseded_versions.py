"""Versions of registers that counted an adverse record which was put right since: found when a case is decided."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from lab.bureau.store.tables import SupersededVersionRow


def superseded_versions(session: Session, register: str) -> tuple[int, ...]:
    """The versions of a register that counted a record which a case keeps from counting now, ascending."""
    row = SupersededVersionRow
    return tuple(session.scalars(select(row.version).where(row.register == register).distinct().order_by(row.version)))
