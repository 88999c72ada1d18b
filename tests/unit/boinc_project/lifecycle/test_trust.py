"""Whom to believe: the rules, and the numbers that their derivations state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from boinc_project.lifecycle.credit import Account, grant, revoke
from boinc_project.lifecycle.effects import HostDeed
from boinc_project.lifecycle.host_record import LOOKS, HostRecord, judge, pardoned
from boinc_project.lifecycle.trust import (
    MOST_PROBATION,
    audit_rate,
    confirmed_audit_rate,
    exposure,
    is_proven,
    replication_rate,
    required,
)
from boinc_project.settings import TrustSection

FLOOR = TrustSection().audit_floor
PROVEN = HostRecord(consecutive_valid=10)


def after(record: HostRecord, *deeds: HostDeed) -> HostRecord:
    for deed in deeds:
        record = judge(record, deed, daily_quota=100)
    return record


def test_ten_valid_results_in_a_row_make_a_host_proven() -> None:
    record = after(HostRecord(), *[HostDeed.VALID] * 9)
    assert not is_proven(record)
    assert replication_rate(record, floor=0.02) == 1.0
    assert is_proven(after(record, HostDeed.VALID))
    for deed in (
        HostDeed.ERROR,
        HostDeed.TIMEOUT,
        HostDeed.INVALID,
        HostDeed.REFUTED,
        HostDeed.AUDIT_FAILED,
    ):
        assert not is_proven(after(PROVEN, deed))


def test_a_valid_result_that_nobody_confirmed_earns_no_trust() -> None:
    record = judge(PROVEN, HostDeed.VALID, daily_quota=100, replicated=False)
    assert record.consecutive_valid == 10


def test_failed_audits_raise_the_hurdle_to_a_bound() -> None:
    assert [required(HostRecord(n_audit_failed=n)) for n in (0, 1, 2, 9)] == [
        10,
        30,
        50,
        MOST_PROBATION,
    ]


def test_rates_have_floors_however_long_the_record() -> None:
    old = HostRecord(consecutive_valid=10**6, n_audited=10**6)
    assert replication_rate(old, floor=0.02) == 0.02
    assert audit_rate(old, floor=FLOOR) == FLOOR
    assert audit_rate(PROVEN, floor=FLOOR) == 1.0
    assert audit_rate(replace(PROVEN, n_audited=10), floor=0.1) == 0.5
    assert replication_rate(PROVEN, floor=0.02) == 0.1


OLD = HostRecord(consecutive_valid=500, n_audited=90)
CAUGHT = HostRecord(consecutive_valid=29, n_audited=91, n_audit_failed=1)


def test_a_host_that_failed_an_audit_is_always_audited_until_it_is_proven_again() -> None:
    assert audit_rate(CAUGHT, floor=FLOOR) == 1.0
    assert audit_rate(replace(CAUGHT, consecutive_valid=30), floor=0.0) == pytest.approx(0.1)
    assert confirmed_audit_rate((OLD, CAUGHT), floor=0.02) == 1.0


def test_of_hosts_that_confirm_each_other_the_one_with_most_audits_passed_counts() -> None:
    new = HostRecord()
    assert confirmed_audit_rate((new, new), floor=0.02) == 1.0
    assert confirmed_audit_rate((new, OLD), floor=0.02) == pytest.approx(0.1)
    assert confirmed_audit_rate((new, OLD), floor=FLOOR) == FLOOR
    assert confirmed_audit_rate((replace(new, n_audited=10), new), floor=0.02) == 0.5


def test_a_validator_without_time_spares_all_but_hosts_on_probation() -> None:
    new = HostRecord()
    assert confirmed_audit_rate((new, OLD), floor=FLOOR, spared=0.02) == 0.02
    assert confirmed_audit_rate((new, CAUGHT), floor=FLOOR, spared=0.02) == 1.0


def test_a_failed_audit_orders_second_looks() -> None:
    assert after(OLD, HostDeed.AUDIT_FAILED).looks == LOOKS
    assert after(OLD, HostDeed.REFUTED).looks == 0
    # One accomplice in five of those who confirmed it is met all but once in a hundred times.
    assert 0.008 < 0.8**LOOKS < 0.012


def test_exposure_is_what_a_host_that_turns_bad_really_gets_in() -> None:
    rng = np.random.default_rng(4)
    audit, replication, detection = 0.5, 0.02, 0.6
    runs = 20_000
    caught = (rng.random((runs, 60)) < replication) | (rng.random((runs, 60)) < audit * detection)
    assert caught.any(axis=1).all()
    mean = float(np.argmax(caught, axis=1).mean())
    expected = exposure(audit=audit, replication=replication, detection=detection)
    # Geometric: variance (1 - p) / p**2; five standard errors.
    p = 1.0 / (1.0 + expected)
    assert abs(mean - expected) < 5 * np.sqrt((1 - p) / p**2 / runs)


def test_the_default_floors_leave_one_false_result_on_average() -> None:
    assert exposure(audit=FLOOR, replication=0.02, detection=1.0) == pytest.approx(0.96, abs=0.01)
    assert 1.0 - (1.0 - FLOOR) ** 10 > 0.99


def test_a_failed_audit_is_no_campaigns_fault() -> None:
    failed = after(PROVEN, HostDeed.AUDIT_FAILED, HostDeed.INVALID)
    assert (failed.streak_lost, failed.n_audit_failed, failed.n_audited) == (0, 1, 1)
    assert failed.notice
    assert failed.reopen


def test_only_a_confirmed_contradiction_refutes_what_the_host_alone_computed() -> None:
    refuted = judge(PROVEN, HostDeed.REFUTED, daily_quota=100)
    assert refuted.reopen
    assert (refuted.n_invalid, refuted.n_audit_failed, refuted.notice) == (1, 0, False)
    assert not judge(PROVEN, HostDeed.REFUTED, daily_quota=100, replicated=False).reopen
    assert not judge(PROVEN, HostDeed.INVALID, daily_quota=100).reopen
    assert judge(refuted, HostDeed.INVALID, daily_quota=100).reopen


def test_a_pardon_gives_the_streak_and_the_quota_back() -> None:
    failed = after(replace(PROVEN, consecutive_valid=40), *[HostDeed.ERROR] * 3)
    assert (failed.consecutive_valid, failed.n_error) == (0, 3)
    again = pardoned(failed, errors=3, daily_quota=100)
    assert (again.consecutive_valid, again.n_error, again.max_jobs_per_day) == (40, 0, 100)


def test_revoked_credit_is_gone_from_total_and_average() -> None:
    day = 86400.0
    before = Account(100.0, 10.0, 1000 * day)
    granted = grant(before, 50.0, now=1001 * day, work_start=1000 * day)
    assert granted.total == 150.0
    revoked = revoke(granted, 50.0, granted=1001 * day)
    assert revoked.total == 100.0
    # A day without the grant leaves less than before, and not less than nothing.
    assert 0.0 <= revoked.average <= before.average
    assert revoke(Account(50.0, 1.0, day), 50.0, granted=0.0).total == 0.0
