"""Whom the server believes: real rows and files, real audits of a tiny app, both databases."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select

from boinc_project.lifecycle.effects import EventKind
from boinc_project.lifecycle.result import Reported, Sent
from boinc_project.states import AssimilateState, CampaignState, ClientState, ValidateState
from boinc_project.unit import Unit
from server.daemons import validator
from server.models import (
    AppVersion,
    CampaignRow,
    Event,
    Host,
    HostAppVersion,
    ProductRow,
    Result,
    User,
    Workunit,
)
from server.project import Project
from server.services.reopening import reopen_all
from server.simulation import app
from tests.integration.daemons.conftest import Shop

ALWAYS, NEVER = 0, 2**128 - 1
"""Secret bits: a draw of 0 is below every rate, the highest is below none but 1."""


@dataclass
class Bits:
    """The secret generator: tells what the test wants, then counts on."""

    lottery: int = NEVER
    drawn: list[int] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def __call__(self) -> int:
        self.drawn.append(self.lottery)
        return self.lottery


class Trusting:
    """A campaign of the tiny app whose units may rest on one host's word."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.bits = Bits()
        project = shop.project
        self.project = Project(
            project.settings,
            database=project.database,
            clock=project.clock,
            secret=self.bits,
            validators=lambda name: app,
        )
        shop.project = self.project
        self.units: dict[int, Unit] = {}

    def issue(self, *, alone: bool = True, fpops: float = 1e12) -> int:
        """Issue a unit; `alone` is what the scheduler makes of a host it believes."""
        index = len(self.units)
        unit = Unit(app.APP, 100, "kepler-9", 1, 0, index, {"fpops": fpops})
        quorum = 1 if alone else 2
        number = self.shop.add_workunit(
            unit.name,
            inputs={"unit.json": unit.to_bytes()},
            min_quorum=quorum,
            target_nresults=quorum,
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
        """Let a host compute the next result; `wrong` of its segments are made up.

        `seconds` pass meanwhile; `speed` is what the host measured.
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
        segments = frozenset(range(wrong))
        forger = forger or f"host {host.id}"
        path.write_bytes(app.output_bytes(self.units[workunit].digest, segments, forger=forger))
        report = Reported(clock.now, ClientState.FILES_UPLOADED, 0, 100.0, 110.0)
        self.shop.on(workunit, instance, report)
        self.shop.settle()

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


@pytest.fixture
def trusting(shop: Shop) -> Trusting:
    return Trusting(shop)


def test_a_proven_host_alone_is_believed_without_an_audit_when_none_is_drawn(
    trusting: Trusting,
) -> None:
    host = trusting.host(streak=50, n_audited=200)
    workunit = trusting.issue()
    trusting.compute(workunit, host)
    trusting.validate()
    assert trusting.shop.state(workunit).canonical == 0
    assert trusting.record(host).n_audited == 200
    # An unconfirmed result is credited, and earns no trust.
    assert trusting.record(host).consecutive_valid == 50
    assert trusting.credit(host)[0] > 0


def test_an_audit_that_passes_is_kept_with_its_seed(trusting: Trusting) -> None:
    host = trusting.host(streak=50, n_audited=200)
    workunit = trusting.issue()
    trusting.bits.lottery = ALWAYS
    trusting.compute(workunit, host)
    trusting.validate()
    assert trusting.shop.state(workunit).canonical == 0
    assert EventKind.AUDIT_PASSED in trusting.kinds(workunit)
    assert trusting.record(host).n_audited == 201
    (evidence,) = [one for one in trusting.shop.events(workunit) if one.kind == "evidence"]
    assert evidence.data is not None
    (audit,) = evidence.data["audits"].values()
    assert audit["seed"] == f"{ALWAYS:032x}"
    assert audit["verdict"] == "valid"


def test_a_failed_audit_opens_again_what_the_host_alone_computed(trusting: Trusting) -> None:
    host, other = trusting.host(streak=50, n_audited=200), trusting.host(streak=50, n_audited=200)
    alone, shared, of_other = trusting.issue(), trusting.issue(alone=False), trusting.issue()
    trusting.compute(alone, host)
    trusting.compute(shared, host)
    trusting.compute(shared, other)
    trusting.compute(of_other, other)
    trusting.validate()
    earned = trusting.credit(host)
    with trusting.project.database.write() as session:
        session.add(
            ProductRow(
                campaign_id=trusting.shop.campaigns["kepler-9"],
                version=1,
                create_time=1.0,
                n_unit=3,
                n_draw=1,
                converged=True,
                digest="d",
                summary={},
            )
        )
    caught = trusting.issue()
    trusting.bits.lottery = ALWAYS
    trusting.compute(caught, host, wrong=app.SEGMENTS)
    trusting.validate()

    record = trusting.record(host)
    assert (record.consecutive_valid, record.n_audit_failed) == (0, 1)
    assert record.notice
    assert not record.reopen
    state = trusting.shop.state(alone)
    assert state.canonical is None
    assert state.assimilate_state is AssimilateState.INIT
    assert state.limits.min_quorum == 2
    assert state.result(0).validate_state is ValidateState.INCONCLUSIVE
    assert [
        kind for kind in trusting.kinds(alone) if kind in (EventKind.REOPENED, EventKind.DOUBTED)
    ] == [EventKind.REOPENED, EventKind.DOUBTED]
    assert trusting.shop.state(shared).canonical is not None
    assert trusting.shop.state(of_other).canonical is not None
    # Half of what it had is for the shared unit, which others confirmed.
    assert trusting.credit(host) == pytest.approx((earned[0] / 2, earned[1] / 2))
    assert trusting.shop.state(caught).result(0).granted_credit == 0.0
    with trusting.project.database.read() as session:
        assert session.scalars(select(ProductRow.doubted)).one() == 1

    # Others compute both again: honest work of the host finds its credit again.
    trusting.bits.lottery = NEVER
    trusting.compute(alone, other)
    trusting.validate()
    assert trusting.shop.state(alone).canonical == 0
    assert trusting.credit(host) == pytest.approx(earned)
    assert trusting.record(host).n_valid == 2


def test_an_undecided_audit_asks_for_a_second_opinion(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(app, "audit", broken)
    host = trusting.host(streak=50)
    workunit = trusting.issue()
    trusting.bits.lottery = ALWAYS
    trusting.compute(workunit, host)
    trusting.validate()
    state = trusting.shop.state(workunit)
    assert state.canonical is None
    assert state.limits.min_quorum == 2
    assert len(state.results) == 2
    assert trusting.record(host).n_audit_failed == 0
    assert "no memory" in trusting.shop.result(workunit, 0).validate_reason
    trusting.compute(workunit, trusting.host())
    trusting.validate()
    assert trusting.shop.state(workunit).canonical == 0, "two hosts agree, whatever the audits say"


def test_colluders_agree_and_an_audit_throws_them_both_out(trusting: Trusting) -> None:
    pair = trusting.host(), trusting.host()
    workunit = trusting.issue(alone=False)
    trusting.bits.lottery = ALWAYS
    for host in pair:
        trusting.compute(workunit, host, wrong=app.SEGMENTS, forger="the pair")
    trusting.validate()
    state = trusting.shop.state(workunit)
    assert state.canonical is None
    assert [one.validate_state for one in state.results[:2]] == [ValidateState.INVALID] * 2
    assert len([one for one in state.results if one.waiting]) == 2


def test_a_host_that_lost_its_record_on_the_way_does_not_stand_alone(trusting: Trusting) -> None:
    host = trusting.host(streak=3)
    workunit = trusting.issue()
    trusting.compute(workunit, host)
    trusting.validate()
    state = trusting.shop.state(workunit)
    assert state.canonical is None
    assert state.limits.min_quorum == 2
    assert len(state.results) == 2


def test_a_campaign_that_is_over_gets_a_note_instead(trusting: Trusting) -> None:
    host = trusting.host(streak=50, n_audited=200)
    workunit = trusting.issue()
    trusting.compute(workunit, host)
    trusting.validate()
    with trusting.project.database.write() as session:
        session.scalars(select(CampaignRow)).one().state = CampaignState.COMPLETE.value
        session.scalars(select(HostAppVersion)).one().reopen = True
    assert reopen_all(trusting.project, actor="test") == 0
    assert trusting.shop.state(workunit).canonical == 0
    with trusting.project.database.read() as session:
        (note,) = session.scalars(select(Event).where(Event.kind == "product_doubted")).all()
        assert "1 unit of this campaign" in note.reason
        assert not session.scalars(select(HostAppVersion.reopen)).one()


SPEED = 4e9
"""FLOP/s of one core of the reference host, on which these units take an hour."""


@pytest.mark.parametrize(("seconds", "believed"), [(1.0, False), (0.0, True), (400.0, True)])
def test_a_copied_wingman_is_too_early_and_an_honest_fast_host_is_not(
    trusting: Trusting, seconds: float, believed: bool
) -> None:
    """A copy is the same bytes as an honest output: only the server's clock tells."""
    honest, other = trusting.host(), trusting.host()
    workunit = trusting.issue(alone=False, fpops=3600.0 * SPEED)
    trusting.compute(workunit, honest, seconds=3000.0)
    trusting.compute(workunit, other, seconds=seconds, speed=3.0 * SPEED)
    trusting.validate()
    state = trusting.shop.state(workunit)
    if believed:
        assert state.canonical is not None
        assert trusting.credit(other)[0] > 0
        return
    assert state.canonical is None
    assert state.result(1).validate_state is ValidateState.INVALID
    assert "1 seconds after it was sent" in trusting.shop.result(workunit, 1).validate_reason
    assert trusting.record(other).n_invalid == 1
    # The original waits for somebody who has computed it, and has its credit then.
    trusting.compute(workunit, trusting.host(), seconds=3000.0)
    trusting.validate()
    assert trusting.shop.state(workunit).canonical == 0
    assert trusting.credit(honest)[0] > 0
    assert trusting.credit(other)[0] == 0


def test_a_host_that_beats_its_own_benchmark_is_too_early(trusting: Trusting) -> None:
    hosts = trusting.host(streak=50), trusting.host(streak=50)
    for host, speed in zip(hosts, (0.5 * SPEED, 2.0 * SPEED), strict=True):
        workunit = trusting.issue(fpops=3600.0 * SPEED)
        trusting.compute(workunit, host, seconds=600.0, speed=speed)
        trusting.validate()
        assert (trusting.shop.state(workunit).canonical == 0) == (speed > SPEED)
