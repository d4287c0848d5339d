"""Requests for data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_STATES = "state IN ('asked', 'granted', 'partly-granted', 'refused', 'withdrawn', 'contracted')"


def upgrade() -> None:
    op.create_table(
        "data_requests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("organisation", sa.String(length=100), nullable=False),
        sa.Column("asked_by", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("catalogue_sha256", sa.String(length=64), nullable=True),
        sa.Column("contract_id", sa.String(length=64), nullable=True),
        sa.CheckConstraint(_STATES, name=op.f("ck_data_requests_state")),
        sa.ForeignKeyConstraint(["contract_id"], ["contracts.id"], name=op.f("fk_data_requests_contract_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_requests")),
        sa.UniqueConstraint("contract_id", name=op.f("uq_data_requests_contract_id")),
    )
    op.create_index(op.f("ix_data_requests_organisation"), "data_requests", ["organisation"])
    op.create_index(op.f("ix_data_requests_state"), "data_requests", ["state"])
    op.create_table(
        "data_request_items",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("code", sa.String(length=100), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("fate", sa.String(length=16), nullable=False),
        sa.Column("sharing", sa.String(length=16), nullable=True),
        sa.Column("forms", sa.Text(), nullable=True),
        sa.Column("quality", sa.String(length=16), nullable=True),
        sa.CheckConstraint("fate IN ('asked', 'granted', 'refused')", name=op.f("ck_data_request_items_fate")),
        sa.ForeignKeyConstraint(["request_id"], ["data_requests.id"], name=op.f("fk_data_request_items_request_id")),
        sa.PrimaryKeyConstraint("request_id", "code", name=op.f("pk_data_request_items")),
    )


def downgrade() -> None:
    op.drop_table("data_request_items")
    op.drop_table("data_requests")
