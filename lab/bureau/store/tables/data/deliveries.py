"""Deliveries of departments, and the tables of legacy codes."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Date, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class DeliveryRow(Base):
    """One file that was read as records of one domain, and what became of its rows. No row's content is here."""

    __tablename__ = "deliveries"
    __table_args__ = (
        CheckConstraint("operation IN ('add', 'correct', 'delete')", name="operation"),
        Index(None, "source_sha256"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    domain: Mapped[str] = mapped_column(String(64))
    operation: Mapped[str] = mapped_column(String(8))
    source: Mapped[str] = mapped_column(Text)
    """The file's name, or a database's table."""
    source_sha256: Mapped[str] = mapped_column(Hash)
    mapping_sha256: Mapped[str] = mapped_column(Hash)
    catalogue_sha256: Mapped[str] = mapped_column(Hash)
    legacy_sha256: Mapped[str] = mapped_column(Hash)
    """Of the table of legacy codes that it was read with; empty for none."""
    received: Mapped[date] = mapped_column(Date)
    rows: Mapped[int] = mapped_column(Integer)
    stored: Mapped[int] = mapped_column(Integer)
    unchanged: Mapped[int] = mapped_column(Integer)
    repeated: Mapped[int] = mapped_column(Integer)
    set_aside: Mapped[int] = mapped_column(Integer)
    reasons: Mapped[str] = mapped_column(Text)
    """JSON object: why rows were set aside, and how many."""
    why: Mapped[str] = mapped_column(Text)
    """The stated reason of a correction or deletion; empty for a regular delivery."""
    actor: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class LegacyCodeTableRow(Base):
    """One state of the table of legacy codes; the newest counts. The codes themselves are in a file."""

    __tablename__ = "legacy_code_tables"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    sha256: Mapped[str] = mapped_column(Hash)
    codes: Mapped[int] = mapped_column(Integer)
    source_sha256: Mapped[str] = mapped_column(Hash)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
