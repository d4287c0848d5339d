"""Versions of the bureau's own catalogue."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class CatalogueVersionRow(Base):
    """One imported version of the catalogue; the highest is in force."""

    __tablename__ = "catalogue_versions"

    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(Hash)
    """Hash of the definitions (``lab.bureau.data.catalogue.document``)."""
    domains: Mapped[int] = mapped_column(Integer)
    items: Mapped[int] = mapped_column(Integer)
    file: Mapped[str] = mapped_column(Text)
    """Path of the kept files, relative to the home."""
    file_sha256: Mapped[str] = mapped_column(Hash)
    imported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    imported_by: Mapped[str] = mapped_column(String(200))
    """Who imported it, as they said on the bureau's machine; empty if they did not."""
    reason: Mapped[str] = mapped_column(Text)
