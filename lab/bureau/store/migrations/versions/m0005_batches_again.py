"""Batches that a later job has evaluated again: a batch belongs to a job, and so do its inquiries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("batches") as table:
        table.add_column(sa.Column("sent_in", sa.String(length=64), nullable=True))
        table.drop_constraint(op.f("pk_batches"), type_="primary")
        table.create_primary_key(op.f("pk_batches"), ["contract_id", "job_id", "sha256"])
        table.drop_index(op.f("ix_batches_job_id"))
        table.create_index(op.f("ix_batches_sha256"), ["sha256"])
    op.add_column("inquiries", sa.Column("job_id", sa.String(length=64), nullable=True))
    op.execute(
        "UPDATE inquiries SET job_id = (SELECT job_id FROM batches "
        "WHERE batches.contract_id = inquiries.contract_id AND batches.sha256 = inquiries.batch)"
    )
    with op.batch_alter_table("inquiries") as table:
        table.alter_column("job_id", existing_type=sa.String(length=64), nullable=False)
        table.drop_constraint(op.f("pk_inquiries"), type_="primary")
        table.create_primary_key(op.f("pk_inquiries"), ["contract_id", "job_id", "batch", "enterprise"])


def downgrade() -> None:
    raise NotImplementedError("earlier tables have no row for a batch in two jobs: restore a copy of the home instead")
