"""What a host that failed an audit let pass for others is audited once more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    looks = sa.Column("looks", sa.Integer(), nullable=False, server_default="0")
    op.add_column("host_app_version", looks)
    op.create_index(
        "ix_host_app_version_looks",
        "host_app_version",
        ["host_id"],
        sqlite_where=sa.text("looks > 0"),
        postgresql_where=sa.text("looks > 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_host_app_version_looks", "host_app_version")
    op.drop_column("host_app_version", "looks")
