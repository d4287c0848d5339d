"""Assessments of the quality of the records."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class QualityAssessmentRow(Base):
    """One assessment: what it depends on, and its outcome in figures. The document is a file."""

    __tablename__ = "quality_assessments"
    __table_args__ = (
        UniqueConstraint("manifest", "catalogue", "rules", "day", "baseline"),
        CheckConstraint("verdict IN ('pass', 'warn', 'block')", name="verdict"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    manifest: Mapped[str] = mapped_column(Hash)
    catalogue: Mapped[str] = mapped_column(Hash)
    rules: Mapped[str] = mapped_column(Hash)
    day: Mapped[str] = mapped_column(String(10))
    """ISO; for which day deliveries were judged."""
    baseline: Mapped[str] = mapped_column(String(10))
    """ISO; empty without a comparison."""
    sha256: Mapped[str] = mapped_column(Hash)
    """Hash of the document."""
    file: Mapped[str] = mapped_column(Text)
    """Path of the document, relative to the home."""
    file_sha256: Mapped[str] = mapped_column(Hash)
    records: Mapped[int] = mapped_column(BigInteger)
    score: Mapped[int | None] = mapped_column(Integer)
    """In hundredths, 0 to 10,000; null without a record."""
    verdict: Mapped[str] = mapped_column(String(8))
    checks: Mapped[int] = mapped_column(Integer)
    warnings: Mapped[int] = mapped_column(Integer)
    blocks: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    """Checks that did not run; they block as well."""
    assessed_at: Mapped[datetime] = mapped_column(UtcDateTime)
