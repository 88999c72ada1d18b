"""How a host fares with an app version: its daily quota and its record of valid results.

The rules are those of BOINC's ``sched/sched_result.cpp`` and ``sched/validator.cpp``: a host that
only fails sinks to one result a day, and a host that recovers is back within a few results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from boinc_project.lifecycle.effects import HostDeed


@dataclass(frozen=True, slots=True)
class HostRecord:
    """A row of ``host_app_version``.

    Attributes
    ----------
    max_jobs_per_day : int
        Results per processor and day; 0 means the project's ``daily_result_quota``.
    consecutive_valid : int
        Valid replicated results since the last failure of any kind.
    n_valid, n_invalid, n_error : int
        Counts since the beginning; errors include time-outs.
    turnaround_mean : float
        Running mean of the seconds between sending and report of valid results.
    n_audited, n_audit_failed : int
        Results of which a part was computed again, and those of them that failed.
    streak_lost : int
        `consecutive_valid` before its latest loss: given back if a campaign was to blame.
    notice : bool
        Whether the owner is still to be told of a failed audit.
    reopen : bool
        Whether what the host alone computed is still to be opened again.
    looks : int
        How many results of the host that others confirmed are still to be audited once more.
    """

    max_jobs_per_day: int = 0
    consecutive_valid: int = 0
    n_valid: int = 0
    n_invalid: int = 0
    n_error: int = 0
    turnaround_mean: float = 0.0
    n_audited: int = 0
    n_audit_failed: int = 0
    streak_lost: int = 0
    notice: bool = False
    reopen: bool = False
    looks: int = 0


LOOKS = 20
"""Results of a host that failed an audit, confirmed by others before, that are audited once more.
If it has let a fifth of them pass for one and the same accomplice, none is found with probability
0.8**20 = 1 %. All together cost 0.4 of a unit. Each that is found wrong is a failed audit itself,
with as many looks again, so that they end only where twenty in a row are right."""

TURNAROUND_MEMORY = 20
"""Valid results over which the mean turnaround forgets: a few weeks of an ordinary host."""


def judge(
    record: HostRecord,
    deed: HostDeed,
    *,
    daily_quota: int,
    replicated: bool = True,
    turnaround: float = 0.0,
) -> HostRecord:
    """Return the record after `deed`.

    Parameters
    ----------
    daily_quota : int
        The project's ``daily_result_quota``.
    replicated : bool
        Whether the canonical result is more than one host's word. An unconfirmed result earns no
        trust, and refutes nobody.
    turnaround : float
        Seconds between sending and report of a valid result.
    """
    quota = record.max_jobs_per_day or daily_quota
    match deed:
        case HostDeed.SUCCESS:
            raised = min(2 * quota, daily_quota) if quota < daily_quota else quota
            return replace(record, max_jobs_per_day=raised)
        case HostDeed.ERROR:
            return replace(
                _streak_broken(record),
                max_jobs_per_day=max(1, min(quota, daily_quota) - 1),
                n_error=record.n_error + 1,
            )
        case HostDeed.TIMEOUT:
            return replace(
                _streak_broken(record),
                max_jobs_per_day=max(1, quota - 1),
                n_error=record.n_error + 1,
            )
        case HostDeed.VALID:
            weight = 1.0 / min(record.n_valid + 1, TURNAROUND_MEMORY)
            mean = record.turnaround_mean
            return replace(
                record,
                max_jobs_per_day=quota + 1,
                consecutive_valid=record.consecutive_valid + replicated,
                n_valid=record.n_valid + 1,
                turnaround_mean=mean + weight * (turnaround - mean),
            )
        case HostDeed.INVALID | HostDeed.REFUTED:
            return replace(
                _streak_broken(record),
                max_jobs_per_day=quota - 1 if quota > daily_quota else quota,
                n_invalid=record.n_invalid + 1,
                reopen=record.reopen or (replicated and deed is HostDeed.REFUTED),
            )
        case HostDeed.AUDIT_PASSED:
            return replace(record, n_audited=record.n_audited + 1)
        case HostDeed.AUDIT_FAILED:
            # No streak survives that, not even for a later pardon: it was no campaign's fault.
            return replace(
                record,
                consecutive_valid=0,
                streak_lost=0,
                n_audited=record.n_audited + 1,
                n_audit_failed=record.n_audit_failed + 1,
                notice=True,
                reopen=True,
                looks=LOOKS,
            )
        case HostDeed.WITHDRAWN:
            return replace(record, n_valid=max(0, record.n_valid - 1))
        case _:
            assert_never(deed)


def _streak_broken(record: HostRecord) -> HostRecord:
    """Return the record with its streak at 0, remembering how long it was."""
    lost = max(record.streak_lost, record.consecutive_valid)
    return replace(record, consecutive_valid=0, streak_lost=lost)


def pardoned(record: HostRecord, *, errors: int, daily_quota: int) -> HostRecord:
    """Return the record without `errors` failures that were not the host's fault."""
    return replace(
        record,
        max_jobs_per_day=max(record.max_jobs_per_day, daily_quota),
        consecutive_valid=record.consecutive_valid + record.streak_lost,
        streak_lost=0,
        n_error=max(0, record.n_error - errors),
    )
