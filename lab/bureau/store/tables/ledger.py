"""Entries, their number, and signed tree heads."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class LedgerEntryRow(Base):
    """One entry, a leaf of the Merkle tree; a trigger refuses to change or delete it."""

    __tablename__ = "ledger_entries"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    time: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    contract_id: Mapped[str | None] = mapped_column(String(64), index=True)
    body: Mapped[str] = mapped_column(Text)
    """RFC 8785 JSON of the whole entry, the bytes of the leaf."""
    leaf: Mapped[str] = mapped_column(Hash)
    """The leaf's hash (RFC 9162, section 2.1.1)."""
    signature: Mapped[str] = mapped_column(String(128))
    """The bureau's signature of the entry, so that an auditor finds which entry was altered."""


class LedgerSizeRow(Base):
    """The number of entries; its row lock serialises writers, so that numbers have no gaps."""

    __tablename__ = "ledger_size"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(Integer)


class TreeHeadRow(Base):
    """A signed tree head (RFC 9162, section 4.10): size, root, time, the bureau's signature."""

    __tablename__ = "tree_heads"

    size: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    root: Mapped[str] = mapped_column(Hash)
    time: Mapped[datetime] = mapped_column(UtcDateTime)
    signature: Mapped[str] = mapped_column(String(128))


class EntryTallyRow(Base):
    """How often something happened that others can cause at will, beyond the entries of its own."""

    __tablename__ = "ledger_tallies"

    key: Mapped[str] = mapped_column(Hash, primary_key=True)
    """Hash of kind, contract, actor and ``about``."""
    kind: Mapped[str] = mapped_column(String(64))
    contract_id: Mapped[str | None] = mapped_column(String(64), index=True)
    by: Mapped[str] = mapped_column(String(120))
    about: Mapped[str] = mapped_column(Text)
    """JSON: the facts that all of them share."""
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    """When the window began."""
    written: Mapped[int] = mapped_column(Integer)
    """Entries of their own within the window."""
    counted: Mapped[int] = mapped_column(Integer)
    """Those only counted; the window's last entry has their number."""
    last: Mapped[datetime] = mapped_column(UtcDateTime)


class CosignatureRow(Base):
    """A witness's cosignature of a tree head, as the line of a note that it gave."""

    __tablename__ = "cosignatures"

    size: Mapped[int] = mapped_column(ForeignKey("tree_heads.size"), primary_key=True, autoincrement=False)
    public_key: Mapped[str] = mapped_column(Hash, primary_key=True)
    """The witness's, 64 hexadecimal digits."""
    name: Mapped[str] = mapped_column(String(255))
    line: Mapped[str] = mapped_column(Text)
    time: Mapped[datetime] = mapped_column(UtcDateTime)
