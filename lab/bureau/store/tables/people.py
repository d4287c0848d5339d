"""Accounts and sign-ins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class AccountRow(Base):
    """A person at the bureau. The password is an Argon2id hash, or None: signs in elsewhere."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        CheckConstraint("state IN ('active', 'disabled')", name="state"),
    )

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    shown_name: Mapped[str] = mapped_column(String(200))
    department: Mapped[str] = mapped_column(String(100))
    roles: Mapped[str] = mapped_column(Text)
    """JSON list."""
    password: Mapped[str | None] = mapped_column(Text)
    must_change: Mapped[bool] = mapped_column()
    failures: Mapped[int] = mapped_column(Integer)
    """Consecutive refused attempts; those while it was locked count too."""
    locks: Mapped[int] = mapped_column(Integer)
    """Locks since the last success: the next one lasts twice as long."""
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    issuer: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    """The person at the OpenID provider ``issuer``."""
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInRow(Base):
    """A session of a person, known here by the hashes of its tokens."""

    __tablename__ = "sign_ins"

    token: Mapped[str] = mapped_column(Hash, primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), index=True)
    csrf: Mapped[str] = mapped_column(Hash)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
