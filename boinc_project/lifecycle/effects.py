"""What is to be done besides writing the new state down.

Effects name results by their instance number in the workunit. Whoever handles an event carries its
effects out in the same transaction that writes the state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class HostDeed(StrEnum):
    """What a host did, for its quota and its record; see `boinc_project.lifecycle.host_record`."""

    SUCCESS = "success"
    """Reported a success."""
    ERROR = "error"
    """Reported an error that the project did not ask for."""
    TIMEOUT = "timeout"
    """Let a deadline pass."""
    VALID = "valid"
    """A result of it was found valid."""
    INVALID = "invalid"
    """A result of it failed its own check, or could not be read."""
    REFUTED = "refuted"
    """A result of it is not what the canonical result says."""
    AUDIT_PASSED = "audit_passed"
    """A part of a result of it was computed again, and agreed."""
    AUDIT_FAILED = "audit_failed"
    """A part of a result of it was computed again, and is not what was asked for."""
    WITHDRAWN = "withdrawn"
    """A valid result of it is not believed any more, for want of a confirmation."""


class EventKind(StrEnum):
    """What can happen to a workunit or a result; the words of its story."""

    CREATED = "created"
    """The result was created; without a result: the workunit was issued."""
    SENT = "sent"
    """The result went to a host."""
    RESENT = "resent"
    """The host had lost the result and got it again."""
    GIVEN_UP = "given_up"
    """The host had lost the result and shall not get it again."""
    REPORTED = "reported"
    """The host reported a success."""
    FAILED = "failed"
    """The host reported an error."""
    TIMED_OUT = "timed_out"
    """The deadline passed without a report."""
    DETACHED = "detached"
    """The host reset or left the project."""
    NOT_NEEDED = "not_needed"
    """The workunit ended before the result was sent."""
    COULDNT_SEND = "couldnt_send"
    """No host could be found for the result."""
    VALIDATION_DUE = "validation_due"
    """Enough successes are there to be compared."""
    VALIDATION_DEFERRED = "validation_deferred"
    """The validator could not decide for a passing reason, and tries again later."""
    VALID = "valid"
    """The result agrees with the canonical result."""
    INVALID = "invalid"
    """The result does not agree with the canonical result."""
    INCONCLUSIVE = "inconclusive"
    """The comparison did not decide."""
    VALIDATE_ERROR = "validate_error"
    """The result's output failed its own check."""
    NO_CHECK = "no_check"
    """The workunit ended in error before the result could be compared."""
    AUDIT_PASSED = "audit_passed"
    """A part of the result, drawn in secret, was computed again and agreed."""
    AUDIT_FAILED = "audit_failed"
    """A part of the result, drawn in secret, was computed again and did not agree."""
    DOUBTED = "doubted"
    """The result was valid and is not any more: nobody else confirmed it."""
    REOPENED = "reopened"
    """The workunit's canonical result is withdrawn, and others compute it again."""
    REPLICATED = "replicated"
    """Other hosts must confirm the workunit's result."""
    TOO_LATE = "too_late"
    """The result came when the canonical output was on its way out."""
    CANONICAL = "canonical"
    """The result stands for the workunit from now on."""
    ONE_MORE = "one_more"
    """The successes do not agree: one more result is wanted."""
    ERROR = "error"
    """The workunit ended without a canonical result."""
    CANCELLED = "cancelled"
    """An admin or the campaign ended the workunit."""
    ASSIMILATED = "assimilated"
    """The canonical output is in the product, or the error is on record."""
    FILES_DELETED = "files_deleted"
    """The input files are gone."""
    OUTPUTS_DELETED = "outputs_deleted"
    """The result's output files are gone."""
    DELETE_FAILED = "delete_failed"
    """Files could not be deleted; tried again later."""


@dataclass(frozen=True, slots=True)
class ScheduleTransition:
    """The transitioner must look at the workunit at `time` (epoch seconds) or earlier.

    Carried out as a conditional update: an earlier transition time stays.
    """

    time: float


@dataclass(frozen=True, slots=True)
class CreateResults:
    """Results `first`, ..., `first + count - 1` are new in the state: insert their rows."""

    first: int
    count: int
    retry: bool
    """Whether the workunit had results before, so that someone waits for these."""
    time: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class GrantCredit:
    """Host, user and team of `result` get `credit` cobblestones more."""

    result: int
    credit: float
    time: float


@dataclass(frozen=True, slots=True)
class RevokeCredit:
    """Host and user of `result` lose `credit` cobblestones, granted at `granted`, again."""

    result: int
    credit: float
    granted: float
    time: float


@dataclass(frozen=True, slots=True)
class RequireQuorum:
    """The workunit's result must be confirmed by others: ``min_quorum`` becomes ``full_quorum``.

    Carried out as a conditional update: nothing changes once there is an answer.
    """

    time: float


@dataclass(frozen=True, slots=True)
class JudgeHost:
    """The record of the host that `result` was sent to changes."""

    result: int
    deed: HostDeed


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Append one row to the workunit's story.

    Attributes
    ----------
    kind : EventKind
        What happened.
    time : float
        When, epoch seconds.
    result : int | None
        Instance of the result it happened to; None for the workunit itself.
    detail : Mapping[str, str | int | float]
        What the story needs to know besides, as plain JSON values.
    """

    kind: EventKind
    time: float
    result: int | None = None
    detail: Mapping[str, str | int | float] = field(default_factory=dict)


Effect = (
    ScheduleTransition
    | CreateResults
    | GrantCredit
    | RevokeCredit
    | RequireQuorum
    | JudgeHost
    | RecordEvent
)
"""Any effect."""
