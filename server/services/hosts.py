"""Which computer is it? Host records, found or made by what a scheduler request says.

The rules are those of ``sched/handle_request.cpp``. A client counts its RPCs; a smaller count than
the last one means that a data directory was copied, and the copy gets a record of its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from boinc_project.protocol.request import HostInfo, SchedulerRequest
from server.models import Host
from server.prepared import Prepared

_HOSTS = cast(Table, Host.__table__)

_BY_ID = Prepared(select(_HOSTS).where(_HOSTS.c.id == bindparam("hostid")).with_for_update())
_BY_CPID = Prepared(
    select(_HOSTS)
    .where(
        _HOSTS.c.host_cpid == bindparam("host_cpid"),
        _HOSTS.c.userid == bindparam("userid"),
        _HOSTS.c.id != bindparam("not_this"),
    )
    .order_by(_HOSTS.c.id.desc())
    .limit(1)
    .with_for_update()
)
_ALIKE = Prepared(
    select(_HOSTS)
    .where(
        _HOSTS.c.userid == bindparam("userid"),
        _HOSTS.c.domain_name == bindparam("domain_name"),
        _HOSTS.c.last_ip_addr == bindparam("last_ip_addr"),
        _HOSTS.c.os_name == bindparam("os_name"),
        _HOSTS.c.p_model == bindparam("p_model"),
        _HOSTS.c.m_nbytes == bindparam("m_nbytes"),
        _HOSTS.c.id != bindparam("not_this"),
    )
    .order_by(_HOSTS.c.id.desc())
    .limit(1)
    .with_for_update()
)
_CHANGING = (
    "rpc_seqno",
    "rpc_time",
    "host_cpid",
    "domain_name",
    "last_ip_addr",
    "timezone",
    "p_ncpus",
    "p_vendor",
    "p_model",
    "p_features",
    "p_fpops",
    "p_iops",
    "m_nbytes",
    "d_total",
    "d_free",
    "on_frac",
    "active_frac",
    "os_name",
    "os_version",
    "platform_name",
    "client_version",
)
_UPDATE = Prepared(
    update(_HOSTS)
    .where(_HOSTS.c.id == bindparam("this"))
    .values({name: bindparam(f"new_{name}") for name in _CHANGING})
)


@dataclass(frozen=True, slots=True)
class IdentifiedHost:
    """The record of the computer that sent a request.

    Attributes
    ----------
    id : int
        The host's id from now on.
    changed : bool
        Whether the client does not know this id yet, and must be told.
    found : bool
        Whether a record was found for a client that did not know its id: it may have been reset,
        and then holds nothing of what the record was given.
    create_time, total_credit, expavg_credit, venue
        Of the record.
    """

    id: int
    changed: bool
    found: bool
    create_time: float
    total_credit: float
    expavg_credit: float
    venue: str


def identify(
    connection: Connection, request: SchedulerRequest, user: Any, *, now: float
) -> IdentifiedHost:
    """Return the host's record, kept up to date; made if there is none.

    Parameters
    ----------
    connection : Connection
        A write transaction; on PostgreSQL the host's row stays locked in it.
    request : SchedulerRequest
        What the client says.
    user : Row
        The account's row.
    now : float
        Epoch seconds.
    """
    values = _values(request, user, now)
    known: Any = None
    if request.hostid:
        known = _BY_ID.first(connection, {"hostid": request.hostid})
        if known is not None and known.userid == user.id and request.rpc_seqno >= known.rpc_seqno:
            _update(connection, known.id, values)
            return _identified(known, changed=False, found=False)
    # Unknown, somebody else's, or a copy of a data directory: never this very record. A client that
    # is told a new id counts from 0 again.
    values["rpc_seqno"] = 0
    alike = _find(connection, request, values, user.id, not_this=request.hostid)
    if alike is not None:
        _update(connection, alike.id, values)
        return _identified(alike, changed=True, found=True)
    venue = user.venue
    made = connection.execute(
        insert(_HOSTS)
        .values(userid=user.id, create_time=now, venue=venue, **values)
        .returning(_HOSTS.c.id)
    ).scalar_one()
    return IdentifiedHost(int(made), True, False, now, 0.0, 0.0, venue)


def _identified(row: Any, *, changed: bool, found: bool) -> IdentifiedHost:
    return IdentifiedHost(
        id=row.id,
        changed=changed,
        found=found,
        create_time=row.create_time,
        total_credit=row.total_credit,
        expavg_credit=row.expavg_credit,
        venue=row.venue,
    )


def _find(
    connection: Connection,
    request: SchedulerRequest,
    values: dict[str, Any],
    userid: int,
    *,
    not_this: int,
) -> Any | None:
    wanted = {"userid": userid, "not_this": not_this}
    if request.hostid == 0 and values["host_cpid"]:
        row = _BY_CPID.first(connection, wanted | {"host_cpid": values["host_cpid"]})
        if row is not None:
            return row
    # Several clients on one computer are alike in all that is compared below; and without a name
    # and an address too little is left to compare.
    host = request.host
    if request.allow_multiple_clients or not host.domain_name or not host.ip_addr:
        return None
    names = ("domain_name", "last_ip_addr", "os_name", "p_model", "m_nbytes")
    return _ALIKE.first(connection, wanted | {name: values[name] for name in names})


def _update(connection: Connection, hostid: int, values: dict[str, Any]) -> None:
    _UPDATE.run(connection, {"this": hostid} | {f"new_{name}": values[name] for name in _CHANGING})


def _values(request: SchedulerRequest, user: Any, now: float) -> dict[str, Any]:
    host: HostInfo = request.host
    return {
        "rpc_seqno": request.rpc_seqno,
        "rpc_time": now,
        "host_cpid": internal_cpid(host.host_cpid, user.email_addr),
        "domain_name": host.domain_name,
        "last_ip_addr": host.ip_addr,
        "timezone": host.timezone,
        "p_ncpus": host.p_ncpus,
        "p_vendor": host.p_vendor,
        "p_model": host.p_model,
        "p_features": host.p_features,
        "p_fpops": host.p_fpops,
        "p_iops": host.p_iops,
        "m_nbytes": host.m_nbytes,
        "d_total": host.d_total,
        "d_free": host.d_free,
        "on_frac": request.time_stats.on_frac,
        "active_frac": request.time_stats.active_frac,
        "os_name": host.os_name,
        "os_version": host.os_version,
        "platform_name": request.platforms[0] if request.platforms else "",
        "client_version": ".".join(map(str, request.client_version)),
    }


def internal_cpid(host_cpid: str, email_addr: str) -> str:
    """Return what a host's own random name is stored as: nobody can tell hosts of others by it."""
    return hashlib.md5((host_cpid + email_addr).encode()).hexdigest() if host_cpid else ""
