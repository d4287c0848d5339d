"""Imported registers, their items, and models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class RegisterRow(Base):
    """One imported, immutable version of a register."""

    __tablename__ = "registers"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    id_column: Mapped[str] = mapped_column(Text)
    id_kind: Mapped[str] = mapped_column(String(16))
    rows: Mapped[int] = mapped_column(Integer)
    set_aside: Mapped[int] = mapped_column(Integer)
    columns: Mapped[str] = mapped_column(Text)
    """JSON list of the column names, the identifier's not among them."""
    file: Mapped[str] = mapped_column(Text)
    """Path of the Parquet snapshot, relative to the home."""
    sha256: Mapped[str] = mapped_column(Hash)
    """Hash of the Parquet snapshot."""
    source_sha256: Mapped[str] = mapped_column(Hash)
    """Hash of the file it was imported from."""
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    columns_sha256: Mapped[str | None] = mapped_column(Hash)
    """Hash of the file that says how the columns were read; null for a version imported before there was one."""


class CatalogueItemRow(Base):
    """What one column of a register version is called, and where it belongs."""

    __tablename__ = "items"
    __table_args__ = (
        ForeignKeyConstraint(["register", "version"], ["registers.name", "registers.version"]),
        UniqueConstraint("register", "version", "code"),
    )

    register: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    column: Mapped[str] = mapped_column(Text, primary_key=True)
    code: Mapped[str] = mapped_column(String(100))
    zh: Mapped[str] = mapped_column(Text)
    en: Mapped[str] = mapped_column(Text)
    dimension: Mapped[str] = mapped_column(String(64))
    domain: Mapped[str] = mapped_column(String(64))
    grade: Mapped[str] = mapped_column(String(64))
    described: Mapped[bool] = mapped_column()
    """False if the column has no description, and the item was made automatically."""


class DriftCheckRow(Base):
    """What was found when a register version was compared with a model, or with the version before it."""

    __tablename__ = "drift_checks"
    __table_args__ = (ForeignKeyConstraint(["register", "register_version"], ["registers.name", "registers.version"]),)

    register: Mapped[str] = mapped_column(String(64), primary_key=True)
    register_version: Mapped[int] = mapped_column(Integer, primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Empty for the comparison with the previous version."""
    model_version: Mapped[int] = mapped_column(Integer, primary_key=True)
    level: Mapped[str] = mapped_column(String(16))
    """``stable``, ``watch`` or ``stop``."""
    accepted: Mapped[bool] = mapped_column()
    """Whether a person accepted what would stop it."""
    findings: Mapped[str] = mapped_column(Text)
    """JSON list: column, level, what changed in both languages, item."""


class ModelRow(Base):
    """One version of a model, its file and its sheets for banks."""

    __tablename__ = "models"
    __table_args__ = (
        UniqueConstraint("name", "version"),
        CheckConstraint("state IN ('trained', 'published')", name="state"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    register: Mapped[str] = mapped_column(String(64))
    file: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Hash)
    state: Mapped[str] = mapped_column(String(16))
    sheets: Mapped[str] = mapped_column(Text)
    """JSON object: detail -> hash of the sheet; empty until published."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
