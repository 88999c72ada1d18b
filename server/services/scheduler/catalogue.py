"""What can be sent at all: apps and app versions, kept in memory in the shape of replies.

The tables are small and change when an admin publishes; they are read again when they are older
than `Project.catalogue_seconds`, so a new version is offered at most that much later, in every
process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import exists, select
from sqlalchemy.orm import selectinload

from boinc_project.lifecycle.trust import PROVEN_AFTER
from boinc_project.protocol.reply import AppInfo, AppVersionInfo, DownloadFile, FileRef
from server.db import Database
from server.models import App, AppVersion, HostAppVersion

DEFAULT_FLOPS = 1e9
"""FLOP/s assumed of a host that has not measured itself: the client's own default."""


@dataclass(frozen=True, slots=True)
class Version:
    """One usable app version."""

    id: int
    appid: int
    app: AppInfo
    version_num: int
    platform: str
    flops: float
    """FLOP/s; 0: the host's own benchmark."""
    files: tuple[DownloadFile, ...]
    refs: tuple[FileRef, ...]
    api_version: str
    homogeneous_redundancy: int = 0
    homogeneous_app_version: bool = False

    def speed(self, p_fpops: float) -> float:
        """Return the FLOP/s to tell a host that measured `p_fpops`."""
        return self.flops or p_fpops or DEFAULT_FLOPS

    def info(self, p_fpops: float) -> AppVersionInfo:
        """Return the element for a host's reply."""
        return AppVersionInfo(
            app_name=self.app.name,
            version_num=self.version_num,
            platform=self.platform,
            flops=self.speed(p_fpops),
            files=self.refs,
            api_version=self.api_version,
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All usable app versions at one moment."""

    versions: dict[int, tuple[Version, ...]] = field(default_factory=dict)
    """By app, newest first."""
    by_id: dict[int, Version] = field(default_factory=dict)
    proven: frozenset[int] = frozenset()
    """Apps for which some host is proven."""

    def best(self, appid: int, platforms: Sequence[str], min_version: int) -> Version | None:
        """Return the newest version for one of the platforms, in the host's order of preference.

        None if no version is at least `min_version`.
        """
        usable = [
            version
            for version in self.versions.get(appid, ())
            if version.version_num >= min_version and version.platform in platforms
        ]
        return min(
            usable,
            key=lambda version: (-version.version_num, platforms.index(version.platform)),
            default=None,
        )

    def runs_on(self, appid: int, platforms: Sequence[str]) -> bool:
        """Return whether the app has any version for one of the platforms."""
        return any(version.platform in platforms for version in self.versions.get(appid, ()))


class CatalogueCache:
    """The catalogue, read again when it is old.

    Parameters
    ----------
    database : Database
        Where the tables are.
    download_url : str
        What the names of application files are appended to.
    clock : Callable[[], float]
        Returns seconds.
    keep : float
        Seconds after which the tables are read again.
    """

    def __init__(
        self,
        database: Database,
        download_url: str,
        clock: Callable[[], float],
        keep: float,
    ) -> None:
        self._keep = keep
        self._database = database
        self._download_url = download_url
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._catalogue = Catalogue()

    def current(self) -> Catalogue:
        """Return the catalogue, not too old."""
        with self._lock:
            now = self._clock()
            if self._read_at is None or not 0 <= now - self._read_at < self._keep:
                self._catalogue = read_catalogue(self._database, self._download_url)
                self._read_at = now
            return self._catalogue

    def forget(self) -> None:
        """Read the tables again at the next request."""
        with self._lock:
            self._read_at = None


def read_catalogue(database: Database, download_url: str) -> Catalogue:
    """Read all usable app versions.

    Versions with a plan class are left out: which hosts they suit is a rule that we have not got.
    """
    statement = (
        select(AppVersion)
        .join(App)
        .where(
            AppVersion.deprecated.is_(False),
            App.deprecated.is_(False),
            AppVersion.plan_class == "",
        )
        .options(selectinload(AppVersion.files), selectinload(AppVersion.app))
        .order_by(AppVersion.version_num.desc(), AppVersion.id)
    )
    with database.read() as session:
        found = [_version(row, download_url) for row in session.scalars(statement)]
        proven = session.scalars(
            select(AppVersion.appid)
            .where(
                exists().where(
                    HostAppVersion.app_version_id == AppVersion.id,
                    HostAppVersion.consecutive_valid >= PROVEN_AFTER,
                )
            )
            .distinct()
        ).all()
    versions: dict[int, tuple[Version, ...]] = {}
    for version in found:
        versions[version.appid] = (*versions.get(version.appid, ()), version)
    return Catalogue(versions, {version.id: version for version in found}, proven=frozenset(proven))


def _version(row: AppVersion, download_url: str) -> Version:
    return Version(
        id=row.id,
        appid=row.appid,
        app=AppInfo(row.app.name, row.app.user_friendly_name),
        version_num=row.version_num,
        platform=row.platform,
        flops=row.flops,
        files=tuple(
            DownloadFile(
                name=file.name,
                url=download_url + file.name,
                nbytes=file.nbytes,
                signature=file.signature,
                executable=file.executable,
            )
            for file in row.files
        ),
        refs=tuple(
            FileRef(file.name, file.open_name, main_program=file.main_program) for file in row.files
        ),
        api_version=row.api_version,
        homogeneous_redundancy=row.app.homogeneous_redundancy,
        homogeneous_app_version=row.app.homogeneous_app_version,
    )
