"""Tables of the exchange: jobs, charges, requests and replies; nonces and key epochs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from lab.bureau.store.tables.base import Base, Hash, UtcDateTime


class JobRow(Base):
    """One job of a bank: its recipient, model and key epoch."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'stopped', 'ended')", name="state"),
        CheckConstraint("rows_used >= 0", name="rows_used"),
    )

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Chosen by the bank, so that opening a job again is the same job."""
    version: Mapped[int] = mapped_column(Integer)
    """The contract's version that was in force when the job was opened."""
    recipient: Mapped[str] = mapped_column(String(200))
    model: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[int] = mapped_column(Integer)
    epoch: Mapped[int] = mapped_column(Integer)
    rows: Mapped[int] = mapped_column(Integer)
    """Enterprises announced."""
    rows_used: Mapped[int] = mapped_column(Integer)
    """Enterprises scored so far."""
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ContextRow(Base):
    """A bank's public homomorphic context, stored in a file named by its hash."""

    __tablename__ = "contexts"

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(Hash, primary_key=True)
    file: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)
    rules: Mapped[int] = mapped_column(Integer)
    """The rules by which it was checked (``protocols.scoring.bureau.CONTEXT_RULES_VERSION``); with earlier rules it
    counts as not stored.
    """
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UsageRow(Base):
    """What a contract has used of one ceiling."""

    __tablename__ = "usage"
    __table_args__ = (CheckConstraint("used >= 0", name="used"),)

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    counter: Mapped[str] = mapped_column(String(32), primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger)


class InquiryRow(Base):
    """One score of an enterprise (by pseudonym) in a batch, which the enterprise may ask about."""

    __tablename__ = "inquiries"
    __table_args__ = (Index(None, "contract_id", "enterprise", "at"),)

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    batch: Mapped[str] = mapped_column(Hash, primary_key=True)
    """SHA-256 of the batch."""
    enterprise: Mapped[str] = mapped_column(String(32), primary_key=True, index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class InquiryReadRow(Base):
    """The enterprise (by pseudonym) whose inquiries were read, by ledger entry: an entry could not be renamed."""

    __tablename__ = "inquiry_reads"

    entry_seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    enterprise: Mapped[str] = mapped_column(String(32), primary_key=True, index=True)


class MatchRequestRow(Base):
    """A matching request that was charged; the same bytes again are answered at no charge.

    Once it was answered, its charge is never refunded, whatever happens to a parallel request with the same bytes.
    """

    __tablename__ = "matches"

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    request_sha256: Mapped[str] = mapped_column(Hash, primary_key=True)
    job_id: Mapped[str] = mapped_column(String(64))
    """The job under which it was charged."""
    counting: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    identifiers: Mapped[int] = mapped_column(Integer)
    charged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class MatchResponseRow(Base):
    """The ledger entry of the response to a matching request in a job; the same bytes again have the same response, and
    a receipt for the same entry."""

    __tablename__ = "match_answers"

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    request_sha256: Mapped[str] = mapped_column(Hash, primary_key=True)
    counting: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    response_sha256: Mapped[str] = mapped_column(Hash)
    entry: Mapped[int] = mapped_column(BigInteger)


class BatchRow(Base):
    """A scoring batch in a job, charged once and answered with the same reply for ever.

    Its bytes are sent in one job. A later job may have them evaluated again, by another register or model version.
    """

    __tablename__ = "batches"
    __table_args__ = (
        ForeignKeyConstraint(["contract_id", "job_id"], ["jobs.contract_id", "jobs.id"]),
        CheckConstraint("state IN ('charged', 'answered', 'returned')", name="state"),
    )

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    sha256: Mapped[str] = mapped_column(Hash, primary_key=True, index=True)
    sent_in: Mapped[str | None] = mapped_column(String(64))
    """The job that its bytes were sent in, if not this one: they are only in that job's file."""
    rows: Mapped[int] = mapped_column(Integer)
    """The enterprises that are charged: all of the batch, or when it is named again those that are left."""
    register_version: Mapped[int] = mapped_column(Integer)
    spent: Mapped[float] = mapped_column(Double)
    """The share that its replies use of what a model's replies to a bank may reveal
    (``ParameterSet.leakage_share``)."""
    state: Mapped[str] = mapped_column(String(16), index=True)
    file: Mapped[str | None] = mapped_column(Text)
    """The batch itself, from its charge to the end of the contract's retention."""
    failure: Mapped[str | None] = mapped_column(Text)
    """Why its charge was refunded, as ``ShulabError.as_dict``; JSON."""
    reply_file: Mapped[str | None] = mapped_column(Text)
    reply_sha256: Mapped[str | None] = mapped_column(Hash)
    entry_seq: Mapped[int | None] = mapped_column(Integer)
    charged_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CiphertextSeedRow(Base):
    """The seed of a ciphertext that a bank sent: a fresh one never comes again in another batch,
    under whatever contract of the bank."""

    __tablename__ = "seeds"

    bank_id: Mapped[str] = mapped_column(ForeignKey("banks.id"), primary_key=True)
    seed: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    batch: Mapped[str] = mapped_column(Hash)
    """The one batch that it came in, by its SHA-256."""


class EpochRow(Base):
    """An epoch of the matching keys."""

    __tablename__ = "epochs"
    __table_args__ = (CheckConstraint("state IN ('preparing', 'current', 'closing', 'destroyed')", name="state"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(16))
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class NonceRow(Base):
    """Nonces of signed requests, stored as long as a request of that age is accepted."""

    __tablename__ = "nonces"

    key: Mapped[str] = mapped_column(Hash, primary_key=True)
    nonce: Mapped[str] = mapped_column(String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
