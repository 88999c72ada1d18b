"""A project with one app and some workunits, and clients that speak the protocol to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from boinc_project.protocol.reply import SchedulerReply
from boinc_project.protocol.reply_parser import parse_scheduler_reply
from boinc_project.protocol.request import (
    DiskUsage,
    HostInfo,
    ReportedResult,
    SchedulerRequest,
    WorkRequest,
)
from boinc_project.protocol.request_writer import scheduler_request_bytes
from boinc_project.settings import settings_from
from boinc_project.signing import PrivateKey, generate_key, sign
from boinc_project.states import ClientState
from server.app import create_app
from server.db import Database
from server.models import (
    App,
    AppVersion,
    AppVersionFile,
    CampaignRow,
    Event,
    Host,
    HostAppVersion,
    Result,
    User,
    Workunit,
    WorkunitFile,
)

LINUX = "x86_64-pc-linux-gnu"
START = 1_700_000_000.0
HOUR = 3600.0
DAY = 86400.0


@cache
def key_pair(name: str) -> PrivateKey:
    """Return a key pair, the same for every test of a run."""
    del name
    return generate_key()


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = START

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Client:
    """One data directory: knows its host id, counts its requests, remembers the key."""

    world: World
    key: str
    hostid: int = 0
    rpc_seqno: int = 0
    code_sign_key: str = ""
    platforms: tuple[str, ...] = (LINUX,)
    host: HostInfo = field(
        default_factory=lambda: HostInfo(
            host_cpid="c" * 32,
            p_ncpus=2,
            p_fpops=1e9,
            m_nbytes=8e9,
            d_total=1e12,
            d_free=1e11,
            os_name="Linux",
            p_model="CPU",
        )
    )
    hand: list[str] = field(default_factory=list)
    """Tasks that the client has."""

    def request(self, **changes: Any) -> SchedulerRequest:
        """Return the request that the client would send now."""
        base = SchedulerRequest(
            authenticator=self.key,
            hostid=self.hostid,
            rpc_seqno=self.rpc_seqno,
            platforms=self.platforms,
            client_version=(7, 20, 5),
            host=self.host,
            disk=DiskUsage(d_project_share=1e11),
            other_results=tuple(self.hand),
            code_sign_key=self.code_sign_key,
        )
        return replace(base, **changes)

    def send(self, request: SchedulerRequest) -> SchedulerReply:
        """Send a request, and forget the answer."""
        response = self.world.http.post(
            "/scheduler",
            data=scheduler_request_bytes(request),
            content_type="application/x-www-form-urlencoded",
        )
        assert response.status_code == 200, response.text
        return parse_scheduler_reply(response.data)

    def rpc(self, **changes: Any) -> SchedulerReply:
        """Send a request, and do what the client does with the answer."""
        reply = self.send(self.request(**changes))
        if reply.project_is_down:
            return reply
        if reply.hostid is not None:
            self.hostid, self.rpc_seqno = reply.hostid, 0
        else:
            self.rpc_seqno += 1
        if reply.code_sign_key and (not self.code_sign_key or reply.code_sign_key_signature):
            self.code_sign_key = reply.code_sign_key
        self.hand = [name for name in self.hand if name not in reply.result_acks]
        self.hand += [result.name for result in reply.results if result.name not in self.hand]
        return reply

    def ask(self, seconds: float = 1.0, instances: float = 0.0, **changes: Any) -> SchedulerReply:
        """Ask for work."""
        return self.rpc(work=WorkRequest(seconds, instances), **changes)

    def report(self, *names: str, **changes: Any) -> SchedulerReply:
        """Report tasks as done."""
        ok = {"state": ClientState.FILES_UPLOADED, "exit_status": 0}
        outcome = {name: changes.pop(name) for name in ("state", "exit_status") if name in changes}
        reported = tuple(
            ReportedResult(name=name, cpu_time=5.0, elapsed_time=6.0, **(ok | outcome))
            for name in names
        )
        left = tuple(name for name in self.hand if name not in names)
        return self.rpc(results=reported, **({"other_results": left} | changes))


class World:
    """The project as tests set it up and look at it."""

    def __init__(self, database: Database, app: Flask, clock: Clock) -> None:
        self.database = database
        self.app = app
        self.clock = clock
        self.http = app.test_client()
        self.n_users = 0

    def user(self) -> str:
        """Make an account; returns its key."""
        self.n_users += 1
        key = hashlib.md5(f"user {self.n_users}".encode()).hexdigest()
        self.add(
            User(
                create_time=START,
                name=f"User {self.n_users}",
                email_addr=f"user{self.n_users}@example.org",
                passwd_hash="unused",
                authenticator=key,
                cross_project_id=key[::-1],
            )
        )
        return key

    def client(self, key: str | None = None, **changes: Any) -> Client:
        """Return a client, of a user of its own unless `key` says whose."""
        return Client(self, key or self.user(), **changes)

    def add(self, *rows: Any) -> None:
        """Insert rows."""
        with self.database.write() as session:
            session.expire_on_commit = False
            session.add_all(rows)

    def app_version(self, version_num: int = 100, platform: str = LINUX, **changes: Any) -> int:
        """Publish an app version with a main program and an archive; returns its id."""
        with self.database.write() as session:
            app = session.scalar(select(App).where(App.name == "ttv"))
            assert app is not None
            version = AppVersion(
                appid=app.id,
                version_num=version_num,
                platform=platform,
                create_time=START,
                **({"flops": 1e9} | changes),
            )
            stem = f"ttv_{version_num}_{platform}"
            version.files = [
                AppVersionFile(
                    name=name,
                    open_name=open_name,
                    main_program=not open_name,
                    executable=not open_name,
                    nbytes=len(name),
                    md5="0" * 32,
                    sha256="0" * 64,
                    signature=sign(name.encode(), key_pair("code")),
                )
                for name, open_name in ((stem, ""), (f"{stem}.tar.gz", "app.tar.gz"))
            ]
            session.add(version)
            session.flush()
            return version.id

    def campaign(self, name: str = "kepler-9", **changes: Any) -> int:
        """Make a campaign; returns its id."""
        with self.database.write() as session:
            app = session.scalar(select(App).where(App.name == "ttv"))
            assert app is not None
            row = CampaignRow(
                name=name,
                title=name.title(),
                appid=app.id,
                create_time=START,
                definition=b"{}",
                **changes,
            )
            session.add(row)
            session.flush()
            return row.id

    def workunits(self, count: int = 1, *, campaign: int, copies: int = 1, **changes: Any) -> None:
        """Issue workunits with UNSENT results."""
        with self.database.write() as session:
            row = session.get(CampaignRow, campaign)
            assert row is not None
            taken = session.query(Workunit).filter(Workunit.campaign_id == campaign).count()
            for index in range(taken, taken + count):
                name = f"{row.name}_g0_u{index:03d}"
                priority = changes.get("priority", 0)
                unit = Workunit(
                    name=name,
                    appid=row.appid,
                    campaign_id=campaign,
                    unit_index=index,
                    unit_digest="0" * 64,
                    create_time=START,
                    transition_time=float(2**31 - 1),
                    **(
                        {
                            "rsc_fpops_est": 1e12,
                            "rsc_fpops_bound": 1e15,
                            "rsc_memory_bound": 1e9,
                            "rsc_disk_bound": 1e9,
                            "max_nbytes": 1_000_000,
                            "delay_bound": 7 * DAY,
                            "min_quorum": 2,
                            "target_nresults": 2,
                            "max_error_results": 3,
                            "max_total_results": 8,
                            "max_success_results": 6,
                        }
                        | changes
                    ),
                )
                unit.files = [
                    WorkunitFile(
                        name=f"{name}_unit.json",
                        open_name="unit.json",
                        nbytes=17,
                        md5="1" * 32,
                        sha256="1" * 64,
                    ),
                    WorkunitFile(
                        name="transits_ab12.csv",
                        open_name="transits.csv",
                        nbytes=99,
                        md5="2" * 32,
                        sha256="2" * 64,
                    ),
                ]
                session.add(unit)
                session.flush()
                session.add_all(
                    Result(
                        name=f"{name}_{copy}",
                        workunitid=unit.id,
                        appid=row.appid,
                        instance=copy,
                        create_time=START,
                        priority=priority,
                        output_name=f"{name}_{copy}_r00ff_0",
                    )
                    for copy in range(copies)
                )

    def result(self, name: str) -> Result:
        """Return a result's row."""
        with self.database.read() as session:
            row = session.scalars(select(Result).where(Result.name == name)).one()
            session.expunge_all()
            return row

    def workunit(self, name: str) -> Workunit:
        """Return a workunit's row."""
        with self.database.read() as session:
            row = session.scalars(select(Workunit).where(Workunit.name == name)).one()
            session.expunge_all()
            return row

    def hosts(self) -> list[Host]:
        """Return all hosts."""
        with self.database.read() as session:
            rows = list(session.scalars(select(Host).order_by(Host.id)))
            session.expunge_all()
            return rows

    def record(self, hostid: int) -> HostAppVersion | None:
        """Return the host's record with its only app version."""
        with self.database.read() as session:
            wanted = select(HostAppVersion).where(HostAppVersion.host_id == hostid)
            row = session.scalars(wanted).one_or_none()
            session.expunge_all()
            return row

    def story(self, result: str) -> list[str]:
        """Return the kinds of a result's events."""
        with self.database.read() as session:
            wanted = (
                select(Event.kind)
                .join(Result, Result.id == Event.resultid)
                .where(Result.name == result)
                .order_by(Event.id)
            )
            return list(session.scalars(wanted))

    def change(self, table: type[Any], name: str, **values: Any) -> None:
        """Change a row found by its name."""
        with self.database.write() as session:
            row = session.scalars(select(table).where(table.name == name)).one()
            for column, value in values.items():
                setattr(row, column, value)


def make_world(database: Database, root: Path, **sections: Any) -> World:
    """Return a project with an app, without versions, campaigns or workunits."""
    keys = root / "keys"
    keys.mkdir(parents=True)
    upload = key_pair("upload")
    (keys / "upload_private").write_text(upload.to_text())
    (keys / "upload_public").write_text(upload.public.to_text())
    (keys / "code_sign_public").write_text(key_pair("code").public.to_text())
    (keys / "session_key").write_bytes(b"0" * 32)
    clock = Clock()
    settings = settings_from(sections, root=root)
    world = World(database, create_app(settings, database=database, clock=clock), clock)
    world.add(App(name="ttv", user_friendly_name="Transit timing", create_time=START))
    return world


@pytest.fixture
def empty_world(database: Database, tmp_path: Path) -> World:
    """Return a project without versions, campaigns and workunits."""
    return make_world(database, tmp_path)


@pytest.fixture
def world(empty_world: World) -> World:
    """Return a project with an app version and a campaign."""
    empty_world.app_version()
    empty_world.campaign()
    return empty_world


@pytest.fixture
def campaign(world: World) -> int:
    """Return the id of the campaign."""
    with world.database.read() as session:
        return session.scalars(select(CampaignRow.id)).one()


@pytest.fixture
def make(database: Database, tmp_path: Path) -> Any:
    """Return a function that makes a project with settings of its own."""

    def build(**sections: Any) -> World:
        return make_world(database, tmp_path, **sections)

    return build
