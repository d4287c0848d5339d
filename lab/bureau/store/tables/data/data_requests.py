"""Requests for data: what an organisation asked for, and what became of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class DataRequestRow(Base):
    """One request for data. ``organisation`` is the department of the account that asked."""

    __tablename__ = "data_requests"
    __table_args__ = (
        CheckConstraint(
            "state IN ('asked', 'granted', 'partly-granted', 'refused', 'withdrawn', 'contracted')", name="state"
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    organisation: Mapped[str] = mapped_column(String(100), index=True)
    asked_by: Mapped[str] = mapped_column(String(64))
    purpose: Mapped[str] = mapped_column(Text)
    """The sentence of the one who asks."""
    options: Mapped[str] = mapped_column(Text)
    """JSON: what the organisation would like a contract to say (``DraftOptions``)."""
    state: Mapped[str] = mapped_column(String(16), index=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_by: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(Text)
    """Why the steward answered so, or why it was withdrawn."""
    catalogue_sha256: Mapped[str | None] = mapped_column(Hash)
    """The catalogue by which it was answered."""
    contract_id: Mapped[str | None] = mapped_column(ForeignKey("contracts.id"), unique=True)


class DataRequestItemRow(Base):
    """One item of a request, in the order asked, with what the steward answered about it."""

    __tablename__ = "data_request_items"
    __table_args__ = (CheckConstraint("fate IN ('asked', 'granted', 'refused')", name="fate"),)

    request_id: Mapped[str] = mapped_column(ForeignKey("data_requests.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(100), primary_key=True)
    place: Mapped[int] = mapped_column(Integer)
    fate: Mapped[str] = mapped_column(String(16))
    sharing: Mapped[str | None] = mapped_column(String(16))
    forms: Mapped[str | None] = mapped_column(Text)
    """Release forms at the time of the answer, separated by spaces."""
    quality: Mapped[str | None] = mapped_column(String(16))
    """The quality score of its domain at the time of the answer, as decimal text."""
