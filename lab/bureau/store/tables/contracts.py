"""Banks and their keys, contracts, their versions and approvals."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class BankRow(Base):
    """A registered bank; its id stays while its keys change."""

    __tablename__ = "banks"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)


class BankKeyRow(Base):
    """An Ed25519 key of a bank. Only an active key's requests are accepted."""

    __tablename__ = "bank_keys"
    __table_args__ = (CheckConstraint("state IN ('active', 'succeeded', 'revoked')", name="state"),)

    public_key: Mapped[str] = mapped_column(Hash, primary_key=True)
    bank_id: Mapped[str] = mapped_column(ForeignKey("banks.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    successor: Mapped[str | None] = mapped_column(Hash)
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ContractRow(Base):
    """A contract by id; its versions contain the documents. Locking this row serialises its charges."""

    __tablename__ = "contracts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    bank_id: Mapped[str] = mapped_column(ForeignKey("banks.id"), index=True)
    in_force: Mapped[int | None] = mapped_column(Integer)
    """The version that became active last, whatever became of it; None until one does."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ContractVersionRow(Base):
    """One version: the document, its signatures and its state."""

    __tablename__ = "contract_versions"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'submitted', 'under-review', 'approved', 'active', 'suspended', 'rejected', "
            "'revoked', 'expired', 'retired')",
            name="state",
        ),
    )

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    document: Mapped[str] = mapped_column(Text)
    """RFC 8785 JSON, the very bytes that are signed."""
    sha256: Mapped[str] = mapped_column(Hash)
    state: Mapped[str] = mapped_column(String(16))
    officers_needed: Mapped[int] = mapped_column(Integer)
    """How many officers must approve: two, of different departments, above a set grade of items."""
    drafted_by: Mapped[str] = mapped_column(String(64))
    reviewer: Mapped[str | None] = mapped_column(String(64))
    """The officer who took it into review last."""
    bureau_signature: Mapped[str | None] = mapped_column(String(128))
    bank_signature: Mapped[str | None] = mapped_column(String(128))
    drafted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    approved_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ApprovalRow(Base):
    """An officer's approval of a version; enough of them approve it."""

    __tablename__ = "approvals"
    __table_args__ = (
        ForeignKeyConstraint(
            ["contract_id", "version"], ["contract_versions.contract_id", "contract_versions.version"]
        ),
    )

    contract_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    department: Mapped[str] = mapped_column(String(100))
    approved_at: Mapped[datetime] = mapped_column(UtcDateTime)
