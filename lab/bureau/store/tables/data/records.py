"""The head of the enterprises' records: which manifest counts. The records themselves are files."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class RecordHeadRow(Base):
    """The manifest that counts: one row, changed together with the ledger entry that names the same manifest."""

    __tablename__ = "record_heads"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    manifest_sha256: Mapped[str] = mapped_column(Hash)
    segments: Mapped[int] = mapped_column(Integer)
    known_on: Mapped[str] = mapped_column(String(10))
    """The day on which the newest segment became known, as ISO text."""
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
