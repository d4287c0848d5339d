"""Consents, by pseudonym."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class ConsentRow(Base):
    """An enterprise (by pseudonym) lets a bank use its records for a purpose, for a time."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "bank_id", "purpose"),)

    id: Mapped[str] = mapped_column(Hash, primary_key=True)
    """Hash of the consent's canonical form, so that the same file imported again adds nothing."""
    enterprise: Mapped[str] = mapped_column(String(32), index=True)
    bank_id: Mapped[str] = mapped_column(ForeignKey("banks.id"))
    purpose: Mapped[str] = mapped_column(String(64))
    starts: Mapped[datetime] = mapped_column(UtcDateTime)
    expires: Mapped[datetime] = mapped_column(UtcDateTime)
    evidence: Mapped[str] = mapped_column(Text)
    """JSON: where the authorisation is kept (``reference``), or the hash of a key and its signature, and the import
    whose file in the home has the two: with them here, anybody could try codes until the signature fits."""
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ConsentChangeCounterRow(Base):
    """Counts changes, so that a cached result is known to be stale."""

    __tablename__ = "consent_changes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    changes: Mapped[int] = mapped_column(Integer)
    expiries_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Up to when consents that ran out are in the ledger."""


class PseudonymKeyCountRow(Base):
    """The number of pseudonym keys, one over another, in use in this database."""

    __tablename__ = "pseudonyms"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    keys: Mapped[int] = mapped_column(Integer)
