"""What the replies to a batch may reveal of a model, and which ciphertexts were sent before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Earlier replies were not counted; a new model version begins at zero.
    op.add_column("batches", sa.Column("spent", sa.Double(), nullable=False, server_default="0"))
    op.create_table(
        "ciphertexts",
        sa.Column("contract_id", sa.String(64), nullable=False),
        sa.Column("print", sa.LargeBinary(32), nullable=False),
        sa.Column("batch", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_ciphertexts_contract_id")),
        sa.PrimaryKeyConstraint("contract_id", "print", name=op.f("pk_ciphertexts")),
    )


def downgrade() -> None:
    op.drop_table("ciphertexts")
    with op.batch_alter_table("batches") as table:
        table.drop_column("spent")
