"""How much of the time hosts compute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # 0: it has not been told yet; the next request of the host does.
    for name in ("on_frac", "active_frac"):
        op.add_column("host", sa.Column(name, sa.Double(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("active_frac", "on_frac"):
        op.drop_column("host", name)
