"""Computed feature tables, and what a register version that was published from one comes from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKeyConstraint, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class FeatureTableRow(Base):
    """One computed feature table: the hash of what it was computed from, and of its file."""

    __tablename__ = "feature_tables"

    inputs_sha256: Mapped[str] = mapped_column(Hash, primary_key=True)
    """Of manifest, catalogue, features, day and left-out records; it names the file ``features/SHA256.parquet``."""
    day: Mapped[str] = mapped_column(String(10))
    manifest_sha256: Mapped[str] = mapped_column(Hash)
    catalogue_sha256: Mapped[str] = mapped_column(Hash)
    features_sha256: Mapped[str] = mapped_column(Hash)
    left_out_sha256: Mapped[str] = mapped_column(Hash)
    left_out: Mapped[int] = mapped_column(Integer)
    """How many records were left out because they no longer count."""
    features: Mapped[int] = mapped_column(Integer)
    rows: Mapped[int] = mapped_column(Integer)
    unregistered: Mapped[str] = mapped_column(Text)
    """JSON object: domain -> records of enterprises that are not registered."""
    sha256: Mapped[str] = mapped_column(Hash)
    computed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RegisterOriginRow(Base):
    """What a register version that was published from features comes from."""

    __tablename__ = "register_origins"
    __table_args__ = (ForeignKeyConstraint(["register", "version"], ["registers.name", "registers.version"]),)

    register: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    day: Mapped[str] = mapped_column(String(10))
    manifest_sha256: Mapped[str] = mapped_column(Hash)
    catalogue_sha256: Mapped[str] = mapped_column(Hash)
    features_sha256: Mapped[str] = mapped_column(Hash)
    left_out_sha256: Mapped[str] = mapped_column(Hash)
    inputs_sha256: Mapped[str] = mapped_column(Hash)
    repair_rules_sha256: Mapped[str | None] = mapped_column(Hash)
    """By which records counted; as in force on the day."""
    quality_rules_sha256: Mapped[str | None] = mapped_column(Hash)
    """By which their quality allowed publication."""
    lineage: Mapped[str] = mapped_column(Text)
    """JSON list: for each column its direction, its items, and for each domain the department and the newest day."""
