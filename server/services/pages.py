"""What the pages about accounts and computers show; only reads.

Every function opens its own read session and returns frozen values; nothing of the ORM leaves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from boinc_project.states import ServerState
from server.db import Database
from server.models import AppVersion, Host, HostAppVersion, Result, User
from server.services.moment import contact, moment, recent_credit
from server.services.trust_view import standing


@dataclass(frozen=True, slots=True)
class AccountView:
    """One volunteer, for their own eyes.

    Attributes
    ----------
    session_stamp : str
        Changes when the password does, which ends all sessions.
    """

    id: int
    name: str
    email_addr: str
    authenticator: str
    country: str
    create_time: datetime
    total_credit: float
    recent_credit: float
    is_admin: bool
    session_stamp: str


@dataclass(frozen=True, slots=True)
class ComputerRow:
    """One computer in a list."""

    id: int
    name: str
    processors: int
    processor: str
    system: str
    last_contact: datetime | None
    in_progress: int
    total_credit: float
    recent_credit: float


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """How a computer fares with one app version."""

    app: str
    version: str
    platform: str
    valid: int
    invalid: int
    error: int
    consecutive_valid: int
    turnaround_days: float
    daily_quota: int
    sent_today: int
    audited: int
    audits_failed: int
    standing: str


@dataclass(frozen=True, slots=True)
class ComputerView:
    """One computer, for its owner's eyes."""

    row: ComputerRow
    create_time: datetime
    client_version: str
    platform: str
    memory_bytes: float
    disk_total_bytes: float
    disk_free_bytes: float
    fpops: float
    iops: float
    last_address: str
    records: tuple[VersionRecord, ...]


def version_name(version_num: int) -> str:
    """Return an app version as people write it: 100 is 1.00."""
    return f"{version_num // 100}.{version_num % 100:02d}"


def account(database: Database, userid: int, *, now: float) -> AccountView | None:
    """Return one account, or None if there is none with this number."""
    with database.read() as session:
        user = session.get(User, userid)
        if user is None:
            return None
        return AccountView(
            id=user.id,
            name=user.name,
            email_addr=user.email_addr,
            authenticator=user.authenticator,
            country=user.country,
            create_time=moment(user.create_time),
            total_credit=user.total_credit,
            recent_credit=recent_credit(user.expavg_credit, user.expavg_time, now),
            is_admin=user.is_admin,
            session_stamp=hashlib.sha256(user.passwd_hash.encode()).hexdigest()[:16],
        )


def computers(database: Database, userid: int, *, now: float) -> tuple[ComputerRow, ...]:
    """Return a volunteer's computers, the one seen last first."""
    with database.read() as session:
        hosts = session.scalars(
            select(Host).where(Host.userid == userid).order_by(Host.rpc_time.desc(), Host.id)
        ).all()
        busy = _in_progress(session, [host.id for host in hosts])
        return tuple(_row(host, busy.get(host.id, 0), now) for host in hosts)


def computer(database: Database, userid: int, hostid: int, *, now: float) -> ComputerView | None:
    """Return one of the volunteer's computers; None if it is not theirs, or not there."""
    with database.read() as session:
        host = session.get(Host, hostid)
        if host is None or host.userid != userid:
            return None
        return ComputerView(
            row=_row(host, _in_progress(session, [hostid]).get(hostid, 0), now),
            create_time=moment(host.create_time),
            client_version=host.client_version,
            platform=host.platform_name,
            memory_bytes=host.m_nbytes,
            disk_total_bytes=host.d_total,
            disk_free_bytes=host.d_free,
            fpops=host.p_fpops,
            iops=host.p_iops,
            last_address=host.last_ip_addr,
            records=_records(session, hostid, today=int(now // 86400)),
        )


def _in_progress(session: Session, hostids: list[int]) -> dict[int, int]:
    if not hostids:
        return {}
    rows = session.execute(
        select(Result.hostid, func.count())
        .where(Result.hostid.in_(hostids), Result.server_state == ServerState.IN_PROGRESS)
        .group_by(Result.hostid)
    )
    return {hostid: count for hostid, count in rows if hostid is not None}


def _row(host: Host, in_progress: int, now: float) -> ComputerRow:
    return ComputerRow(
        id=host.id,
        name=host.domain_name,
        processors=host.p_ncpus,
        processor=f"{host.p_vendor} {host.p_model}".strip(),
        system=f"{host.os_name} {host.os_version}".strip(),
        last_contact=contact(host.rpc_time),
        in_progress=in_progress,
        total_credit=host.total_credit,
        recent_credit=recent_credit(host.expavg_credit, host.expavg_time, now),
    )


def _records(session: Session, hostid: int, *, today: int) -> tuple[VersionRecord, ...]:
    rows = session.execute(
        select(HostAppVersion, AppVersion)
        .join(AppVersion, AppVersion.id == HostAppVersion.app_version_id)
        .where(HostAppVersion.host_id == hostid)
        .order_by(AppVersion.version_num.desc(), AppVersion.id)
    )
    return tuple(
        VersionRecord(
            app=version.app.user_friendly_name,
            version=version_name(version.version_num),
            platform=version.platform,
            valid=record.n_valid,
            invalid=record.n_invalid,
            error=record.n_error,
            consecutive_valid=record.consecutive_valid,
            turnaround_days=record.turnaround_mean / 86400.0,
            daily_quota=record.max_jobs_per_day,
            sent_today=record.n_jobs_today if record.quota_day == today else 0,
            audited=record.n_audited,
            audits_failed=record.n_audit_failed,
            standing=standing(record),
        )
        for record, version in rows
    )
