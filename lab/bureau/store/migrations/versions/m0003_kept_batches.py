"""Batches are stored until they are evaluated, with the reason if one was not answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("file", sa.Text(), nullable=True))
    op.add_column("batches", sa.Column("failure", sa.Text(), nullable=True))
    op.create_index(op.f("ix_batches_state"), "batches", ["state"])


def downgrade() -> None:
    op.drop_index(op.f("ix_batches_state"), "batches")
    with op.batch_alter_table("batches") as table:
        table.drop_column("failure")
        table.drop_column("file")
