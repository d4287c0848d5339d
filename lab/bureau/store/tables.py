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


class ContractRow(Base):
    """Room ``contracts``: the document, its signatures and its state here."""

    __tablename__ = "contracts"
    __table_args__ = (CheckConstraint("state IN ('draft', 'approved', 'expired', 'revoked')", name="state"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    document: Mapped[str] = mapped_column(Text)
    """RFC 8785 JSON, the very bytes that are signed."""
    sha256: Mapped[str] = mapped_column(_Hash)
    bank_key: Mapped[str] = mapped_column(_Hash, index=True)
    bureau_signature: Mapped[str | None] = mapped_column(String(128))
    bank_signature: Mapped[str | None] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16))
    drafted_at: Mapped[datetime] = mapped_column(Moment)
    signed_at: Mapped[datetime | None] = mapped_column(Moment)
    approved_at: Mapped[datetime | None] = mapped_column(Moment)
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


class EnterpriseUsageRow(Base):
    """Room ``exchange``: how often one enterprise (by its tag under this contract) was scored."""

    __tablename__ = "enterprise_usage"
    __table_args__ = (CheckConstraint("used >= 0", name="used"),)

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(32), primary_key=True)
    used: Mapped[int] = mapped_column(Integer)


class BatchRow(Base):
    """Room ``exchange``: a scoring batch, charged once and answered with the same reply for ever."""

    __tablename__ = "batches"
    __table_args__ = (CheckConstraint("state IN ('charged', 'answered', 'returned')", name="state"),)

    contract_id: Mapped[str] = mapped_column(ForeignKey("contracts.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(_Hash, primary_key=True)
    rows: Mapped[int] = mapped_column(Integer)
    register_version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    reply_file: Mapped[str | None] = mapped_column(Text)
    reply_sha256: Mapped[str | None] = mapped_column(_Hash)
    entry_seq: Mapped[int | None] = mapped_column(Integer)
    charged_at: Mapped[datetime] = mapped_column(Moment)
    answered_at: Mapped[datetime | None] = mapped_column(Moment)


class NonceRow(Base):
    """Facade: nonces of signed requests, kept as long as a request of that age would be accepted."""

    __tablename__ = "nonces"

    key: Mapped[str] = mapped_column(_Hash, primary_key=True)
    nonce: Mapped[str] = mapped_column(String(200), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(Moment, index=True)


class EntryRow(Base):
    """Room ``ledger``: one entry; a trigger in the database refuses to change or delete it."""

    __tablename__ = "ledger_entries"

    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    time: Mapped[datetime] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(String(64), index=True)
    contract_id: Mapped[str | None] = mapped_column(String(64), index=True)
    body: Mapped[str] = mapped_column(Text)
    """RFC 8785 JSON of the whole entry, the bytes that are hashed."""
    sha256: Mapped[str] = mapped_column(_Hash)


class LedgerSizeRow(Base):
    """Room ``ledger``: the number of entries; its row lock puts writers in a line, so numbers have no gaps."""

    __tablename__ = "ledger_size"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(Integer)
