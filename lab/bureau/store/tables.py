"""The tables. Each class says which room owns it; only that room writes it.

Hashes are lower-case hexadecimal SHA-256, times are UTC, documents are JSON text. No table holds a row of a bank or a
public feature value: registers lie in Parquet files and tables know their hashes.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Moment(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps no time zone, so it is put off on the way in and on again on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times in the store must be aware")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Root of the tables; constraint names are fixed so that both databases and the migrations agree on them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


_Hash = String(64)


class RegisterRow(Base):
    """Room ``register``: one imported, immutable version of a register."""

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
    sha256: Mapped[str] = mapped_column(_Hash)
    """Hash of the Parquet snapshot."""
    source_sha256: Mapped[str] = mapped_column(_Hash)
    """Hash of the file it was imported from."""
    imported_at: Mapped[datetime] = mapped_column(Moment)


class ItemRow(Base):
    """Room ``catalogue``: what one column of a register version is called, and where it belongs."""

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
    """False when nobody described the column and the item was made automatically."""


class ModelRow(Base):
    """Room ``shelf`` (models): one version of a model, its file and the sheets that banks may be given."""

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
    sha256: Mapped[str] = mapped_column(_Hash)
    state: Mapped[str] = mapped_column(String(16))
    sheets: Mapped[str] = mapped_column(Text)
    """JSON object: detail -> hash of the sheet; empty until published."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    published_at: Mapped[datetime | None] = mapped_column(Moment)


class BankRow(Base):
    """Room ``contracts``: a bank that the bureau knows, by an id that its keys may change under."""

    __tablename__ = "banks"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    registered_at: Mapped[datetime] = mapped_column(Moment)


class BankKeyRow(Base):
    """Room ``contracts``: an Ed25519 key of a bank. Only an active key's requests are accepted."""

    __tablename__ = "bank_keys"
    __table_args__ = (CheckConstraint("state IN ('active', 'succeeded', 'revoked')", name="state"),)

    public_key: Mapped[str] = mapped_column(_Hash, primary_key=True)
    bank_id: Mapped[str] = mapped_column(ForeignKey("banks.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    successor: Mapped[str | None] = mapped_column(_Hash)
    added_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class ContractRow(Base):
    """Room ``contracts``: a contract by id; its versions hold the documents. Locking this row orders its charges."""

    __tablename__ = "contracts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    bank_id: Mapped[str] = mapped_column(ForeignKey("banks.id"), index=True)
    in_force: Mapped[int | None] = mapped_column(Integer)
    """The version that became active last, whatever became of it; None until one does."""
    created_at: Mapped[datetime] = mapped_column(Moment)


class ContractVersionRow(Base):
    """Room ``contracts``: one version: the document, its signatures and its state here."""

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
    sha256: Mapped[str] = mapped_column(_Hash)
    state: Mapped[str] = mapped_column(String(16))
    officers_needed: Mapped[int] = mapped_column(Integer)
    """How many officers must approve: two, of different departments, above a set grade of items."""
    drafted_by: Mapped[str] = mapped_column(String(64))
    reviewer: Mapped[str | None] = mapped_column(String(64))
    """The officer who took it into review last."""
    bureau_signature: Mapped[str | None] = mapped_column(String(128))
    bank_signature: Mapped[str | None] = mapped_column(String(128))
    drafted_at: Mapped[datetime] = mapped_column(Moment)
    signed_at: Mapped[datetime | None] = mapped_column(Moment)
    approved_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class ApprovalRow(Base):
    """Room ``contracts``: an officer's approval of a version; enough of them approve it."""

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
    approved_at: Mapped[datetime] = mapped_column(Moment)


class JobRow(Base):
    """Room ``exchange``: one job of a bank: for what, for whom, by which model, and in which key epoch."""

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
    opened_at: Mapped[datetime] = mapped_column(Moment, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class ContextRow(Base):
    """Room ``exchange``: a bank's public homomorphic context, kept in a file named by its hash."""

    __tablename__ = "contexts"

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(_Hash, primary_key=True)
    file: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)
    received_at: Mapped[datetime] = mapped_column(Moment)


class UsageRow(Base):
    """Room ``exchange``: what a contract has used of one ceiling."""

    __tablename__ = "usage"
    __table_args__ = (CheckConstraint("used >= 0", name="used"),)

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    counter: Mapped[str] = mapped_column(String(32), primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger)


class InquiryRow(Base):
    """Room ``exchange``: one enterprise (by pseudonym) was scored in a batch: what it may ask about itself."""

    __tablename__ = "inquiries"
    __table_args__ = (Index(None, "contract_id", "enterprise", "at"),)

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    batch: Mapped[str] = mapped_column(_Hash, primary_key=True)
    """SHA-256 of the batch."""
    enterprise: Mapped[str] = mapped_column(String(32), primary_key=True, index=True)
    at: Mapped[datetime] = mapped_column(Moment)


class BatchRow(Base):
    """Room ``exchange``: a scoring batch, charged once and answered with the same reply for ever."""

    __tablename__ = "batches"
    __table_args__ = (
        ForeignKeyConstraint(["contract_id", "job_id"], ["jobs.contract_id", "jobs.id"]),
        CheckConstraint("state IN ('charged', 'answered', 'returned')", name="state"),
    )

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(_Hash, primary_key=True)
    job_id: Mapped[str] = mapped_column(String(64), index=True)
    rows: Mapped[int] = mapped_column(Integer)
    register_version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    reply_file: Mapped[str | None] = mapped_column(Text)
    reply_sha256: Mapped[str | None] = mapped_column(_Hash)
    entry_seq: Mapped[int | None] = mapped_column(Integer)
    charged_at: Mapped[datetime] = mapped_column(Moment)
    answered_at: Mapped[datetime | None] = mapped_column(Moment)


class ConsentRow(Base):
    """Room ``consents``: an enterprise (by pseudonym) lets a bank use its records for a purpose, for a time."""

    __tablename__ = "consents"
    __table_args__ = (Index(None, "bank_id", "purpose"),)

    id: Mapped[str] = mapped_column(_Hash, primary_key=True)
    """Hash of the consent's canonical form, so that the same file imported again adds nothing."""
    enterprise: Mapped[str] = mapped_column(String(32), index=True)
    bank_id: Mapped[str] = mapped_column(ForeignKey("banks.id"))
    purpose: Mapped[str] = mapped_column(String(64))
    starts: Mapped[datetime] = mapped_column(Moment)
    expires: Mapped[datetime] = mapped_column(Moment)
    evidence: Mapped[str] = mapped_column(Text)
    """JSON: where the authorisation is kept (``reference``), or the hash of a key and its signature, and the import
    whose file in the home has the two: with them here, anybody could try codes until the signature fits."""
    imported_at: Mapped[datetime] = mapped_column(Moment)
    withdrawn_at: Mapped[datetime | None] = mapped_column(Moment)


class ConsentChangeRow(Base):
    """Room ``consents``: counts changes, so that what was worked out before is known to be stale."""

    __tablename__ = "consent_changes"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    changes: Mapped[int] = mapped_column(Integer)
    expiries_until: Mapped[datetime | None] = mapped_column(Moment)
    """Up to when consents that ran out are in the ledger."""


class EpochRow(Base):
    """Room ``keys``: an epoch of the matching keys."""

    __tablename__ = "epochs"
    __table_args__ = (CheckConstraint("state IN ('preparing', 'current', 'closing', 'destroyed')", name="state"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(String(16))
    began_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class AccountRow(Base):
    """Room ``people``: a person at the bureau. The password is an Argon2id hash, or None: signs in elsewhere."""

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
    locked_until: Mapped[datetime | None] = mapped_column(Moment)
    issuer: Mapped[str | None] = mapped_column(Text)
    subject: Mapped[str | None] = mapped_column(Text)
    """Who this is at the OpenID provider ``issuer``."""
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(Moment)


class SignInRow(Base):
    """Room ``people``: a session of a person, known here by the hashes of its tokens."""

    __tablename__ = "sign_ins"

    token: Mapped[str] = mapped_column(_Hash, primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), index=True)
    csrf: Mapped[str] = mapped_column(_Hash)
    began_at: Mapped[datetime] = mapped_column(Moment)
    seen_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)


class NonceRow(Base):
    """Facade: nonces of signed requests, kept as long as a request of that age would be accepted."""

    __tablename__ = "nonces"

    key: Mapped[str] = mapped_column(_Hash, primary_key=True)
    nonce: Mapped[str] = mapped_column(String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(Moment, index=True)


class EntryRow(Base):
    """Room ``ledger``: one entry, a leaf of the Merkle tree; a trigger refuses to change or delete it."""

    __tablename__ = "ledger_entries"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    time: Mapped[datetime] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    contract_id: Mapped[str | None] = mapped_column(String(64), index=True)
    body: Mapped[str] = mapped_column(Text)
    """RFC 8785 JSON of the whole entry, the bytes of the leaf."""
    leaf: Mapped[str] = mapped_column(_Hash)
    """The leaf's hash (RFC 9162, section 2.1.1)."""
    signature: Mapped[str] = mapped_column(String(128))
    """The bureau's over the entry, so that an auditor can tell which entry was altered, not only that one was."""


class LedgerSizeRow(Base):
    """Room ``ledger``: the number of entries; its row lock puts writers in a line, so numbers have no gaps."""

    __tablename__ = "ledger_size"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(Integer)


class TreeHeadRow(Base):
    """Room ``ledger``: a signed tree head (RFC 9162, section 4.10): size, root, time, the bureau's signature."""

    __tablename__ = "tree_heads"

    size: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    root: Mapped[str] = mapped_column(_Hash)
    time: Mapped[datetime] = mapped_column(Moment)
    signature: Mapped[str] = mapped_column(String(128))
