"""Tallies of what others can cause at will; locks counted apart from failures; the number of pseudonym keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from lab.bureau.store.tables import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TRIES = 5  # failures that led to the first lock until this migration


def upgrade() -> None:
    op.create_table(
        "ledger_tallies",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("contract_id", sa.String(64), nullable=True),
        sa.Column("by", sa.String(120), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("last", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_ledger_tallies")),
    )
    op.create_index(op.f("ix_ledger_tallies_contract_id"), "ledger_tallies", ["contract_id"], unique=False)
    op.add_column("accounts", sa.Column("locks", sa.Integer(), nullable=False, server_default="0"))
    op.execute(f"UPDATE accounts SET locks = failures - {_TRIES - 1} WHERE failures >= {_TRIES}")
    pseudonyms = op.create_table(
        "pseudonyms",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("keys", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pseudonyms")),
    )
    op.create_table(
        "inquiry_reads",
        sa.Column("entry_seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("enterprise", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("entry_seq", "enterprise", name=op.f("pk_inquiry_reads")),
    )
    op.create_index(op.f("ix_inquiry_reads_enterprise"), "inquiry_reads", ["enterprise"], unique=False)
    op.bulk_insert(pseudonyms, [{"id": 1, "keys": 1}])


def downgrade() -> None:
    op.drop_table("inquiry_reads")
    op.drop_table("pseudonyms")
    with op.batch_alter_table("accounts") as table:
        table.drop_column("locks")
    op.drop_table("ledger_tallies")
