"""Credit repair: the rules in force, and the cases of repair and objection."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "repair_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_by", sa.String(length=200), nullable=False),
        sa.CheckConstraint("kind IN ('rules', 'holidays')", name=op.f("ck_repair_rules_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repair_rules")),
    )
    op.create_table(
        "repair_cases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("domain", sa.String(length=64), nullable=False),
        sa.Column("record", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("open_key", sa.String(length=64), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("due_certain", sa.Boolean(), nullable=False),
        sa.Column("opened_by", sa.String(length=200), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("grounds", sa.Text(), nullable=False),
        sa.Column("rules_sha256", sa.String(length=64), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("decided_by", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('repair', 'objection')", name=op.f("ck_repair_cases_kind")),
        sa.CheckConstraint(
            "state IN ('open', 'granted', 'refused', 'upheld', 'rejected')", name=op.f("ck_repair_cases_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repair_cases")),
        sa.UniqueConstraint("open_key", name=op.f("uq_repair_cases_open_key")),
    )
    op.create_index(op.f("ix_repair_cases_domain_record"), "repair_cases", ["domain", "record"])
    op.create_index(op.f("ix_repair_cases_state"), "repair_cases", ["state"])
    op.create_table(
        "superseded_versions",
        sa.Column("case_id", sa.String(length=32), nullable=False),
        sa.Column("register", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["repair_cases.id"], name=op.f("fk_superseded_versions_case_id")),
        sa.PrimaryKeyConstraint("case_id", "register", "version", name=op.f("pk_superseded_versions")),
    )
    op.create_index(op.f("ix_superseded_versions_register"), "superseded_versions", ["register"])


def downgrade() -> None:
    op.drop_table("superseded_versions")
    op.drop_table("repair_cases")
    op.drop_table("repair_rules")
