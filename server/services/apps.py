"""Publish signed app versions, and list them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from boinc_project.errors import InputError, SigningError
from boinc_project.signing import load_public_key
from server.models import App, AppVersion, AppVersionFile
from server.project import Project
from server.services.app_manifest import (
    MANIFEST,
    SIGNATURE_SUFFIX,
    Manifest,
    check_build,
    read_manifest,
)
from server.services.app_signing import read_signatures
from server.services.files import StoredFile, write_durably
from server.services.scheduler.alike import Redundancy


@dataclass(frozen=True, slots=True)
class Published:
    """What `publish` did."""

    manifest: Manifest
    is_new: bool
    nbytes: int


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """One published app version, for lists."""

    app: str
    title: str
    version_num: int
    platform: str
    plan_class: str
    n_files: int
    nbytes: int
    create_time: float
    deprecated: bool


def trust(project: Project, public_key: Path) -> None:
    """Make a code-signing key the one that the project's clients verify with.

    Raises
    ------
    SigningError
        If it is not a public key, or the project trusts another one: clients out there do too.
    """
    key = load_public_key(public_key)
    trusted = project.key_path("code_sign_public")
    if not trusted.exists():
        write_durably(trusted, key.to_text().encode("ascii"))
    elif load_public_key(trusted) != key:
        raise SigningError(
            f"The project trusts another code-signing key ({trusted}) than {public_key}.",
            path=public_key,
        )


def publish(project: Project, directory: Path) -> Published:
    """Verify a signed build and offer it to clients; publishing the same again does nothing.

    Raises
    ------
    InputError
        If the build is damaged, or its version or one of its names was published with other bytes.
    SigningError
        If a signature is missing or wrong, or the project has no public key.
    """
    trusted = project.key_path("code_sign_public")
    if not trusted.exists():
        raise SigningError(
            f"There is no {trusted}: copy the code_sign_public that `openastro app keygen` made.",
            path=trusted,
        )
    manifest = read_manifest(directory)
    check_build(directory, manifest)
    signatures = read_signatures(directory, manifest, project.code_sign_key)
    with project.database.read() as session:
        _check_never_published(session, manifest)
    stored = _copy(project, directory, manifest, signatures)
    with project.database.write() as session:
        is_new = _insert(session, manifest, stored, signatures, now=project.clock())
    return Published(manifest, is_new, sum(file.nbytes for file in stored.values()))


def versions(project: Project) -> list[VersionSummary]:
    """Return all published app versions, by app, newest version first."""
    statement = (
        select(AppVersion)
        .join(App)
        .options(selectinload(AppVersion.files), selectinload(AppVersion.app))
        .order_by(App.name, AppVersion.version_num.desc(), AppVersion.platform)
    )
    with project.database.read() as session:
        return [
            VersionSummary(
                app=version.app.name,
                title=version.app.user_friendly_name,
                version_num=version.version_num,
                platform=version.platform,
                plan_class=version.plan_class,
                n_files=len(version.files),
                nbytes=sum(file.nbytes for file in version.files),
                create_time=version.create_time,
                deprecated=version.deprecated or version.app.deprecated,
            )
            for version in session.scalars(statement)
        ]


def _check_never_published(session: Session, manifest: Manifest) -> None:
    """Check that neither the version nor a file name stands for anything else already."""
    files = {file.name: file.sha256 for file in manifest.files}
    version = _find(session, manifest)
    if version is not None and {file.name: file.sha256 for file in version.files} != files:
        raise InputError(
            f"{manifest.label} was published before with other files: raise its version and build "
            "again.",
            label=manifest.label,
        )
    rows = session.scalars(select(AppVersionFile).where(AppVersionFile.name.in_(files)))
    for row in rows:
        if row.sha256 != files[row.name]:
            raise InputError(
                f"{row.name} was published before with other bytes; clients keep what they have "
                "under a name for ever: raise its version and build again.",
                name=row.name,
            )


def _find(session: Session, manifest: Manifest) -> AppVersion | None:
    return session.scalar(
        select(AppVersion)
        .join(App)
        .where(
            App.name == manifest.app,
            AppVersion.platform == manifest.platform,
            AppVersion.version_num == manifest.version_num,
            AppVersion.plan_class == manifest.plan_class,
        )
    )


def _copy(
    project: Project, directory: Path, manifest: Manifest, signatures: dict[str, str]
) -> dict[str, StoredFile]:
    """Copy a verified build into the archive of versions and into the download directory."""
    archive = project.settings.path("apps") / manifest.label
    stored = {}
    for file in manifest.files:
        data = (directory / file.name).read_bytes()
        stored[file.name] = project.downloads.add_application_file(file.name, data)
        if stored[file.name].sha256 != file.sha256:
            raise InputError(f"{directory / file.name} was changed while it was published.")
        write_durably(archive / file.name, data)
    write_durably(archive / MANIFEST, (directory / MANIFEST).read_bytes())
    for name, signature in signatures.items():
        write_durably(archive / (name + SIGNATURE_SUFFIX), signature.encode("ascii"))
    return stored


def _insert(
    session: Session,
    manifest: Manifest,
    stored: dict[str, StoredFile],
    signatures: dict[str, str],
    *,
    now: float,
) -> bool:
    """Insert app, version and files; return False if this version is there already."""
    if _find(session, manifest) is not None:
        return False
    app = session.scalar(select(App).where(App.name == manifest.app))
    if app is None:
        title = manifest.title or manifest.app
        app = App(name=manifest.app, user_friendly_name=title, create_time=now)
        session.add(app)
        session.flush()
    session.add(
        AppVersion(
            appid=app.id,
            version_num=manifest.version_num,
            platform=manifest.platform,
            plan_class=manifest.plan_class,
            api_version=manifest.api_version,
            flops=manifest.flops,
            create_time=now,
            files=[
                AppVersionFile(
                    name=file.name,
                    # The client links every file but the main program into the slot by this name.
                    open_name="" if file.main_program else (file.open_name or file.name),
                    main_program=file.main_program,
                    executable=file.executable,
                    nbytes=file.nbytes,
                    md5=stored[file.name].md5,
                    sha256=file.sha256,
                    signature=signatures[file.name],
                )
                for file in manifest.files
            ],
        )
    )
    return True


def set_alike(project: Project, name: str, redundancy: str, *, one_version: bool) -> None:
    """Say how alike the computers of one workunit must be; holds for what is sent from now on.

    Raises
    ------
    InputError
        If there is no such app, or no such redundancy.
    """
    known = {one.name.lower(): one for one in Redundancy}
    if redundancy not in known:
        raise InputError(f"There is no redundancy {redundancy!r}: write {', '.join(known)}.")
    with project.database.write() as session:
        app = session.scalars(select(App).where(App.name == name)).one_or_none()
        if app is None:
            raise InputError(f"There is no app {name}: see `openastro app list`.", name=name)
        app.homogeneous_redundancy = int(known[redundancy])
        app.homogeneous_app_version = one_version
