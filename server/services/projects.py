"""Make a project: settings file, directories, keys, database. Every step is safe to repeat."""

from __future__ import annotations

import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from boinc_project import signing
from boinc_project.errors import ConfigError, SigningError
from boinc_project.settings import (
    SETTINGS_FILE,
    FilesSection,
    Settings,
    load_settings,
    settings_from,
    settings_text,
)
from server.db import open_database
from server.project import SESSION_KEY_FILE, database_trouble_named
from server.schema import upgrade
from server.services.files import write_durably

DIRECTORIES = tuple(
    name for name, field in FilesSection.model_fields.items() if field.annotation is Path
)


@dataclass(frozen=True, slots=True)
class NewProject:
    """What the command line says about a project; None: leave it, or the default."""

    url: str | None = None
    name: str | None = None
    bind: str | None = None
    signing_keys: Path | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What `make_project` did, as lines for people, and what they should know."""

    settings: Settings
    lines: tuple[str, ...]
    warning: str = ""


def make_project(root: Path, wanted: NewProject) -> Made:
    """Make the project in `root`, or complete what is missing there.

    Raises
    ------
    ConfigError
        If the project exists with another URL, name or address than the one wanted, a value is
        not usable, or the directory cannot be written.
    SigningError
        If the signing keys are inside the project, or it trusts another key already.
    """
    try:
        return _make_project(root, wanted)
    except OSError as error:
        raise ConfigError(f"{root} cannot be made a project: {error}.", path=root) from error


def _make_project(root: Path, wanted: NewProject) -> Made:
    root.mkdir(parents=True, exist_ok=True)
    root = root.resolve()
    settings, line = _settings(root, wanted)
    lines = [line]
    for name in DIRECTORIES:
        settings.path(name).mkdir(parents=True, exist_ok=True)
    keys = settings.path("keys")
    keys.chmod(0o700)
    lines += _server_keys(keys)
    warning = ""
    if wanted.signing_keys is not None:
        private = _signing_keys(wanted.signing_keys.expanduser().resolve(), root, keys)
        warning = (
            f"the code-signing key {private} is on this machine. Whoever gets it can run programs "
            "on every volunteer's computer; a real project keeps it off-line."
        )
    database = open_database(settings)
    with database_trouble_named(database):
        upgrade(database)
    database.dispose()
    lines.append("The database has the newest schema.")
    if not (keys / "code_sign_public").exists():
        lines.append(
            "Next: run `openastro app keygen` on another machine and copy its code_sign_public "
            f"to {keys}."
        )
    return Made(settings, tuple(lines), warning)


def _settings(root: Path, wanted: NewProject) -> tuple[Settings, str]:
    path = root / SETTINGS_FILE
    if path.exists():
        settings = load_settings(path)
        for key, old, new in (
            ("project.url", settings.project.url, wanted.url),
            ("project.name", settings.project.name, wanted.name),
            ("web.bind", settings.web.bind, wanted.bind),
        ):
            if new is not None and new != old:
                raise ConfigError(
                    f"{path} already has {key} = {old!r}, not {new!r}: edit the file if that is "
                    "meant.",
                    key=key,
                )
        return settings, f"{path} is kept as it is."
    raw: dict[str, Any] = {"project": {}, "web": {}}
    if wanted.name is not None:
        raw["project"]["name"] = wanted.name
    if wanted.url is not None:
        raw["project"]["url"] = wanted.url
        settings_from(raw, root=root, name="openastro init")  # says what is wrong with the URL
        raw["web"].update(_bind_of(wanted.url))
    if wanted.bind is not None:
        raw["web"]["bind"] = wanted.bind
    settings = settings_from(raw, root=root, name="openastro init")
    text = settings_text(settings)
    try:
        settings_from(tomllib.loads(text), root=root, name=str(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"The settings hold a control character: {error}.") from error
    write_durably(path, text.encode())
    return settings, f"{path} is written; every setting is explained in it."


def _bind_of(url: str) -> dict[str, str]:
    """Listen where a plain-http URL on this very machine points."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and (parts.hostname or "").startswith("127.")
    return {"bind": f"{parts.hostname}:{parts.port or 80}"} if local else {}


def _server_keys(keys: Path) -> list[str]:
    lines = []
    private, public = keys / "upload_private", keys / "upload_public"
    if not private.exists():
        if public.exists():
            raise SigningError(
                f"{public} is there but {private} is not: restore it from a backup, or remove both "
                "(uploads under way will then be refused).",
                path=private,
            )
        signing.write_key_pair(signing.generate_key(), keys, signing.UPLOAD)
        lines.append("The upload key pair is made.")
    elif not public.exists():
        text = signing.load_private_key(private).public.to_text()
        write_durably(public, text.encode())
    session = keys / SESSION_KEY_FILE
    if not session.exists():
        descriptor = os.open(session, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(32))
    return lines


def _signing_keys(directory: Path, root: Path, keys: Path) -> Path:
    if directory == root or root in directory.parents:
        raise SigningError(
            f"{directory} is inside the project: a code-signing key never lives on the server's "
            "tree, so name a directory outside of it.",
            path=directory,
        )
    private = directory / "code_sign_private"
    if not private.exists():
        signing.write_key_pair(signing.generate_key(), directory, signing.CODE_SIGN)
    public = signing.load_private_key(private).public
    trusted = keys / "code_sign_public"
    if not trusted.exists():
        write_durably(trusted, public.to_text().encode())
    elif signing.load_public_key(trusted) != public:
        raise SigningError(
            f"The project already trusts another code-signing key ({trusted}); {private} does not "
            "belong to it.",
            path=trusted,
        )
    return private
