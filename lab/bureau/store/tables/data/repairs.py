"""Credit repair: the rules in force, and the cases of repair and objection."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class RepairRulesRow(Base):
    """One imported file of repair rules or of holidays; the newest of a kind is in force."""

    __tablename__ = "repair_rules"
    __table_args__ = (CheckConstraint("kind IN ('rules', 'holidays')", name="kind"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    sha256: Mapped[str] = mapped_column(Hash)
    """Of the file's bytes, UTF-8."""
    content: Mapped[str] = mapped_column(Text)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    imported_by: Mapped[str] = mapped_column(String(200))


class RepairCaseRow(Base):
    """One case about an adverse record: a request for its repair, or an objection to it.

    The record is named by its hash; who it is about, and what it says, is in no column.
    """

    __tablename__ = "repair_cases"
    __table_args__ = (
        CheckConstraint("kind IN ('repair', 'objection')", name="kind"),
        CheckConstraint("state IN ('open', 'granted', 'refused', 'upheld', 'rejected')", name="state"),
        Index(None, "domain", "record"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    domain: Mapped[str] = mapped_column(String(64))
    record: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16), index=True)
    open_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Kind and record while the case is open, then null: one open case of a kind for a record."""
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    opened_on: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date)
    """The last of the legal working days."""
    due_certain: Mapped[bool] = mapped_column(Boolean)
    """False if the holidays of a year of the term were not known."""
    opened_by: Mapped[str] = mapped_column(String(200))
    evidence: Mapped[str] = mapped_column(Text)
    """Where the papers are kept; no code."""
    grounds: Mapped[str] = mapped_column(Text)
    """What is asked, in a sentence; no code."""
    rules_sha256: Mapped[str] = mapped_column(Hash)
    """The rules that the case was opened by."""
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_on: Mapped[date | None] = mapped_column(Date)
    decided_by: Mapped[str | None] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(Text)


class SupersededVersionRow(Base):
    """A version of a register that counted a record which a case then kept from counting."""

    __tablename__ = "superseded_versions"

    case_id: Mapped[str] = mapped_column(ForeignKey("repair_cases.id"), primary_key=True)
    register: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
