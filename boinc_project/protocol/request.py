"""The scheduler request as a value.

What the client writes is in ``client/cs_scheduler.cpp`` and ``client/result.cpp``; what of it
matters to a server is here. See `boinc_project.protocol.request_parser` for reading it and
`boinc_project.protocol.request_writer` for writing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from boinc_project.states import ClientState

ANONYMOUS = "anonymous"
"""Platform name of a client whose volunteer brings their own application."""


@dataclass(frozen=True, slots=True)
class WorkRequest:
    """How much work a client wants.

    Attributes
    ----------
    seconds : float
        Time to fill, summed over processors.
    instances : float
        Idle processors to keep busy.
    estimated_delay : float
        Seconds until a new job could start.
    refused : bool
        The client wants none, whatever the numbers say.
    """

    seconds: float = 0.0
    instances: float = 0.0
    estimated_delay: float = 0.0
    refused: bool = False

    @property
    def wanted(self) -> bool:
        """Whether any work is asked for."""
        return not self.refused and (self.seconds > 0 or self.instances > 0)


@dataclass(frozen=True, slots=True)
class HostInfo:
    """The computer; sizes in bytes, speeds in operations per second."""

    timezone: int = 0
    domain_name: str = ""
    ip_addr: str = ""
    host_cpid: str = ""
    p_ncpus: int = 1
    p_vendor: str = ""
    p_model: str = ""
    p_features: str = ""
    p_fpops: float = 0.0
    p_iops: float = 0.0
    m_nbytes: float = 0.0
    d_total: float = 0.0
    d_free: float = 0.0
    os_name: str = ""
    os_version: str = ""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the volunteer lets us use; percentages as the client states them."""

    mod_time: float = 0.0
    ram_max_used_busy_pct: float = 50.0
    ram_max_used_idle_pct: float = 90.0


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Disk space in bytes (``<disk_usage>``)."""

    d_boinc_used_total: float = 0.0
    d_boinc_used_project: float = 0.0
    d_project_share: float | None = None
    """What the client would give this project; None if it did not say."""


@dataclass(frozen=True, slots=True)
class TimeStats:
    """How much of the time the computer computes; fractions of 1."""

    on_frac: float = 1.0
    active_frac: float = 1.0
    now: float = 0.0
    """The client's clock, epoch seconds; 0 if it did not say."""


@dataclass(frozen=True, slots=True)
class ReportedResult:
    """A finished task, as the client tells it; times in seconds, sizes in bytes."""

    name: str
    state: ClientState
    exit_status: int = 0
    cpu_time: float = 0.0
    elapsed_time: float = 0.0
    app_version_num: int = 0
    platform: str = ""
    plan_class: str = ""
    peak_working_set_size: float = 0.0
    stderr: str = ""
    """What the program and the client said, line feeds kept."""

    @property
    def success(self) -> bool:
        """Whether it was computed and uploaded (``sched/sched_result.cpp``)."""
        return self.state is ClientState.FILES_UPLOADED and self.exit_status == 0


@dataclass(frozen=True, slots=True)
class TrickleUp:
    """A message from a running program."""

    result_name: str
    time: float
    variety: str
    text: str


@dataclass(frozen=True, slots=True)
class SchedulerRequest:
    """One scheduler RPC.

    Attributes
    ----------
    authenticator : str
        Account key, or weak account key.
    hostid : int
        0 while the host is unknown.
    rpc_seqno : int
        Grows with every RPC of one data directory.
    platforms : tuple[str, ...]
        Usable platforms, the preferred one first; `ANONYMOUS` for own applications.
    client_version : tuple[int, int, int]
        Major, minor, release.
    work : WorkRequest
        How much work is wanted.
    host : HostInfo
        The computer.
    results : tuple[ReportedResult, ...]
        Finished tasks.
    other_results : tuple[str, ...] or None
        Names of all tasks in hand that are not reported here; None if the client did not say.
    code_sign_key : str
        The project's key as the client knows it, stripped; empty if it has none.
    """

    authenticator: str
    hostid: int
    rpc_seqno: int
    platforms: tuple[str, ...]
    client_version: tuple[int, int, int] = (0, 0, 0)
    work: WorkRequest = field(default_factory=WorkRequest)
    host: HostInfo = field(default_factory=HostInfo)
    preferences: Preferences = field(default_factory=Preferences)
    disk: DiskUsage = field(default_factory=DiskUsage)
    time_stats: TimeStats = field(default_factory=TimeStats)
    results: tuple[ReportedResult, ...] = ()
    other_results: tuple[str, ...] | None = None
    trickles: tuple[TrickleUp, ...] = ()
    code_sign_key: str = ""
    cross_project_id: str = ""
    allow_multiple_clients: bool = False
    client_brand: str = ""
