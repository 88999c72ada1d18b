"""A project on each database, a clock that stands still, and workunits with real files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import func, select

from boinc_project import signing
from boinc_project.lifecycle.decision import ValidationDone
from boinc_project.lifecycle.result_events import Reported, Sent
from boinc_project.lifecycle.state import WorkunitState
from boinc_project.lifecycle.workunit import OnResult, OwnEvent, WorkunitEvent
from boinc_project.settings import Settings
from boinc_project.states import CampaignState, ClientState, ServerState, ValidateState
from server.daemons import file_deleter, transitioner
from server.db import Database
from server.models import (
    App,
    AppVersion,
    CampaignRow,
    Event,
    Host,
    Result,
    User,
    Workunit,
    WorkunitFile,
)
from server.project import Project
from server.services import lifecycle

START = 1_700_000_000.0
DELAY_BOUND = 1000.0


@dataclass
class Clock:
    """Tells the time that the test wants."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Shop:
    """A project with one app, and everybody's part at a word."""

    project: Project
    clock: Clock
    campaigns: dict[str, int] = field(default_factory=dict)

    def settle(self, limit: int = 50) -> None:
        """Let the transitioner do all that is due now."""
        for _ in range(limit):
            if not transitioner.one_pass(self.project):
                return
        raise AssertionError("the transitioner does not come to rest")

    def delete(self) -> int:
        return file_deleter.one_pass(self.project)

    def add_campaign(self, name: str, state: CampaignState = CampaignState.ACTIVE) -> int:
        with self.project.database.write() as session:
            row = CampaignRow(
                name=name,
                title=name,
                appid=session.scalars(select(App.id)).one(),
                create_time=self.clock.now,
                state=state.value,
                definition=b"{}",
            )
            session.add(row)
            session.flush()
            self.campaigns[name] = row.id
        return self.campaigns[name]

    def end_campaign(self, name: str) -> None:
        with self.project.database.write() as session:
            row = session.get(CampaignRow, self.campaigns[name])
            assert row is not None
            row.state = CampaignState.COMPLETE.value

    def add_workunit(
        self,
        name: str = "wu",
        *,
        campaign: str = "kepler-9",
        inputs: dict[str, bytes] | None = None,
        **limits: int,
    ) -> int:
        """Issue a workunit whose inputs really lie in the download directory."""
        if campaign not in self.campaigns:
            self.add_campaign(campaign)
        files = []
        for open_name, data in (inputs or {}).items():
            stored = self.project.downloads.add(physical_name(open_name, data), data)
            files.append(
                WorkunitFile(
                    name=stored.name,
                    open_name=open_name,
                    nbytes=stored.nbytes,
                    md5=stored.md5,
                    sha256=stored.sha256,
                )
            )
        chosen = {
            "min_quorum": 2,
            "target_nresults": 2,
            "max_error_results": 2,
            "max_total_results": 6,
            "max_success_results": 4,
            **limits,
        }
        with self.project.database.write() as session:
            row = Workunit(
                name=name,
                appid=session.scalars(select(App.id)).one(),
                campaign_id=self.campaigns[campaign],
                unit_index=session.scalar(select(func.count()).select_from(Workunit)),
                unit_digest="0" * 64,
                create_time=self.clock.now,
                rsc_fpops_est=1e12,
                rsc_fpops_bound=1e14,
                rsc_memory_bound=1e8,
                rsc_disk_bound=1e8,
                max_nbytes=1_000_000,
                delay_bound=DELAY_BOUND,
                transition_time=self.clock.now,
                files=files,
                **chosen,
            )
            session.add(row)
            session.flush()
            return row.id

    def add_host(self) -> Host:
        """Add a volunteer and their computer."""
        with self.project.database.write() as session:
            number = session.scalar(select(func.count()).select_from(User)) or 0
            user = User(
                create_time=self.clock.now,
                name=f"v{number}",
                email_addr=f"v{number}@example.org",
                passwd_hash="x",
                authenticator=f"{number:032x}",
                cross_project_id=f"{number:032x}",
            )
            session.add(user)
            session.flush()
            host = Host(userid=user.id, create_time=self.clock.now)
            session.add(host)
            session.flush()
            session.expunge(host)
        return host

    def change(self, workunit: int, event: WorkunitEvent, actor: str = "test") -> bool:
        project = self.project
        return lifecycle.change(project.database, project.settings, workunit, event, actor=actor)

    def on(self, workunit: int, instance: int, event: OwnEvent, actor: str = "scheduler") -> bool:
        return self.change(workunit, OnResult(instance, event), actor)

    def send(self, workunit: int, instance: int) -> Host:
        """Send a result to a new host."""
        host = self.add_host()
        deadline = self.clock.now + DELAY_BOUND
        grace = self.project.settings.scheduler.report_grace_period
        self.on(workunit, instance, Sent(self.clock.now, host.id, host.userid, deadline, grace))
        with self.project.database.write() as session:
            row = session.scalars(
                select(Result).where(Result.workunitid == workunit, Result.instance == instance)
            ).one()
            row.app_version_id = session.scalars(select(AppVersion.id)).one()
        return host

    def succeed(self, workunit: int, instance: int) -> Path:
        """Upload an output and report success; returns where the output lies."""
        path = self.project.uploads.path(self.result(workunit, instance).output_name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"output")
        report = Reported(self.clock.now, ClientState.FILES_UPLOADED, 0, 100.0, 110.0)
        self.on(workunit, instance, report)
        return path

    def fail(self, workunit: int, instance: int, exit_status: int = 10) -> None:
        report = Reported(self.clock.now, ClientState.COMPUTE_ERROR, exit_status)
        self.on(workunit, instance, report)

    def compute_all(self, workunit: int) -> list[Path]:
        """Send what is unsent to new hosts, which succeed; then look."""
        paths = []
        for one in self.state(workunit).results:
            if one.server_state is ServerState.UNSENT:
                self.send(workunit, one.instance)
                paths.append(self.succeed(workunit, one.instance))
        self.settle()
        return paths

    def agree(self, workunit: int, credit: float = 50.0) -> None:
        states = dict.fromkeys(self.state(workunit).to_check, ValidateState.VALID)
        decision = ValidationDone(self.clock.now, states, min(states), credit)
        assert self.change(workunit, decision, "validator")

    def state(self, workunit: int) -> WorkunitState:
        with self.project.database.read() as session:
            loaded = lifecycle.read(session, workunit)
            assert loaded is not None
            return loaded.state

    def result(self, workunit: int, instance: int) -> Result:
        with self.project.database.read() as session:
            return session.scalars(
                select(Result).where(Result.workunitid == workunit, Result.instance == instance)
            ).one()

    def events(self, workunit: int) -> list[Event]:
        with self.project.database.read() as session:
            chosen = select(Event).where(Event.workunitid == workunit).order_by(Event.id)
            return list(session.scalars(chosen))


def physical_name(open_name: str, data: bytes) -> str:
    return f"{hashlib.sha256(data).hexdigest()[:16]}_{open_name}"


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Shop:
    root = tmp_path / "project"
    keys = root / "keys"
    keys.mkdir(parents=True)
    signing.write_key_pair(signing.generate_key(), keys, "upload")
    clock = Clock()
    project = Project(
        Settings(root=root),
        database=database,
        clock=clock,
        secret=lambda: 2**128 - 1,  # nothing is drawn for an audit unless a test wants it
    )
    with database.write() as session:
        app = App(name="ttv_mcmc", user_friendly_name="TTV", create_time=START)
        session.add(app)
        session.flush()
        session.add(
            AppVersion(appid=app.id, version_num=100, platform="any-linux", create_time=START)
        )
    return Shop(project, clock)
