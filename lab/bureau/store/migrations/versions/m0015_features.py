"""Feature tables and what register versions come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def _hash(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=64), nullable=False)


def upgrade() -> None:
    op.create_table(
        "feature_tables",
        _hash("inputs_sha256"),
        sa.Column("day", sa.String(length=10), nullable=False),
        _hash("manifest_sha256"),
        _hash("catalogue_sha256"),
        _hash("features_sha256"),
        _hash("left_out_sha256"),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("features", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("unregistered", sa.Text(), nullable=False),
        _hash("sha256"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("inputs_sha256", name=op.f("pk_feature_tables")),
    )
    op.create_table(
        "register_origins",
        sa.Column("register", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        _hash("manifest_sha256"),
        _hash("catalogue_sha256"),
        _hash("features_sha256"),
        _hash("left_out_sha256"),
        _hash("inputs_sha256"),
        sa.Column("repair_rules_sha256", sa.String(length=64), nullable=True),
        sa.Column("quality_rules_sha256", sa.String(length=64), nullable=True),
        sa.Column("lineage", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["register", "version"], ["registers.name", "registers.version"], name=op.f("fk_register_origins_register")
        ),
        sa.PrimaryKeyConstraint("register", "version", name=op.f("pk_register_origins")),
    )


def downgrade() -> None:
    op.drop_table("register_origins")
    op.drop_table("feature_tables")
