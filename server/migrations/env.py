"""Alembic's environment: runs the migrations on the connection it is given."""

from __future__ import annotations

from alembic import context

from server.models import Base


def run() -> None:
    """Migrate on the connection put into the configuration by `server.schema`."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
