"""What ``openastro doctor`` looks at: one plain sentence for each thing, good or bad."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sqlalchemy import select

from boinc_project.errors import OpenAstroError
from boinc_project.signing import fingerprint, verify_file
from server.daemons.loop import DAEMONS, HEARTBEAT_SECONDS
from server.models import AppVersionFile, DaemonStatus
from server.project import SESSION_KEY_FILE, Project, check_database
from server.services.checks import check_keys
from server.services.projects import DIRECTORIES

SILENT_SECONDS = 6 * HEARTBEAT_SECONDS
"""A daemon that wrote no heart-beat for so long is not running, or hangs in one pass."""


class Health(Enum):
    """How a thing is."""

    GOOD = "ok"
    WARNING = "look"
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    health: Health
    text: str


Check = Callable[[Project], Iterator[Finding]]


def diagnose(project: Project) -> list[Finding]:
    """Look at everything; a check that fails is a finding, and the others still run."""
    findings: list[Finding] = []
    for check in (_directories, _disk, _keys, _stray_keys):
        findings += _run(check, project)
    database = _run(_database, project)
    findings += database
    if all(finding.health is not Health.BAD for finding in database):
        for check in (_apps, _daemons):
            findings += _run(check, project)
    return findings


def _run(check: Check, project: Project) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(project))
    except (OpenAstroError, OSError) as error:
        found.append(Finding(Health.BAD, str(error)))
    return found


def _directories(project: Project) -> Iterator[Finding]:
    for name in DIRECTORIES:
        path = project.settings.path(name)
        if not path.is_dir():
            yield Finding(Health.BAD, f"There is no directory {path}: run `openastro init`.")
        elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            yield Finding(Health.BAD, f"{path} cannot be written by this user: change its owner.")
        else:
            yield Finding(Health.GOOD, f"{path} can be written.")


def _disk(project: Project) -> Iterator[Finding]:
    least = project.settings.files.min_free_bytes
    for name in ("upload", "download"):
        free = shutil.disk_usage(project.settings.path(name)).free
        text = f"{free / 1e9:.1f} GB are free for {name}s"
        if free < least:
            yield Finding(
                Health.BAD,
                f"{text}, less than files.min_free_bytes ({least / 1e9:.1f} GB): uploads are put "
                "off until there is more.",
            )
        elif free < 5 * least:
            yield Finding(Health.WARNING, f"{text}; below {least / 1e9:.1f} GB uploads stop.")
        else:
            yield Finding(Health.GOOD, f"{text}.")


def _keys(project: Project) -> Iterator[Finding]:
    check_keys(project)
    yield Finding(
        Health.GOOD,
        f"The keys are in order; apps are signed with {fingerprint(project.code_sign_key)}.",
    )
    for name in ("upload_private", SESSION_KEY_FILE):
        path = project.key_path(name)
        if path.stat().st_mode & 0o077:
            yield Finding(Health.BAD, f"{path} can be read by other users: chmod 600 {path}.")


def _stray_keys(project: Project) -> Iterator[Finding]:
    for path in _find_code_sign_private(project):
        yield Finding(
            Health.BAD,
            f"{path} is a code-signing private key on the server: move it off-line, and if anyone "
            "else could read it, make a new one.",
        )


def _find_code_sign_private(project: Project) -> Iterator[Path]:
    for directory in (project.settings.root, project.settings.path("keys")):
        yield from directory.glob("*code_sign_private*")


def _database(project: Project) -> Iterator[Finding]:
    check_database(project)
    where = project.database.engine.url.render_as_string(hide_password=True)
    yield Finding(Health.GOOD, f"The database {where} has the newest schema.")
    if project.database.is_sqlite and project.settings.web.workers > 1:
        yield Finding(Health.WARNING, "web.workers is above 1 on SQLite; use PostgreSQL for that.")


def _apps(project: Project) -> Iterator[Finding]:
    with project.database.read() as session:
        files = session.scalars(select(AppVersionFile).order_by(AppVersionFile.id)).all()
    if not files:
        yield Finding(
            Health.WARNING, "No app version is published: `openastro app publish` offers one."
        )
    for file in files:
        path = project.downloads.find(file.name)
        if path is None:
            yield Finding(
                Health.BAD, f"The app file {file.name} is missing below download/: publish again."
            )
        elif not verify_file(path, file.signature, project.code_sign_key):
            yield Finding(
                Health.BAD,
                f"The app file {file.name} does not match its signature: clients refuse it.",
            )
        else:
            yield Finding(Health.GOOD, f"The app file {file.name} matches its signature.")


def _daemons(project: Project) -> Iterator[Finding]:
    with project.database.read() as session:
        rows = {row.name: row for row in session.scalars(select(DaemonStatus))}
    now = project.clock()
    for name in DAEMONS:
        row = rows.get(name)
        if row is None:
            yield Finding(Health.WARNING, f"The {name} has never run: start `openastro serve`.")
        elif now - row.last_pass > SILENT_SECONDS:
            minutes = (now - row.last_pass) / 60
            yield Finding(
                Health.BAD,
                f"The {name} has been silent for {minutes:.0f} minutes: is `openastro serve` "
                "running?",
            )
        elif row.n_errors:
            yield Finding(
                Health.WARNING,
                f"The {name} runs, with {row.n_errors} failed passes; the last: {row.last_error}",
            )
        else:
            yield Finding(Health.GOOD, f"The {name} runs.")
