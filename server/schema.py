"""Bring a database to the newest schema, or say that it is not there yet."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from boinc_project.errors import ConfigError
from server.db import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def alembic_config() -> Config:
    """Return Alembic's configuration; no ini file is needed."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Run all migrations up to `revision`; safe to repeat."""
    config = alembic_config()
    with database.write_connection() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def check_schema(database: Database) -> None:
    """Check that the database has the newest schema.

    Raises
    ------
    ConfigError
        If it has not; the message names the command that mends it.
    """
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != head:
        raise ConfigError(
            f"The database is at schema {current or 'none'}, this release needs {head}: "
            "run `openastro init` in the project's directory.",
            current=current,
            head=head,
        )
