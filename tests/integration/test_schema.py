"""The migrations and the models are the same schema, on both databases."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from boinc_project.errors import ConfigError
from server.db import Database, make_engine
from server.models import Base, User
from server.schema import check_schema, upgrade


def test_migrated_schema_equals_models(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_upgrade_can_be_repeated(database: Database) -> None:
    upgrade(database)
    check_schema(database)


def test_missing_schema_is_named_with_its_remedy(database_url: str) -> None:
    empty = Database(make_engine(database_url))
    with pytest.raises(ConfigError, match="openastro init"):
        check_schema(empty)
    empty.dispose()


def _user(name: str) -> User:
    return User(
        create_time=1.0,
        name=name,
        email_addr=name,
        passwd_hash="",
        authenticator=name,
        cross_project_id=name,
    )


def test_write_is_undone_on_an_exception(database: Database) -> None:
    def fail_after_writing() -> None:
        with database.write() as session:
            session.add(_user("a"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    with database.read() as session:
        assert session.query(User).count() == 0


def test_write_is_kept(database: Database) -> None:
    with database.write() as session:
        session.add(_user("a"))
    with database.read() as session:
        assert session.query(User).count() == 1
