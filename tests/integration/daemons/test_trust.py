"""Whom the server believes: real rows and files, real audits of a tiny app, both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from boinc_project.lifecycle.effects import EventKind
from boinc_project.lifecycle.host_record import LOOKS
from boinc_project.states import AssimilateState, CampaignState, ValidateState
from server.models import (
    CampaignRow,
    Event,
    HostAppVersion,
    ProductRow,
)
from server.services.reopening import reopen_all
from server.services.second_looks import KIND, look_again
from server.simulation import app
from tests.integration.daemons.conftest import Shop
from tests.integration.daemons.trust_shop import ALWAYS, NEVER, Trusting


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


def test_two_that_contradict_each_other_are_audited_before_a_third_is_asked(
    trusting: Trusting,
) -> None:
    host, other = (trusting.host(streak=50, n_audited=200) for _ in range(2))
    alone, shared = trusting.issue(), trusting.issue(alone=False)
    trusting.compute(alone, host)
    trusting.validate()
    trusting.compute(shared, host, wrong=app.SEGMENTS)
    trusting.compute(shared, other)
    trusting.validate()
    state = trusting.shop.state(shared)
    assert state.canonical is None, "the other's word is not enough for a quorum of two"
    assert [one.validate_state for one in state.results[:2]] == [
        ValidateState.INVALID,
        ValidateState.INCONCLUSIVE,
    ]
    assert trusting.record(host).n_audit_failed == 1
    assert (trusting.record(other).n_audited, trusting.record(other).n_audit_failed) == (201, 0)
    assert trusting.shop.state(alone).canonical is None


def test_a_result_that_others_refute_opens_again_what_the_host_alone_computed(
    trusting: Trusting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where audits cannot decide."""

    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("no memory")

    host, *others = (trusting.host(streak=50, n_audited=200) for _ in range(3))
    alone, of_other = trusting.issue(), trusting.issue()
    trusting.compute(alone, host)
    trusting.compute(of_other, others[0])
    shared = trusting.issue(alone=False)
    trusting.validate()
    assert trusting.shop.state(alone).canonical == 0
    monkeypatch.setattr(app, "audit", broken)
    trusting.compute(shared, host, wrong=app.SEGMENTS)
    trusting.compute(shared, others[0])
    trusting.validate()
    # So far two contradict each other, and nobody knows who is right.
    assert trusting.shop.state(alone).canonical == 0
    trusting.compute(shared, others[1])
    trusting.validate()

    assert trusting.shop.state(shared).result(0).validate_state is ValidateState.INVALID
    assert trusting.shop.state(alone).canonical is None
    assert trusting.shop.state(alone).limits.min_quorum == 2
    assert trusting.shop.state(of_other).canonical == 0
    record = trusting.record(host)
    assert (record.consecutive_valid, record.n_audit_failed) == (0, 0)
    assert not record.notice
    assert not record.reopen


def test_a_broken_upload_opens_nothing_again(trusting: Trusting) -> None:
    """It says nothing of what the host computed before: no other output contradicts it."""
    host = trusting.host(streak=50, n_audited=200)
    alone, shared = trusting.issue(), trusting.issue(alone=False)
    trusting.compute(alone, host)
    trusting.validate()
    trusting.deliver(shared, host, b"cut")
    trusting.compute(shared, trusting.host())
    trusting.validate()
    assert trusting.shop.state(shared).result(0).validate_state is ValidateState.INVALID
    assert trusting.record(host).consecutive_valid == 0
    assert trusting.shop.state(alone).canonical == 0


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


def test_newcomers_who_collude_are_audited_whatever_the_lottery_says(trusting: Trusting) -> None:
    pair = trusting.host(), trusting.host()
    workunit = trusting.issue(alone=False)
    for host in pair:
        trusting.compute(workunit, host, wrong=app.SEGMENTS, forger="the pair")
    trusting.validate()
    state = trusting.shop.state(workunit)
    assert state.canonical is None
    assert [one.validate_state for one in state.results[:2]] == [ValidateState.INVALID] * 2
    assert len([one for one in state.results if one.waiting]) == 2
    # Both are found wrong, though one audit of the bytes that they share was enough.
    assert [trusting.record(host).n_audit_failed for host in pair] == [1, 1]
    data = trusting.evidence(workunit).data
    assert data is not None
    assert len(data["audits"]) == 2


def test_what_has_waited_is_audited_at_the_least_rate(trusting: Trusting) -> None:
    trusting.bits.lottery = int(0.3 * 2**128)
    records = []
    for waits, n_audited in ((0.0, 200), (7200.0, 200), (7200.0, 0)):
        pair = trusting.host(n_audited=n_audited), trusting.host(n_audited=n_audited)
        workunit = trusting.issue(alone=False)
        for host in pair:
            trusting.compute(workunit, host)
        trusting.shop.clock.now += waits
        trusting.validate()
        records += [trusting.record(host).n_audited for host in pair]
    assert records == [201, 201, 200, 200, 0, 0], "0.3 is below 0.5 and above 0.02"
    on_probation = trusting.host(n_audited=200, n_audit_failed=1)
    workunit = trusting.issue(alone=False)
    for host in (on_probation, trusting.host(n_audited=200)):
        trusting.compute(workunit, host)
    trusting.shop.clock.now += 7200.0
    trusting.validate()
    assert trusting.record(on_probation).n_audited == 201


def test_what_colluders_let_pass_before_is_found_when_one_of_them_is(trusting: Trusting) -> None:
    """Two that have earned their records by honest work, and the lottery never draws them."""
    pair = [trusting.host(streak=50, n_audited=200) for _ in range(2)]
    honest = [trusting.host(streak=50, n_audited=200) for _ in range(2)]
    false, true = trusting.issue(alone=False), trusting.issue(alone=False)
    for host in pair:
        trusting.compute(false, host, wrong=app.SEGMENTS, forger="the pair")
    for host in (pair[0], honest[0]):
        trusting.compute(true, host)
    trusting.validate()
    assert trusting.shop.state(false).canonical == 0
    assert trusting.shop.state(true).canonical == 0
    earned = trusting.credit(pair[1])[0]
    assert earned > 0

    caught = trusting.issue(alone=False)
    trusting.compute(caught, pair[0], wrong=app.SEGMENTS)
    trusting.compute(caught, honest[1])
    trusting.validate()
    for one in range(2 * LOOKS + 5):
        trusting.bits.lottery = NEVER - one  # which of them is looked at
        trusting.validate()
    state = trusting.shop.state(false)
    assert state.canonical is None
    assert [one.validate_state for one in state.results[:2]] == [ValidateState.INVALID] * 2
    assert [trusting.record(host).n_audit_failed for host in pair] == [2, 1]
    assert [trusting.record(host).looks for host in pair] == [0, 0]
    assert trusting.credit(pair[1])[0] == 0
    # What an honest computer confirmed stands, however often it is looked at.
    assert trusting.shop.state(true).canonical == 0
    assert trusting.record(honest[0]).n_audit_failed == 0
    looks = [one.reason for one in trusting.shop.events(true) if one.kind == KIND]
    assert looks
    assert "was audited once more: All segments looked at" in looks[0]


def test_every_other_look_is_for_what_another_host_confirmed_that_was_found_wrong(
    trusting: Trusting,
) -> None:
    host, honest, caught = (trusting.host(streak=50, n_audited=200) for _ in range(3))
    units = [trusting.issue(alone=False) for _ in range(2)]
    for unit, partner in zip(units, (honest, caught), strict=True):
        trusting.compute(unit, host)
        trusting.compute(unit, partner)
    trusting.validate()
    with trusting.project.database.write() as session:
        session.get_one(HostAppVersion, (host.id, 1)).looks = 2
        session.get_one(HostAppVersion, (caught.id, 1)).n_audit_failed = 1
    trusting.bits.lottery = 0  # the first of those that may be drawn
    looked = []
    for _ in range(2):
        assert look_again(trusting.project, actor="test")
        looked.append([trusting.kinds(unit).count(KIND) for unit in units])
    assert looked == [[0, 1], [1, 1]]


def test_a_late_result_that_agrees_is_audited_at_the_least_rate(trusting: Trusting) -> None:
    trusting.bits.lottery = int(0.3 * 2**128)
    workunit = trusting.issue(alone=False, copies=3)
    late = trusting.shop.send(workunit, 2)
    for _ in range(2):
        trusting.compute(workunit, trusting.host(streak=50, n_audited=200))
    trusting.validate()
    right = app.output_bytes(trusting.units[workunit].digest, forger="nobody")
    trusting.shop.succeed(workunit, 2).write_bytes(right)
    with trusting.project.database.write() as session:
        session.get_one(HostAppVersion, (late.id, 1)).n_audited = 200
    trusting.shop.settle()
    trusting.validate()
    assert trusting.shop.state(workunit).result(2).validate_state is ValidateState.VALID
    assert trusting.record(late).n_audited == 200


def test_a_look_whose_files_are_gone_is_spent(trusting: Trusting) -> None:
    host, other = (trusting.host(streak=50, n_audited=200) for _ in range(2))
    workunit = trusting.issue(alone=False)
    for one in (host, other):
        trusting.compute(workunit, one)
    trusting.validate()
    (path,) = {trusting.project.uploads.path(trusting.shop.result(workunit, 0).output_name)}
    path.unlink()
    with trusting.project.database.write() as session:
        session.get_one(HostAppVersion, (host.id, 1)).looks = 1
    assert look_again(trusting.project, actor="test")
    assert trusting.record(host).looks == 0
    assert trusting.shop.state(workunit).canonical == 0
    assert not look_again(trusting.project, actor="test")


def test_a_late_result_that_contradicts_a_wrong_canonical_one_has_it_withdrawn(
    trusting: Trusting,
) -> None:
    pair = [trusting.host(streak=50, n_audited=200) for _ in range(2)]
    workunit = trusting.issue(alone=False, copies=3)
    trusting.shop.send(workunit, 2)
    for host in pair:
        trusting.compute(workunit, host, wrong=app.SEGMENTS, forger="the pair")
    trusting.validate()
    assert trusting.shop.state(workunit).canonical == 0
    right = app.output_bytes(trusting.units[workunit].digest, forger="nobody")
    trusting.shop.succeed(workunit, 2).write_bytes(right)
    trusting.shop.settle()
    trusting.validate()
    trusting.validate()
    state = trusting.shop.state(workunit)
    assert [one.validate_state for one in state.results[:3]] == [
        ValidateState.INVALID,
        ValidateState.INVALID,
        ValidateState.INCONCLUSIVE,
    ]
    trusting.compute(workunit, trusting.host())
    trusting.validate()
    assert trusting.shop.state(workunit).canonical == 2


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
