"""Adaptive replication, audits, canaries, and alike hosts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("workunit", "full_quorum", sa.Integer(), "0"),
    ("host_app_version", "n_audited", sa.Integer(), "0"),
    ("host_app_version", "n_audit_failed", sa.Integer(), "0"),
    ("host_app_version", "streak_lost", sa.Integer(), "0"),
    ("host_app_version", "notice", sa.Boolean(), sa.false()),
    ("host_app_version", "reopen", sa.Boolean(), sa.false()),
    ("product", "doubted", sa.Integer(), "0"),
    ("app", "homogeneous_redundancy", sa.Integer(), "0"),
    ("app", "homogeneous_app_version", sa.Boolean(), sa.false()),
    # Campaigns that run already have shown what they do: no canary.
    ("campaign", "canary", sa.Integer(), "0"),
)


def upgrade() -> None:
    for table, name, kind, default in _COLUMNS:
        op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    op.create_index(
        "ix_host_app_version_reopen",
        "host_app_version",
        ["host_id"],
        sqlite_where=sa.text("reopen = 1"),
        postgresql_where=sa.text("reopen"),
    )


def downgrade() -> None:
    op.drop_index("ix_host_app_version_reopen", "host_app_version")
    for table, name, _, _ in reversed(_COLUMNS):
        op.drop_column(table, name)
