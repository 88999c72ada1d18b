"""Quota and record of a host: BOINC's numbers."""

from __future__ import annotations

from boinc_project.lifecycle.effects import HostDeed
from boinc_project.lifecycle.host_record import TURNAROUND_MEMORY, HostRecord, judge

QUOTA = 8


def after(record: HostRecord, *deeds: HostDeed) -> HostRecord:
    for deed in deeds:
        record = judge(record, deed, daily_quota=QUOTA)
    return record


def test_broken_host_sinks_to_one_a_day() -> None:
    assert after(HostRecord(), HostDeed.ERROR).max_jobs_per_day == QUOTA - 1
    assert after(HostRecord(), *[HostDeed.ERROR] * 20).max_jobs_per_day == 1
    assert after(HostRecord(), *[HostDeed.TIMEOUT] * 20).max_jobs_per_day == 1


def test_error_takes_away_what_was_earned_above_the_quota() -> None:
    good = after(HostRecord(), *[HostDeed.VALID] * 5)
    assert good.max_jobs_per_day == QUOTA + 5
    assert after(good, HostDeed.ERROR).max_jobs_per_day == QUOTA - 1
    assert after(good, HostDeed.TIMEOUT).max_jobs_per_day == QUOTA + 4
    assert after(good, HostDeed.INVALID).max_jobs_per_day == QUOTA + 4


def test_mended_host_is_back_by_doubling() -> None:
    record = HostRecord(max_jobs_per_day=1)
    quotas = []
    for _ in range(4):
        record = after(record, HostDeed.SUCCESS)
        quotas.append(record.max_jobs_per_day)
    assert quotas == [2, 4, 8, 8]


def test_invalid_costs_nothing_at_or_below_the_quota() -> None:
    assert after(HostRecord(), HostDeed.INVALID).max_jobs_per_day == QUOTA
    assert after(HostRecord(max_jobs_per_day=3), HostDeed.INVALID).max_jobs_per_day == 3


def test_trust_is_lost_by_any_failure() -> None:
    trusted = after(HostRecord(), *[HostDeed.VALID] * 3)
    assert trusted.consecutive_valid == 3
    assert after(trusted, HostDeed.SUCCESS).consecutive_valid == 3
    for deed in (HostDeed.ERROR, HostDeed.TIMEOUT, HostDeed.INVALID):
        assert after(trusted, deed).consecutive_valid == 0
    assert after(trusted, HostDeed.INVALID).n_invalid == 1
    assert after(trusted, HostDeed.TIMEOUT).n_error == 1


def test_unconfirmed_valid_result_earns_no_trust() -> None:
    record = judge(HostRecord(), HostDeed.VALID, daily_quota=QUOTA, replicated=False)
    assert (record.n_valid, record.consecutive_valid) == (1, 0)


def test_turnaround_is_a_mean_that_forgets() -> None:
    record = HostRecord()
    for seconds in (100.0, 200.0, 300.0):
        record = judge(record, HostDeed.VALID, daily_quota=QUOTA, turnaround=seconds)
    assert record.turnaround_mean == 200.0
    old = HostRecord(n_valid=10**6, turnaround_mean=100.0)
    new = judge(old, HostDeed.VALID, daily_quota=QUOTA, turnaround=200.0)
    assert new.turnaround_mean == 100.0 + 100.0 / TURNAROUND_MEMORY
