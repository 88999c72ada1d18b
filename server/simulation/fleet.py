"""Simulated clients: each speaks the scheduler protocol, as the stock client would, in bytes.

Time is virtual: whatever is next happens at once. A host contacts the server when a task is done or
its work runs low, never before the delay it was told; it reports, asks for its buffer to be filled,
and computes on as many cores as it has.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from boinc_project.protocol.reply import SchedulerReply
from boinc_project.protocol.reply_parser import parse_scheduler_reply
from boinc_project.protocol.request import (
    DiskUsage,
    HostInfo,
    ReportedResult,
    SchedulerRequest,
    TimeStats,
    WorkRequest,
)
from boinc_project.protocol.request_writer import scheduler_request_bytes
from boinc_project.states import ClientState
from server.services.scheduler import SCHEDULER_PATH
from server.simulation.app import SEGMENTS, output_bytes
from server.simulation.hosts import (
    NOISE,
    PLATFORMS,
    Character,
    Population,
    Traits,
    draw_traits,
    wrong_segments,
)
from server.simulation.world import START, World

REPORT_WITHIN = 3600.0
"""Seconds within which a client reports what is done: the stock client's own bound."""
LONGEST_WAIT = 8 * 3600.0
"""Seconds that a client without work waits at most; it doubles its waits up to there. The server
asks for shorter ones; a simulation would spend most of its time on them."""
DAEMON_INTERVAL = 1800.0
"""Virtual seconds between two rounds of the daemons."""
UPLOADED, FAILED = ClientState.FILES_UPLOADED, ClientState.COMPUTE_ERROR


@dataclass(slots=True)
class Task:
    """A task on a host."""

    name: str
    unit: str
    output: str
    done_at: float
    """Epoch seconds; infinite for one that is never returned."""


@dataclass(slots=True)
class SimulatedHost:
    """One client's memory."""

    number: int
    key: str
    traits: Traits
    hostid: int = 0
    rpc_seqno: int = 0
    code_sign_key: str = ""
    tasks: dict[str, Task] = field(default_factory=dict)
    cores_free: list[float] = field(default_factory=list)
    done: int = 0
    """Results returned."""
    idle: int = 0
    """Requests in a row that brought no work."""
    delay: float = 60.0
    """Seconds to wait that the server last asked a host without work for."""


@dataclass(slots=True)
class Truth:
    """What the simulation knows and the server does not.

    Attributes
    ----------
    wrong : dict[str, int]
        Segments not computed as asked, by the result's name, for every output.
    makers : dict[str, Character]
        Who made it.
    cpu_seconds : float
        Computed by all hosts, on a core of 3 GFLOP/s.
    rpcs : int
        Requests answered.
    rpc_seconds : float
        Real seconds that took.
    spared : int
        Requests that were not made, because there was no work for anybody.
    progress : list[tuple[float, int]]
        Virtual seconds since the start, and units with an answer.
    """

    wrong: dict[str, int] = field(default_factory=dict)
    makers: dict[str, Character] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    rpcs: int = 0
    rpc_seconds: float = 0.0
    spared: int = 0
    progress: list[tuple[float, int]] = field(default_factory=list)


@dataclass(slots=True)
class Plot:
    """What sly hosts tell each other: who has which unit, and which one of them has computed."""

    members: dict[str, set[int]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)

    def join(self, host: int, unit: str) -> None:
        """Tell that a host was sent a unit."""
        self.members.setdefault(unit, set()).add(host)

    def spoil(self, unit: str) -> None:
        """Tell that one has returned an honest result: another one would not agree with it."""
        self.spoilt.add(unit)

    def has_accomplice(self, host: int, unit: str) -> bool:
        """Whether another one has the unit, and nobody has spoilt it."""
        return unit not in self.spoilt and bool(self.members.get(unit, set()) - {host})


class Fleet:
    """All hosts of a simulation.

    Parameters
    ----------
    world : World
        The project.
    population : Population
        What hosts are like.
    rng : numpy.random.Generator
        All of the fleet's randomness.
    """

    def __init__(self, world: World, population: Population, rng: np.random.Generator) -> None:
        self.world, self.population, self.rng = world, population, rng
        traits = draw_traits(population, rng)
        keys = world.add_users(population.hosts)
        self.hosts = [
            SimulatedHost(number, key, one, cores_free=[START] * one.cores)
            for number, (key, one) in enumerate(zip(keys, traits, strict=True))
        ]
        self.truth = Truth()
        self._plot = Plot()
        self._has_work = True
        self._http = world.flask.test_client()
        # Hosts come one after another during the first day.
        self._queue = [
            (START + float(rng.uniform(0.0, 86400.0)), host.number) for host in self.hosts
        ]
        heapq.heapify(self._queue)

    def run(self, unfinished: int, count_open: Callable[[], int], *, days: float) -> None:
        """Run until every unit has its answer, all hosts are gone, or the time is over.

        Parameters
        ----------
        unfinished : int
            Units at the start.
        count_open : Callable[[], int]
            Returns how many units have no answer.
        days : float
            Virtual days at most.
        """
        total, next_daemons = unfinished, START
        while unfinished and self._queue:
            at, number = self._queue[0]
            if at > START + days * 86400.0:
                return
            if next_daemons <= at:
                self.world.clock.now = next_daemons
                self.world.run_daemons()
                self._has_work = self.world.has_work()
                unfinished = count_open()
                self.truth.progress.append((next_daemons - START, total - unfinished))
                next_daemons += DAEMON_INTERVAL
                continue
            heapq.heappop(self._queue)
            self.world.clock.now = at
            self._contact(self.hosts[number])

    def _contact(self, host: SimulatedHost) -> None:
        now = self.world.clock.now
        if now > START + host.traits.leaves:
            return
        waits_only = all(one.done_at == math.inf for one in host.tasks.values())
        if not self._has_work and host.hostid and waits_only:
            self.truth.spared += 1
            self._wait(host, now)
            return
        finished = [one for one in host.tasks.values() if one.done_at <= now]
        reported = tuple(self._finish(host, one) for one in finished)
        reply = self._send(host, self._request(host, reported, now))
        for name in (*reply.result_acks, *reply.result_aborts, *reply.result_aborts_if_not_started):
            host.tasks.pop(name, None)
        self._take(host, reply, now)
        delay = max(reply.request_delay or 0.0, 60.0)
        ends = [one.done_at for one in host.tasks.values() if one.done_at < math.inf]
        if not (reply.results or ends):
            host.delay = delay
            self._wait(host, now)
            return
        host.idle = 0
        soonest = min(ends, default=now + delay)
        # Never before the delay, and within an hour of the first task that is done.
        at = max(now + delay, soonest + float(self.rng.uniform(0.0, REPORT_WITHIN)))
        heapq.heappush(self._queue, (at, host.number))

    def _wait(self, host: SimulatedHost, now: float) -> None:
        """Let a host without work come again later, and the later the longer it has none.

        The request of a host that has nothing to tell, while there is no work for anybody, is not
        made: its answer is known, and most requests at the end of a campaign are such.
        """
        host.idle += 1
        waits = min(LONGEST_WAIT, host.delay * 2.0 ** min(host.idle, 16))
        at = now + waits + float(self.rng.uniform(0.0, REPORT_WITHIN))
        heapq.heappush(self._queue, (at, host.number))

    def _request(
        self, host: SimulatedHost, reported: tuple[ReportedResult, ...], now: float
    ) -> SchedulerRequest:
        traits = host.traits
        platform, system, _ = PLATFORMS[traits.platform]
        names = {one.name for one in reported}
        queued = sum(max(0.0, free - now) for free in host.cores_free)
        wanted = max(0.0, traits.buffer * traits.cores - queued)
        idle = sum(free <= now for free in host.cores_free)
        return SchedulerRequest(
            authenticator=host.key,
            hostid=host.hostid,
            rpc_seqno=host.rpc_seqno,
            platforms=(platform,),
            client_version=(8, 0, 2),
            work=WorkRequest(wanted, float(idle), estimated_delay=queued / traits.cores),
            host=HostInfo(
                host_cpid=f"{host.number:032x}",
                domain_name=f"host{host.number}",
                ip_addr="192.0.2.1",
                p_ncpus=traits.cores,
                p_vendor="GenuineIntel",
                p_model="Family 6",
                p_fpops=traits.speed,
                m_nbytes=8e9 + host.number,
                d_total=1e12,
                d_free=1e11,
                os_name=system,
            ),
            disk=DiskUsage(d_project_share=1e11),
            time_stats=TimeStats(on_frac=1.0, active_frac=traits.available, now=now),
            results=reported,
            other_results=tuple(name for name in host.tasks if name not in names),
            code_sign_key=host.code_sign_key,
        )

    def _send(self, host: SimulatedHost, request: SchedulerRequest) -> SchedulerReply:
        body = scheduler_request_bytes(request)
        start = time.perf_counter()
        response = self._http.post(
            f"/{SCHEDULER_PATH}", data=body, content_type="application/x-www-form-urlencoded"
        )
        self.truth.rpc_seconds += time.perf_counter() - start
        self.truth.rpcs += 1
        reply = parse_scheduler_reply(response.data)
        if reply.hostid is not None:
            host.hostid, host.rpc_seqno = reply.hostid, 0
        host.rpc_seqno += 1
        if reply.code_sign_key:
            host.code_sign_key = reply.code_sign_key
        return reply

    def _take(self, host: SimulatedHost, reply: SchedulerReply, now: float) -> None:
        units = {one.name: one for one in reply.workunits}
        for result in reply.results:
            unit = units[result.wu_name]
            if host.traits.character is Character.SLY:
                self._plot.join(host.number, result.wu_name)
            seconds = unit.rsc_fpops_est / host.traits.speed / host.traits.available
            lost = bool(self.rng.random() < self.population.loss_rate)
            free = host.cores_free.index(min(host.cores_free))
            done_at = max(now, host.cores_free[free]) + (0.0 if lost else seconds)
            host.cores_free[free] = done_at
            host.tasks[result.name] = Task(
                result.name,
                unit.name,
                result.files[0].file_name,
                math.inf if lost else done_at,
            )

    def _finish(self, host: SimulatedHost, task: Task) -> ReportedResult:
        """Write the output of a task, or let it fail; returns its report."""
        rng, traits = self.rng, host.traits
        cpu = self.world.work.fpops / traits.speed
        broken = traits.character is Character.BROKEN
        if rng.random() < (0.5 if broken else self.population.error_rate):
            self.truth.cpu_seconds += 0.5 * self.world.work.hours * 3600.0
            return ReportedResult(task.name, FAILED, exit_status=1, cpu_time=0.5 * cpu)
        wrong = wrong_segments(
            traits.character,
            host.done,
            self.population,
            rng,
            accomplice=self._plot.has_accomplice(host.number, task.unit),
        )
        host.done += 1
        if traits.character is Character.SLY and not wrong:
            self._plot.spoil(task.unit)
        colluding = traits.character in (Character.COLLUDER, Character.SLY)
        data = output_bytes(
            self.world.digests[task.unit],
            wrong,
            forger=f"all {traits.character}s" if colluding else f"host {host.number}",
            noise=NOISE[traits.platform],
        )
        path = self.world.project.uploads.path(task.output)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.truth.wrong[task.name] = len(wrong)
        self.truth.makers[task.name] = traits.character
        share = 1.0 - len(wrong) / SEGMENTS
        self.truth.cpu_seconds += share * self.world.work.hours * 3600.0
        return ReportedResult(task.name, UPLOADED, cpu_time=cpu, elapsed_time=cpu)
