"""A ciphertext is identified by its bank and seed; a context records the rules by which it was checked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Ciphertexts in SEAL's own form are not accepted any more, so these hashes of them can never match again.
    op.drop_table("ciphertexts")
    op.create_table(
        "seeds",
        sa.Column("bank_id", sa.String(64), nullable=False),
        sa.Column("seed", sa.LargeBinary(32), nullable=False),
        sa.Column("batch", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["bank_id"], ["banks.id"], name=op.f("fk_seeds_bank_id")),
        sa.PrimaryKeyConstraint("bank_id", "seed", name=op.f("pk_seeds")),
    )
    # Earlier contexts were checked by the first rules, so none is used any more: banks are asked to send theirs again.
    with op.batch_alter_table("contexts") as table:
        table.add_column(sa.Column("rules", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("contexts") as table:
        table.alter_column("rules", existing_type=sa.Integer(), server_default=None)


def downgrade() -> None:
    raise NotImplementedError(
        "earlier versions cannot read the present contexts and batches: restore a copy of the home instead"
    )
