"""A temporary project for a simulation: rows, keys, files, and the daemons' passes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from flask import Flask
from sqlalchemy import event, insert, select

from boinc_project import signing
from boinc_project.campaign import Quorum
from boinc_project.judge import Judge
from boinc_project.lifecycle.campaign import CampaignLife
from boinc_project.lifecycle.state import limits_of_workunit, new_workunit
from boinc_project.lifecycle.workunit import Assimilated
from boinc_project.settings import settings_from
from boinc_project.states import AssimilateState, ServerState
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict
from server.app import create_app
from server.daemons import transitioner, validator
from server.db import Database, make_engine
from server.models import (
    App,
    AppVersion,
    AppVersionFile,
    CampaignRow,
    Result,
    User,
    Workunit,
    WorkunitFile,
)
from server.project import EXTENSION, Project
from server.schema import upgrade
from server.services import lifecycle
from server.services.campaign_issue import CANARY_SHARE
from server.services.campaign_life import columns_of
from server.services.state_rows import new_workunit_columns
from server.services.watching import watch
from server.simulation import app as simulated
from server.simulation.hosts import CORE_FPOPS, PLATFORMS

START = 1_700_000_000.0
"""Epoch seconds at which every simulation begins."""

CAMPAIGN = "simulated"
_MOST_PASSES = 1000
WATCH_SECONDS = 4 * 3600.0
"""Virtual seconds between two looks for faults; a real server looks every minute."""
KEEP_SECONDS = 1e9
"""``daemons.delete_delay`` of a simulation. Nothing is deleted, since nothing is gained by it. With
a shorter one every finished unit is looked at every day as long as the campaign runs: most of a
long simulation's time, for nothing."""


@dataclass(slots=True)
class VirtualClock:
    """Tells the time that the simulation has reached."""

    now: float = START

    def __call__(self) -> float:
        """Return the virtual time, epoch seconds."""
        return self.now


@dataclass(frozen=True, slots=True)
class Work:
    """What the campaign is.

    Attributes
    ----------
    units : int
        How many.
    hours : float
        What one takes on a core of 3 GFLOP/s.
    quorum : Quorum
        Its limits; `adaptive` lets proven hosts compute alone.
    """

    units: int = 2000
    hours: float = 0.75
    quorum: Quorum = field(default_factory=lambda: Quorum(adaptive=True))

    @property
    def fpops(self) -> float:
        """Floating-point operations of a unit."""
        return self.hours * 3600.0 * CORE_FPOPS


class World:
    """The project of one simulation.

    Parameters
    ----------
    root : Path
        An empty directory.
    work : Work
        The campaign.
    sections : dict[str, dict[str, Any]]
        Sections of ``openastro.toml`` that are not at their defaults.
    rng : numpy.random.Generator
        Stands in for the secret generator, so that a run can be repeated.
    """

    def __init__(
        self,
        root: Path,
        work: Work,
        sections: dict[str, dict[str, Any]],
        rng: np.random.Generator,
    ) -> None:
        self.root, self.work = root, work
        self.clock = VirtualClock()
        _make_keys(root / "keys")
        daemons = {"delete_delay": KEEP_SECONDS, **sections.get("daemons", {})}
        settings = settings_from({**sections, "daemons": daemons}, root=root)
        engine = make_engine(settings.database_url)
        event.listen(engine, "connect", _no_sync)
        self.database = Database(engine)
        upgrade(self.database)
        self.flask: Flask = create_app(settings, database=self.database, clock=self.clock)
        self.project: Project = self.flask.extensions[EXTENSION]
        self.project.secret = lambda: int.from_bytes(rng.bytes(16))
        self.n_audit = 0
        """Audits made; hosts whose outputs are the same bytes share one."""
        self.project.validators = self._validator
        # Virtual seconds are short: what is published does not change, who is proven does slowly.
        self.project.catalogue_seconds = 3600.0
        self.digests: dict[str, str] = {}
        """Of units, by the workunit's name."""

    def _validator(self, name: str) -> Judge:
        assert name == simulated.APP

        def audit(*arguments: Any, **options: Any) -> Verdict:
            self.n_audit += 1
            return simulated.audit(*arguments, **options)

        return cast(Judge, SimpleNamespace(**{**vars(simulated), "audit": audit}))

    def publish(self) -> None:
        """Add the app, and a version for every platform."""
        with self.database.write() as session:
            app = App(name=simulated.APP, user_friendly_name="Simulated", create_time=START)
            session.add(app)
            session.flush()
            for platform, *_ in PLATFORMS:
                name = f"simulated_100_{platform}"
                main = AppVersionFile(
                    name=name,
                    main_program=True,
                    executable=True,
                    nbytes=1,
                    md5="0" * 32,
                    sha256="0" * 64,
                    signature="none",
                )
                session.add(
                    AppVersion(
                        appid=app.id,
                        version_num=100,
                        platform=platform,
                        create_time=START,
                        files=[main],
                    )
                )

    def issue(self) -> None:
        """Add the campaign and its units, as `server.services.campaign_issue` does."""
        quorum, work = self.work.quorum, self.work
        trial = self.project.settings.trust.canary_units
        canary = trial if work.units >= CANARY_SHARE * trial else 0
        life = CampaignLife(CAMPAIGN, next_generation=1, canary=canary)
        with self.database.write() as session:
            row = CampaignRow(
                name=CAMPAIGN,
                title="Simulated",
                appid=session.scalars(select(App.id)).one(),
                create_time=START,
                definition=b"{}",
                **columns_of(life),
            )
            session.add(row)
            session.flush()
            for index in range(work.units):
                session.add(self._workunit(row, index, quorum))

    def _workunit(self, row: CampaignRow, index: int, quorum: Quorum) -> Workunit:
        unit = Unit(simulated.APP, 100, CAMPAIGN, 1, 0, index, {"fpops": self.work.fpops})
        data = unit.to_bytes()
        name = f"unit_{unit.digest[:16]}.json"
        # Not durably: nothing of a simulation must outlive it.
        path = self.project.downloads.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.digests[unit.name] = unit.digest
        limits = limits_of_workunit(quorum, alone=quorum.adaptive)
        file = WorkunitFile(
            name=name,
            open_name="unit.json",
            nbytes=len(data),
            md5=hashlib.md5(data).hexdigest(),
            sha256=unit.digest,
        )
        return Workunit(
            name=unit.name,
            appid=row.appid,
            campaign_id=row.id,
            unit_index=index,
            unit_digest=unit.digest,
            create_time=START,
            rsc_fpops_est=self.work.fpops,
            rsc_fpops_bound=100.0 * self.work.fpops,
            rsc_memory_bound=1e8,
            rsc_disk_bound=1e8,
            max_nbytes=simulated.MAX_NBYTES,
            files=[file],
            **new_workunit_columns(new_workunit(limits, START)),
        )

    def add_users(self, count: int) -> list[str]:
        """Add accounts; returns their keys."""
        keys = [hashlib.md5(f"simulated {one}".encode()).hexdigest() for one in range(count)]
        rows = [
            {
                "create_time": START,
                "name": f"User {one}",
                "email_addr": f"user{one}@example.org",
                "passwd_hash": "none",
                "authenticator": key,
                "cross_project_id": key[::-1],
                "country": "",
                "venue": "",
            }
            for one, key in enumerate(keys)
        ]
        with self.database.write() as session:
            session.execute(insert(User), rows)
        return keys

    def run_daemons(self) -> None:
        """Let the daemons do all that is due now."""
        for one_pass in (transitioner.one_pass, validator.one_pass, transitioner.one_pass):
            _until_idle(one_pass, self.project)
        self._assimilate()
        if self.clock.now - self.project.looked.get("campaigns", 0.0) >= WATCH_SECONDS:
            watch(self.project, actor="watch")

    def has_work(self) -> bool:
        """Tell whether any result waits to be sent; only the daemons' passes make new ones."""
        waiting = select(Result.id).where(Result.server_state == ServerState.UNSENT).limit(1)
        with self.database.read() as session:
            return session.scalar(waiting) is not None

    def _assimilate(self) -> None:
        ready = select(Workunit.id).where(Workunit.assimilate_state == AssimilateState.READY)
        with self.database.write() as session:
            for number in session.scalars(ready).all():
                loaded = lifecycle.load(session, self.database, number)
                assert loaded is not None
                lifecycle.apply(
                    session,
                    self.database,
                    loaded,
                    Assimilated(self.clock.now),
                    actor="assimilator",
                    settings=self.project.settings,
                )


def _until_idle(one_pass: Callable[[Project], int], project: Project) -> None:
    for _ in range(_MOST_PASSES):
        if not one_pass(project):
            return


def _make_keys(keys: Path) -> None:
    keys.mkdir(parents=True)
    signing.write_key_pair(signing.generate_key(), keys, "upload")
    signing.write_key_pair(signing.generate_key(), keys, "code_sign")
    (keys / "session_key").write_bytes(b"a simulation has no sessions....")


def _no_sync(connection: Any, record: Any) -> None:
    del record
    connection.execute("PRAGMA synchronous = OFF")
