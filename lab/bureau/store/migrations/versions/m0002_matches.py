"""Matching requests that were charged, so that one sent again is not charged again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "matches",
        sa.Column("contract_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("counting", sa.Boolean(), nullable=False),
        sa.Column("identifiers", sa.Integer(), nullable=False),
        sa.Column("charged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_matches_contract_id")),
        sa.PrimaryKeyConstraint("contract_id", "epoch", "request_sha256", "counting", name=op.f("pk_matches")),
    )


def downgrade() -> None:
    op.drop_table("matches")
