"""What the life-cycle machine knows of a workunit and of its results."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from boinc_project.campaign import Quorum
from boinc_project.errors import StateError
from boinc_project.states import (
    AssimilateState,
    ErrorMask,
    ExitStatus,
    FileDeleteState,
    Outcome,
    ServerState,
    ValidateState,
)

NEVER = float(2**31 - 1)
"""A transition time that never comes (BOINC's ``INT_MAX``); finite, so that it sorts in SQL."""


@dataclass(frozen=True, slots=True)
class ResultState:
    """One instance of a workunit.

    Attributes
    ----------
    instance : int
        The number k in the result's name ``<workunit>_<k>``; unique within the workunit.
    server_state, outcome, validate_state, file_delete_state
        BOINC's states; see `boinc_project.states`.
    exit_status : int
        What the client reported; 0 until then.
    host, user : int | None
        Whom it was sent to.
    sent_time, received_time : float
        When it was sent and reported, in epoch seconds; 0 if it was not.
    report_deadline : float
        As told to the client, in epoch seconds; 0 until it is sent. The result times out a grace
        period later, which the project's settings say and events bring along.
    granted_credit : float
        Cobblestones; more than 0 only if VALID.
    """

    instance: int
    server_state: ServerState = ServerState.UNSENT
    outcome: Outcome = Outcome.INIT
    validate_state: ValidateState = ValidateState.INIT
    file_delete_state: FileDeleteState = FileDeleteState.INIT
    exit_status: int = 0
    host: int | None = None
    user: int | None = None
    sent_time: float = 0.0
    received_time: float = 0.0
    report_deadline: float = 0.0
    granted_credit: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it ended, one way or another."""
        return self.server_state is ServerState.OVER

    @property
    def waiting(self) -> bool:
        """Whether it still waits for a host."""
        return self.server_state in (ServerState.INACTIVE, ServerState.UNSENT)

    @property
    def success(self) -> bool:
        """Whether it was computed and is not known to be wrong (``nsuccess`` of BOINC)."""
        return self.outcome is Outcome.SUCCESS and self.validate_state is not ValidateState.INVALID

    @property
    def error(self) -> bool:
        """Whether it counts towards ``max_error_results``.

        A volunteer's abort (exit status 203) says nothing about the workunit: it counts as no
        reply, as in ``sched/transitioner.cpp``.
        """
        if self.outcome is Outcome.CLIENT_ERROR:
            return self.exit_status != ExitStatus.ABORTED_VIA_GUI
        return self.outcome is Outcome.VALIDATE_ERROR

    @property
    def unchecked(self) -> bool:
        """Whether it is a success that no validator has looked at."""
        return self.outcome is Outcome.SUCCESS and self.validate_state is ValidateState.INIT

    @property
    def undecided(self) -> bool:
        """Whether it is a success without a final verdict."""
        return self.outcome is Outcome.SUCCESS and self.validate_state in (
            ValidateState.INIT,
            ValidateState.INCONCLUSIVE,
        )


@dataclass(frozen=True, slots=True)
class WorkunitState:
    """One computation and all its results.

    Attributes
    ----------
    limits : Quorum
        Replication limits; ``target_nresults`` grows when results do not agree.
    error_mask : ErrorMask
        Why it ended without a canonical result.
    canonical : int | None
        Instance of the canonical result.
    canonical_credit : float
        Cobblestones that each VALID result gets.
    need_validate : bool
        Whether the validator should look at it.
    validate_after : float
        Epoch seconds before which the validator should not look.
    assimilate_state, file_delete_state
        BOINC's states; the latter is about the input files.
    transition_time : float
        When the transitioner is to look at it, epoch seconds; `NEVER` if nothing is due.
    assimilate_time : float
        When the assimilator was done, epoch seconds; 0 until then.
    results : tuple[ResultState, ...]
        By increasing instance.
    hr_class : int
        Class of hosts that may have its results (homogeneous redundancy); 0: not fixed yet.
    app_version_id : int
        App version that all its results must be computed with; 0: not fixed yet.
    """

    limits: Quorum
    error_mask: ErrorMask = ErrorMask.NONE
    canonical: int | None = None
    canonical_credit: float = 0.0
    need_validate: bool = False
    validate_after: float = 0.0
    assimilate_state: AssimilateState = AssimilateState.INIT
    file_delete_state: FileDeleteState = FileDeleteState.INIT
    transition_time: float = 0.0
    assimilate_time: float = 0.0
    results: tuple[ResultState, ...] = field(default=())
    hr_class: int = 0
    app_version_id: int = 0

    def result(self, instance: int) -> ResultState:
        """Return one result.

        Raises
        ------
        StateError
            If the workunit has no such instance.
        """
        for result in self.results:
            if result.instance == instance:
                return result
        raise StateError(f"The workunit has no result {instance}.", result=instance)

    @property
    def next_instance(self) -> int:
        """Instance of the next result created: the highest so far, plus one."""
        return max((result.instance for result in self.results), default=-1) + 1

    @property
    def finished(self) -> bool:
        """Whether it has its answer: a canonical result or an error."""
        return self.canonical is not None or self.error_mask is not ErrorMask.NONE

    @property
    def to_check(self) -> frozenset[int]:
        """Instances that a validator must decide about, all together.

        Before there is a canonical result these are all successes not known to be wrong; after
        it, those not looked at yet (``sched/validator.cpp``).
        """
        if self.canonical is None:
            return frozenset(result.instance for result in self.results if result.undecided)
        return frozenset(result.instance for result in self.results if result.unchecked)


def new_workunit(limits: Quorum, now: float) -> WorkunitState:
    """Return a workunit without results; the first transition creates them.

    Raises
    ------
    StateError
        If the limits contradict each other, so that no path could end well.
    """
    check_limits(limits)
    return WorkunitState(limits=limits, transition_time=now)


def limits_of_workunit(policy: Quorum, *, alone: bool) -> Quorum:
    """Return the limits that a workunit of a campaign begins with.

    Parameters
    ----------
    policy : Quorum
        The campaign's.
    alone : bool
        Whether one host's word may be enough, until its record or an audit asks for the campaign's
        own quorum: see `boinc_project.lifecycle.trust`.
    """
    return replace(
        policy,
        min_quorum=1 if alone else policy.min_quorum,
        target_nresults=1 if alone else policy.target_nresults,
        full_quorum=policy.min_quorum,
    )


def check_limits(limits: Quorum) -> None:
    """Refuse limits under which a workunit could not reach its quorum.

    Raises
    ------
    StateError
        Naming the first limit that is out of order, and what it must be.
    """
    rules = (
        (limits.min_quorum >= 1, "min_quorum must be at least 1"),
        (
            limits.target_nresults >= limits.min_quorum,
            "target_nresults must be at least min_quorum",
        ),
        (
            limits.max_total_results >= limits.target_nresults,
            "max_total_results must be at least target_nresults",
        ),
        (
            limits.max_success_results >= limits.min_quorum,
            "max_success_results must be at least min_quorum",
        ),
        (
            limits.full_quorum == 0
            or limits.min_quorum
            <= limits.full_quorum
            <= min(limits.max_total_results, limits.max_success_results),
            "full_quorum must be 0, or from min_quorum to the most results and successes",
        ),
        (limits.max_error_results >= 0, "max_error_results must not be negative"),
        (
            limits.delay_bound > 0 and math.isfinite(limits.delay_bound),
            "delay_bound must be positive and finite",
        ),
    )
    for holds, rule in rules:
        if not holds:
            raise StateError(f"These limits cannot work: {rule}.", limits=limits)
