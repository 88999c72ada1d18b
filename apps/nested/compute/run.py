"""A nested run in segments, each of which can be computed again by anybody.

A run begins with live points drawn from the prior. A segment is a fixed number of iterations: the
live point of the lowest likelihood dies, and another one, drawn from the prior above it, takes its
place (Skilling 2006, Bayesian Analysis 1, 833). dynesty (Speagle 2020, MNRAS 493, 3132) does the
iterations; it is given the live points anew for every segment, with the random stream of (unit's
seed, segment), so that nothing of it has to be kept. What a run is after a segment follows from its
live points, the length of the walks' steps, and the number of the segment alone.

Points of the prior that have no model at all are counted, not kept: they are points of likelihood
zero that died before the others and were not replaced. With k of them drawn before the n-th point
that has a model, the live points begin at a volume of about n / (n + k).
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

import dynesty
import numpy as np
from numpy.typing import NDArray

from apps.nested.compute.cube import Target
from apps.nested.compute.settings import NestedSettings
from apps.nested.compute.walk import TARGET_ACCEPTANCE, LockstepPool, LockstepWalk
from apps.nested.output import NestedOutput
from boinc_project.errors import UnitError
from boinc_project.seeds import step_bits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FIRST_SCALE = 1.0
"""Length of the walks' steps to begin with; a few batches tune it."""
MAX_BLOCKS = 400
"""Blocks of `n_live` points of the prior to look for points that have a model: below a quarter of a
per cent, the prior does not describe the problem."""

_FLAT = "All points are equally likely: the data say nothing about the model."


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """What a segment does.

    Attributes
    ----------
    dead_u, dead_logl, dead_slot : ndarray
        Points that die, in this order: places in the cube (n, n_dim), log-likelihoods, and which
        of the live points each of them was.
    live_u, live_logl : ndarray
        Live points after it, (n_live, n_dim) and (n_live,).
    scale : float
        Length of the walks' steps after it.
    """

    dead_u: Floats
    dead_logl: Floats
    dead_slot: Ints
    live_u: Floats
    live_logl: Floats
    scale: float


@dataclass(slots=True, eq=False)
class NestedRun:
    """A run after some whole segments.

    Attributes
    ----------
    live_u, live_logl : ndarray
        Live points, (n_live, n_dim) in the unit cube and (n_live,).
    n_drawn : int
        Points of the prior that were drawn to begin with; all but `n_live` of them had no model.
    dead_u, dead_logl, dead_slot : list[ndarray]
        Dead points by segment; see `Segment`.
    scales : list[float]
        Length of the walks' steps at the beginning of every segment, and after the last.
    calls : list[int]
        Likelihood calls up to the beginning of every segment, and after the last.
    failures : Counter
        Points without a model so far, by kind.
    """

    live_u: Floats
    live_logl: Floats
    n_drawn: int
    dead_u: list[Floats] = field(default_factory=list)
    dead_logl: list[Floats] = field(default_factory=list)
    dead_slot: list[Ints] = field(default_factory=list)
    scales: list[float] = field(default_factory=lambda: [FIRST_SCALE])
    calls: list[int] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def n_segment(self) -> int:
        """Segments done."""
        return len(self.dead_logl)


class NestedSampler:
    """Makes a nested run, segment by segment.

    Parameters
    ----------
    settings : NestedSettings
        Live points, segments, walks.
    prior_key, chain_key : tuple[int, int]
        Of the unit's PRIOR and CHAIN streams; see `boinc_project.seeds.stream_key`.
    target : Target
        The likelihood over the unit cube.
    """

    def __init__(
        self,
        settings: NestedSettings,
        prior_key: tuple[int, int],
        chain_key: tuple[int, int],
        target: Target,
    ) -> None:
        self.settings = settings
        self._prior_key, self._chain_key = prior_key, chain_key
        self._target = target

    def begin(self) -> NestedRun:
        """Return the run before its first segment.

        Raises
        ------
        UnitError
            If hardly any point of the prior has a model.
        """
        n_live, n_dim = self.settings.n_live, self._target.n_dim
        points: list[Floats] = []
        values: list[Floats] = []
        n_good = 0
        for block in range(MAX_BLOCKS):
            rng = np.random.Generator(step_bits(self._prior_key, block))
            drawn = rng.random((n_live, n_dim))
            logl = self._target.log_likelihoods(drawn)
            good = np.flatnonzero(logl > -math.inf)[: n_live - n_good]
            points.append(drawn[good])
            values.append(logl[good])
            n_good += len(good)
            if n_good == n_live:
                n_drawn = block * n_live + int(good[-1]) + 1
                return NestedRun(np.concatenate(points), np.concatenate(values), n_drawn)
        raise UnitError(
            f"Only {n_good} of {MAX_BLOCKS * n_live} points drawn from the prior have a model: "
            "make the priors narrower.",
            n_good=n_good,
        )

    def advance(self, run: NestedRun) -> None:
        """Do one segment; if it is interrupted by an exception, `run` stays as it was."""
        done = self.segment(run.live_u, run.live_logl, run.scales[-1], run.n_segment)
        run.live_u, run.live_logl = done.live_u, done.live_logl
        run.dead_u.append(done.dead_u)
        run.dead_logl.append(done.dead_logl)
        run.dead_slot.append(done.dead_slot)
        run.scales.append(done.scale)

    def segment(self, live_u: Floats, live_logl: Floats, scale: float, number: int) -> Segment:
        """Return what segment `number`, counted from 0, does to the given live points.

        Raises
        ------
        UnitError
            If all live points are equally likely: nothing can be learned from such data.
        """
        if not np.ptp(live_logl) > 0.0:
            raise UnitError(_FLAT)
        rng = np.random.Generator(step_bits(self._chain_key, number))
        sampler = self._dynesty(live_u, live_logl, scale, rng)
        # Leave the phase in which dynesty draws from the whole cube: bound the points now.
        sampler.update_bound_if_needed(-math.inf, force=True)
        iterations = sampler.sample(dlogz=None, save_bounds=False)
        dead = [
            (one.ustar, float(one.loglstar), int(one.worst))
            for one in islice(iterations, self.settings.segment)
        ]
        if len(dead) < self.settings.segment:
            raise UnitError(_FLAT)
        return Segment(
            dead_u=np.array([u for u, _, _ in dead]),
            dead_logl=np.array([logl for _, logl, _ in dead]),
            dead_slot=np.array([slot for _, _, slot in dead], dtype=np.int64),
            live_u=sampler.live_u,
            live_logl=sampler.live_logl,
            scale=float(sampler.internal_sampler.scale),
        )

    def _dynesty(
        self, live_u: Floats, live_logl: Floats, scale: float, rng: np.random.Generator
    ) -> dynesty.NestedSampler:
        settings, n_dim = self.settings, self._target.n_dim
        walk = LockstepWalk(
            scale, walks=settings.walks, facc=TARGET_ACCEPTANCE, ndim=n_dim, ncdim=n_dim
        )
        return dynesty.NestedSampler(
            _not_called,
            _not_called,
            n_dim,
            nlive=settings.n_live,
            bound="multi",
            sample=walk,
            # dynesty works in the cube; it changes the arrays in place.
            live_points=(live_u.copy(), live_u.copy(), live_logl.copy()),
            rstate=rng,
            pool=LockstepPool(self._target, settings.walks, settings.batch),
            queue_size=settings.batch,
            use_pool={"prior_transform": False, "loglikelihood": False, "update_bound": False},
            facc=TARGET_ACCEPTANCE,
        )


def output_of(
    run: NestedRun,
    names: tuple[str, ...],
    *,
    unit_digest: str,
    app_version: int = 0,
    platform: str = "",
    app_digest: str = "",
) -> NestedOutput:
    """Return what a run of at least one segment is written as.

    Parameters
    ----------
    run : NestedRun
        All of it.
    names : tuple[str, ...]
        Of the coordinates of the cube.
    unit_digest : str
        Of the unit.
    app_version, platform, app_digest : int, str, str
        By what, where, and by which files it was computed.
    """
    return NestedOutput(
        unit_digest=unit_digest,
        app_version=app_version,
        platform=platform,
        app_digest=app_digest,
        parameter_names=names,
        dead_u=np.concatenate(run.dead_u),
        dead_logl=np.concatenate(run.dead_logl),
        dead_slot=np.concatenate(run.dead_slot),
        live_u=run.live_u,
        live_logl=run.live_logl,
        scales=np.array(run.scales),
        calls=np.array(run.calls, dtype=np.int64),
        n_drawn=run.n_drawn,
        segment=len(run.dead_logl[0]),
        failures=dict(run.failures),
    )


def is_complete(run: NestedRun, settings: NestedSettings) -> bool:
    """Whether no more than `dlogz` is to come, or no more segments are allowed."""
    if run.n_segment >= settings.max_segments:
        return True
    if not run.n_segment:
        return False
    left = log_left(np.concatenate(run.dead_logl), run.live_logl, run.n_drawn)
    return left < math.log(math.expm1(settings.dlogz))


def log_left(dead_logl: Floats, live_logl: Floats, n_drawn: int) -> float:
    """Return the logarithm of what is left, at most, over the evidence that is found.

    What is left is the volume inside the last contour times the best live point's likelihood. If
    that is r, the log evidence grows by no more than log(1 + r). Volumes are the expected ones:
    they shrink by a factor exp(-1 / n_live) an iteration.

    Parameters
    ----------
    dead_logl, live_logl : ndarray
        Log-likelihoods of the dead points, in the order of their deaths, and of the live ones.
    n_drawn : int
        See `NestedRun`.
    """
    n_live = len(live_logl)
    log_volume = math.log(n_live / n_drawn) - np.arange(len(dead_logl) + 1) / n_live
    terms = dead_logl + log_volume[:-1] + math.log(-math.expm1(-1.0 / n_live))
    peak = float(terms.max())
    log_z = peak + math.log(math.fsum(np.exp(terms - peak).tolist()))
    return float(live_logl.max() + log_volume[-1]) - log_z


def _not_called(point: Floats) -> float:
    """Stand where dynesty wants a function of one point; the pool evaluates all of them."""
    raise AssertionError(point)
