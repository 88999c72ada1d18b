"""What can happen to one result; `boinc_project.lifecycle.result.handle` says what follows."""

from __future__ import annotations

from dataclasses import dataclass

from boinc_project.states import ClientState, ValidateState


@dataclass(frozen=True, slots=True)
class Sent:
    """The scheduler gave the result to a host, which was told `deadline`.

    `grace` is the project's ``report_grace_period``, here and below: the seconds after the
    deadline at which the result times out. `replicate` says that others must confirm what this
    host finds: it has no record yet, or the draw fell on it.
    """

    now: float
    host: int
    user: int
    deadline: float
    grace: float = 0.0
    replicate: bool = False


@dataclass(frozen=True, slots=True)
class Resent:
    """The host had lost the result and gets it again; see `resend_deadline`."""

    now: float
    deadline: float
    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The host has lost the result and shall not get it again: it is due at once."""

    now: float
    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class Reported:
    """The host reported the result."""

    now: float
    client_state: ClientState
    exit_status: int
    cpu_time: float = 0.0
    elapsed_time: float = 0.0

    @property
    def success(self) -> bool:
        """State FILES_UPLOADED and exit status 0 (``sched/sched_result.cpp``)."""
        return self.client_state is ClientState.FILES_UPLOADED and self.exit_status == 0


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The clock says `now`; the deadline may have passed."""

    now: float
    grace: float = 0.0


@dataclass(frozen=True, slots=True)
class Detached:
    """The host has reset or left the project."""

    now: float


@dataclass(frozen=True, slots=True)
class NotNeeded:
    """The workunit has ended: do not send the result any more."""

    now: float


@dataclass(frozen=True, slots=True)
class CouldntSend:
    """No host can be found that could compute the result."""

    now: float


@dataclass(frozen=True, slots=True)
class Validated:
    """The validator, or the transitioner in its place, decided about the result."""

    now: float
    state: ValidateState
    credit: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ValidateError:
    """The result's output could not be read or failed its own check."""

    now: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Doubted:
    """The workunit's answer is withdrawn: the result's verdict is worth nothing any more."""

    now: float
    granted: float
    """When its credit was granted, epoch seconds."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OutputsDeletable:
    """Nothing needs the output files any more."""

    now: float


@dataclass(frozen=True, slots=True)
class OutputsDeleted:
    """The file deleter removed the output files, or failed to and will be asked again."""

    now: float
    ok: bool = True
    reason: str = ""


ResultEvent = (
    Sent
    | Resent
    | GivenUp
    | Reported
    | TimedOut
    | Detached
    | NotNeeded
    | CouldntSend
    | Validated
    | ValidateError
    | Doubted
    | OutputsDeletable
    | OutputsDeleted
)
"""Any event of one result."""
