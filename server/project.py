"""The project as its processes see it: settings, database, clock, files and keys.

`Project` is what the web server puts into Flask's application and what every daemon's
``one_pass`` is given. Everything in it can be replaced by a test.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from boinc_project import signing
from boinc_project.errors import ConfigError
from boinc_project.settings import SETTINGS_FILE, Settings, load_settings
from server.db import Database, open_database
from server.schema import check_schema
from server.services.files import DownloadStore
from server.services.uploads import UploadStore

if TYPE_CHECKING:
    from boinc_project.judge import Judge

EXTENSION = "openastro"
SESSION_KEY_FILE = "session_key"


def _secret_bits() -> int:
    """Return 128 bits from the system's generator, which nobody outside can know."""
    return secrets.randbits(128)


def _validator_of(app: str) -> Judge:
    from boinc_project import application

    return application.get(app).judging()


class Project:
    """One project: what its settings point at, opened when first used.

    Attributes
    ----------
    settings : Settings
        The parsed ``openastro.toml``.
    database : Database
        The only way to the tables.
    clock : Callable[[], float]
        Returns epoch seconds (UTC).
    secret : Callable[[], int]
        Returns 128 random bits: what is audited or replicated is drawn with them.
    validators : Callable[[str], Judge]
        Returns who judges an app's outputs.
    looked : dict[str, float]
        When this process did what need not be done with every pass, epoch seconds.
    catalogue_seconds : float
        How long the scheduler keeps the apps and versions that it has read. Reading takes a
        millisecond; at hundreds of requests a second that is nothing once a second.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database | None = None,
        clock: Callable[[], float] = time.time,
        secret: Callable[[], int] = _secret_bits,
        validators: Callable[[str], Judge] = _validator_of,
    ) -> None:
        self.settings = settings
        self.secret = secret
        self.looked: dict[str, float] = {}
        self.catalogue_seconds = 1.0
        self.validators = validators
        self.database = database if database is not None else open_database(settings)
        self.clock = clock

    @cached_property
    def code_sign_key(self) -> signing.PublicKey:
        """The key that clients verify app versions with; its private half is not here."""
        return signing.load_public_key(self.key_path("code_sign_public"))

    @cached_property
    def upload_key(self) -> signing.PrivateKey:
        """The key that signs upload certificates."""
        return signing.load_private_key(self.key_path("upload_private"))

    @cached_property
    def session_secret(self) -> bytes:
        """The secret that web sessions are signed with."""
        path = self.key_path(SESSION_KEY_FILE)
        if not path.is_file():
            raise ConfigError(
                f"There is no {path}: run `openastro init` in the project.", path=path
            )
        return path.read_bytes()

    @cached_property
    def downloads(self) -> DownloadStore:
        """The files that clients download."""
        return DownloadStore(self.settings.path("download"), self.settings.files.fanout)

    @cached_property
    def uploads(self) -> UploadStore:
        """The output files that clients upload."""
        return UploadStore(
            self.settings.path("upload"),
            fanout=self.settings.files.fanout,
            key=signing.load_public_key(self.key_path("upload_public")),
            min_free_bytes=self.settings.files.min_free_bytes,
        )

    def key_path(self, name: str) -> Path:
        """Return where the key file `name` lies."""
        return self.settings.path("keys") / name


def open_project(directory: Path) -> Project:
    """Open the project in `directory`, whose database must have the newest schema.

    Raises
    ------
    ConfigError
        If there is no project, or its database is missing or old.
    """
    project = Project(load_settings(directory / SETTINGS_FILE))
    check_database(project)
    return project


@contextmanager
def database_trouble_named(database: Database) -> Iterator[None]:
    """Turn an error of the database or its connection into one sentence.

    Raises
    ------
    ConfigError
        In place of any error of SQLAlchemy; never with the password of the URL.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        where = database.engine.url.render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", None) or error).strip().split("\n")[0].rstrip(".")
        raise ConfigError(f"The database {where} cannot be used: {reason}.", url=where) from error


def check_database(project: Project) -> None:
    """Check that the database can be reached and has the newest schema.

    Raises
    ------
    ConfigError
        If not; the message names the command that mends it.
    """
    url = project.settings.database_url
    # Connecting would make an empty SQLite file, which looks like a project and is none.
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        raise ConfigError(
            f"There is no database {url.removeprefix('sqlite:///')}: run `openastro init`.", url=url
        )
    with database_trouble_named(project.database):
        check_schema(project.database)


def current_project() -> Project:
    """Return the project of the Flask application that answers the current request."""
    from flask import current_app  # daemons and commands do without Flask

    project = current_app.extensions[EXTENSION]
    assert isinstance(project, Project)
    return project
