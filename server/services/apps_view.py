"""What the apps page shows: every app with its versions and their files; only reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from boinc_project.protocol.project_config import PLATFORM_NAMES
from server.db import Database
from server.models import App, AppVersion
from server.services.moment import moment
from server.services.pages import version_name


@dataclass(frozen=True, slots=True)
class AppFileView:
    """One file of an app version."""

    name: str
    nbytes: int
    md5: str
    sha256: str
    signed: bool
    main_program: bool


@dataclass(frozen=True, slots=True)
class AppVersionView:
    """One version of an app for one platform."""

    version: str
    version_num: int
    platform: str
    platform_name: str
    plan_class: str
    create_time: datetime
    nbytes: int
    files: tuple[AppFileView, ...]


@dataclass(frozen=True, slots=True)
class AppView:
    """One app with the versions in use, newest first."""

    name: str
    user_friendly_name: str
    versions: tuple[AppVersionView, ...]


def apps(database: Database) -> tuple[AppView, ...]:
    """Return all apps in use."""
    with database.read() as session:
        rows = session.scalars(select(App).where(App.deprecated.is_(False)).order_by(App.id)).all()
        versions = session.scalars(
            select(AppVersion)
            .where(AppVersion.deprecated.is_(False))
            .options(selectinload(AppVersion.files))
            .order_by(AppVersion.version_num.desc(), AppVersion.platform, AppVersion.plan_class)
        ).all()
        return tuple(
            AppView(
                name=app.name,
                user_friendly_name=app.user_friendly_name,
                versions=tuple(_version(each) for each in versions if each.appid == app.id),
            )
            for app in rows
        )


def _version(row: AppVersion) -> AppVersionView:
    files = tuple(
        AppFileView(
            name=file.name,
            nbytes=file.nbytes,
            md5=file.md5,
            sha256=file.sha256,
            signed=bool(file.signature.strip()),
            main_program=file.main_program,
        )
        for file in row.files
    )
    return AppVersionView(
        version=version_name(row.version_num),
        version_num=row.version_num,
        platform=row.platform,
        platform_name=PLATFORM_NAMES.get(row.platform, row.platform),
        plan_class=row.plan_class,
        create_time=moment(row.create_time),
        nbytes=sum(file.nbytes for file in files),
        files=files,
    )
