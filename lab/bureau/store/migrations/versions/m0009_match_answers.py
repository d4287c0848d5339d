"""The ledger entries of responses to matching requests: one for a request and job, however often it is sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "match_answers",
        sa.Column("contract_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("counting", sa.Boolean(), nullable=False),
        sa.Column("job_id", sa.String(length=64), nullable=False),
        sa.Column("response_sha256", sa.String(length=64), nullable=False),
        sa.Column("entry", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_match_answers_contract_id")),
        sa.PrimaryKeyConstraint(
            "contract_id", "epoch", "request_sha256", "counting", "job_id", name=op.f("pk_match_answers")
        ),
    )


def downgrade() -> None:
    op.drop_table("match_answers")
