"""The shop with an app that can be audited, hosts with records, and a secret that tests choose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import select

from boinc_project.judge import Judge
from boinc_project.lifecycle.result_events import Reported, Sent
from boinc_project.states import ClientState
from boinc_project.unit import Unit
from server.daemons import validator
from server.models import AppVersion, Event, Host, HostAppVersion, Result, User, Workunit
from server.project import Project
from server.simulation import app
from tests.integration.daemons.conftest import Shop

ALWAYS, NEVER = 0, 2**128 - 1
"""Secret bits: a draw of 0 is below every rate, the highest is below none but 1."""


@dataclass
class Bits:
    """The secret generator: tells what the test wants, and keeps what it told."""

    lottery: int = NEVER
    drawn: list[int] = field(default_factory=list)

    def __call__(self) -> int:
        self.drawn.append(self.lottery)
        return self.lottery


class Trusting:
    """A campaign of the tiny app whose units may rest on one host's word."""

    def __init__(self, shop: Shop, validators: Callable[[str], Judge] = lambda name: app) -> None:
        self.shop = shop
        self.bits = Bits()
        project = shop.project
        self.project = Project(
            project.settings,
            database=project.database,
            clock=project.clock,
            secret=self.bits,
            validators=validators,
        )
        shop.project = self.project
        self.units: dict[int, Unit] = {}

    def issue(self, *, alone: bool = True, fpops: float = 1e12, copies: int = 0) -> int:
        """Issue a unit; `alone` is what the scheduler makes of a host it believes."""
        unit = Unit(app.APP, 100, "kepler-9", 1, 0, len(self.units), {"fpops": fpops})
        return self.add(unit, alone=alone, fpops=fpops, copies=copies)

    def add(
        self,
        unit: Unit,
        inputs: dict[str, bytes] | None = None,
        *,
        alone: bool,
        fpops: float,
        copies: int = 0,
    ) -> int:
        """Issue a unit that is given, as an adaptive campaign does; `copies` may be more."""
        quorum = 1 if alone else 2
        number = self.shop.add_workunit(
            unit.name,
            inputs={"unit.json": unit.to_bytes(), **(inputs or {})},
            min_quorum=quorum,
            target_nresults=max(copies, quorum),
            full_quorum=2,
        )
        with self.project.database.write() as session:
            row = session.get_one(Workunit, number)
            row.unit_digest, row.rsc_fpops_est = unit.digest, fpops
        self.units[number] = unit
        self.shop.settle()
        return number

    def host(self, streak: int = 0, **record: int) -> Host:
        """Add a host with a record."""
        host = self.shop.add_host()
        with self.project.database.write() as session:
            version = session.scalars(select(AppVersion.id)).one()
            session.add(
                HostAppVersion(
                    host_id=host.id, app_version_id=version, consecutive_valid=streak, **record
                )
            )
        return host

    def compute(
        self,
        workunit: int,
        host: Host,
        *,
        wrong: int = 0,
        forger: str = "",
        instance: int = -1,
        seconds: float = 0.0,
        speed: float = 0.0,
    ) -> None:
        """Let a host compute the next result; `wrong` of its segments are made up."""
        data = app.output_bytes(
            self.units[workunit].digest,
            frozenset(range(wrong)),
            forger=forger or f"host {host.id}",
        )
        self.deliver(workunit, host, data, instance=instance, seconds=seconds, speed=speed)

    def deliver(
        self,
        workunit: int,
        host: Host,
        data: bytes,
        *,
        instance: int = -1,
        seconds: float = 0.0,
        speed: float = 0.0,
    ) -> None:
        """Send the next result to a host, which uploads `data` and reports after so many seconds.

        `speed` is what it measured.
        """
        clock = self.shop.clock
        waiting = [one for one in self.shop.state(workunit).results if one.waiting]
        instance = waiting[0].instance if instance < 0 else instance
        self.shop.on(workunit, instance, Sent(clock.now, host.id, host.userid, clock.now + 1e5))
        clock.now += seconds
        with self.project.database.write() as session:
            session.get_one(Host, host.id).p_fpops = speed
            row = session.scalars(
                select(Result).where(Result.workunitid == workunit, Result.instance == instance)
            ).one()
            row.app_version_id = session.scalars(select(AppVersion.id)).one()
            name = row.output_name
        path = self.project.uploads.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        report = Reported(clock.now, ClientState.FILES_UPLOADED, 0, 100.0, 110.0)
        self.shop.on(workunit, instance, report)
        self.shop.settle()

    def evidence(self, workunit: int) -> Event:
        """Return the latest numbers behind a decision."""
        return [one for one in self.shop.events(workunit) if one.kind == "evidence"][-1]

    def record(self, host: Host) -> HostAppVersion:
        with self.project.database.read() as session:
            return session.scalars(
                select(HostAppVersion).where(HostAppVersion.host_id == host.id)
            ).one()

    def credit(self, host: Host) -> tuple[float, float]:
        with self.project.database.read() as session:
            return (
                session.get_one(Host, host.id).total_credit,
                session.get_one(User, host.userid).total_credit,
            )

    def kinds(self, workunit: int) -> list[str]:
        return [event.kind for event in self.shop.events(workunit)]

    def validate(self) -> None:
        validator.one_pass(self.project)
        self.shop.settle()
