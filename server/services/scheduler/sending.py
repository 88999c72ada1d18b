"""A result on its way to a host, as elements of the reply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from boinc_project.protocol.reply import (
    AppInfo,
    AppVersionInfo,
    DownloadFile,
    FileRef,
    OutputFile,
    ResultInfo,
    WorkunitInfo,
)
from boinc_project.signing import PrivateKey, sign_upload
from server.services.files import DownloadStore
from server.services.scheduler import statements
from server.services.scheduler.catalogue import Version


@dataclass(frozen=True, slots=True)
class Assignment:
    """A result that this host shall compute."""

    row: Any
    """Row of the result, with the columns of its workunit."""
    version: Version
    deadline: float
    """Epoch seconds, as told to the client."""


@dataclass(frozen=True, slots=True)
class Work:
    """The part of the reply that describes work."""

    apps: tuple[AppInfo, ...] = ()
    files: tuple[DownloadFile | OutputFile, ...] = ()
    app_versions: tuple[AppVersionInfo, ...] = ()
    workunits: tuple[WorkunitInfo, ...] = ()
    results: tuple[ResultInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where clients get and bring files."""

    download_url: str
    upload_url: str
    downloads: DownloadStore
    upload_key: PrivateKey


def find_inputs(connection: Connection, assignments: Sequence[Assignment]) -> dict[int, list[Any]]:
    """Return the rows of the input files, by workunit."""
    if not assignments:
        return {}
    ids = sorted({one.row.workunitid for one in assignments})
    inputs: dict[int, list[Any]] = {id_: [] for id_ in ids}
    # A power of two, so that there are few different statements; the last id fills it up.
    count = 1 << (len(ids) - 1).bit_length()
    values = {f"w{i}": ids[min(i, len(ids) - 1)] for i in range(count)}
    for row in statements.files_of_workunits(count).all(connection, values):
        inputs[row.workunitid].append(row)
    return inputs


def describe(
    assignments: Sequence[Assignment],
    inputs: Mapping[int, Sequence[Any]],
    places: Places,
    *,
    p_fpops: float,
) -> Work:
    """Return the elements for `assignments`, each app, version and file once.

    Parameters
    ----------
    inputs : Mapping[int, Sequence[Row]]
        See `find_inputs`.
    p_fpops : float
        The host's own benchmark, FLOP/s.
    """
    if not assignments:
        return Work()
    versions = {one.version.id: one.version for one in assignments}.values()
    units = {one.row.workunitid: one for one in assignments}.values()
    files: list[DownloadFile | OutputFile] = [file for one in versions for file in one.files]
    files += _inputs((row for rows in inputs.values() for row in rows), places)
    files += [_output(one, places) for one in assignments]
    return Work(
        apps=tuple(dict.fromkeys(one.app for one in versions)),
        files=tuple(dict.fromkeys(files)),
        app_versions=tuple(one.info(p_fpops) for one in versions),
        workunits=tuple(_workunit(one, inputs[one.row.workunitid]) for one in units),
        results=tuple(_result(one) for one in assignments),
    )


def _inputs(rows: Iterable[Any], places: Places) -> list[DownloadFile]:
    return [
        DownloadFile(
            name=row.name,
            url=places.download_url + places.downloads.url_path(row.name),
            nbytes=row.nbytes,
            md5=row.md5,
        )
        for row in rows
    ]


def _output(one: Assignment, places: Places) -> OutputFile:
    name, max_nbytes = one.row.output_name, one.row.max_nbytes
    certificate = sign_upload(name, max_nbytes, places.upload_key)
    return OutputFile(name, max_nbytes, places.upload_url, certificate)


def _workunit(one: Assignment, inputs: Sequence[Any]) -> WorkunitInfo:
    row = one.row
    return WorkunitInfo(
        name=row.workunit_name,
        app_name=one.version.app.name,
        rsc_fpops_est=row.rsc_fpops_est,
        rsc_fpops_bound=row.rsc_fpops_bound,
        rsc_memory_bound=row.rsc_memory_bound,
        rsc_disk_bound=row.rsc_disk_bound,
        files=tuple(FileRef(file.name, file.open_name) for file in inputs),
    )


def _result(one: Assignment) -> ResultInfo:
    return ResultInfo(
        name=one.row.name,
        wu_name=one.row.workunit_name,
        report_deadline=int(one.deadline),
        platform=one.version.platform,
        version_num=one.version.version_num,
        files=(FileRef(one.row.output_name, one.row.output_open_name),),
    )
