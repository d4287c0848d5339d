"""How the columns of a register version were read, and what was found when the version was compared."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("registers", sa.Column("columns_sha256", sa.String(length=64), nullable=True))
    op.create_table(
        "drift_checks",
        sa.Column("register", sa.String(length=64), nullable=False),
        sa.Column("register_version", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("model_version", sa.Integer(), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["register", "register_version"],
            ["registers.name", "registers.version"],
            name=op.f("fk_drift_checks_register"),
        ),
        sa.PrimaryKeyConstraint("register", "register_version", "model", "model_version", name=op.f("pk_drift_checks")),
    )


def downgrade() -> None:
    op.drop_table("drift_checks")
    op.drop_column("registers", "columns_sha256")
