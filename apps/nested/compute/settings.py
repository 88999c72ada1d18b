"""The schema of a nested sampling unit's settings.

::

    {"model": ..., "parameters": ...,          as for ttv_mcmc: see `apps.ttv.compute.settings`
     "sampler": {"n_live": 250, "dlogz": 0.01, "segment": 125, "method": "rwalk", "walks": 40,
                 "batch": 16, "max_segments": 200,
                 "proposal": {"share": 0.8, "shear": ..., "weights": ..., ...}}}

``proposal`` is optional; see `apps.nested.compute.proposal`. Without it the unit cube is the
prior's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.nested.compute.cube import coordinates
from apps.nested.compute.proposal import Proposal, parse_proposal
from apps.ttv.compute.fields import integer_of, only_keys, positive_of, table_of
from apps.ttv.compute.settings import Problem
from boinc_project.errors import UnitError

METHODS = ("rwalk",)
"""How a new point inside a likelihood contour is found; see `apps.nested.compute.walk`."""
MIN_LIVE = 32
MAX_LIVE = 10_000
MAX_SEGMENTS = 100_000
MAX_WALKS = 10_000
MAX_DLOGZ = 100.0
MAX_DEAD = 2_000_000
"""Largest number of dead points of a unit: what an output holds."""


@dataclass(frozen=True, slots=True)
class NestedSettings:
    """How a nested run is made.

    Attributes
    ----------
    n_live : int
        Live points.
    dlogz : float
        The run ends at the first segment boundary where the rest is worth less: the logarithm of
        the evidence would grow by less than this if all live points were as good as the best.
    segment : int
        Iterations of a segment.
    method : str
        One of `METHODS`.
    walks : int
        Steps of the random walk that leads to a new point.
    batch : int
        Walks that are advanced together.
    max_segments : int
        Segments after which the run ends, whatever is left.
    proposal : Proposal | None
        Where the posterior is; None: the cube is the prior's.
    """

    n_live: int
    dlogz: float
    segment: int
    method: str
    walks: int
    batch: int
    max_segments: int
    proposal: Proposal | None = None

    @property
    def max_dead(self) -> int:
        """Largest number of dead points before the final live points are added."""
        return self.segment * self.max_segments

    @property
    def max_call(self) -> int:
        """Most likelihood calls that a run of these settings can take after its first points.

        Every iteration takes a walk; each segment may leave a batch of walks unused; and of a
        batch, proposed for one contour, some points fall below a later one. The worst case of
        that is not bounded, but a share of ``batch / n_live`` is twice what is expected.
        """
        walks = self.max_segments * (self.segment * (1.0 + self.batch / self.n_live) + self.batch)
        return math.ceil(walks) * (self.walks + 1)


@dataclass(frozen=True, slots=True, eq=False)
class NestedUnit:
    """All settings of a unit.

    Attributes
    ----------
    problem : Problem
        Model and priors.
    sampler : NestedSettings
        How the run is made.
    """

    problem: Problem
    sampler: NestedSettings

    @property
    def coordinates(self) -> tuple[str, ...]:
        """The names of the cube's coordinates, in the order of an output's places."""
        return coordinates(self.problem, self.sampler.proposal)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> NestedUnit:
        """Read a unit's settings.

        Raises
        ------
        UnitError
            Naming the key that is missing, unknown or of a wrong type.
        """
        only_keys(settings, {"model", "noise", "parameters", "sampler"}, "settings")
        problem = Problem.from_mapping(settings)
        return cls(problem, parse_sampler(table_of(settings, "sampler", "settings"), problem.n_dim))


def least_live(n_dim: int, *, has_proposal: bool = False) -> int:
    """Return the fewest live points that are allowed.

    Ellipsoids are fitted to them: with four points a dimension of the cube, the error of a
    covariance is a quarter of it, which costs efficiency but not correctness.
    """
    return max(MIN_LIVE, 4 * (n_dim + has_proposal))


def parse_sampler(raw: Mapping[str, Any], n_dim: int) -> NestedSettings:
    """Read ``settings["sampler"]``.

    Raises
    ------
    UnitError
        Naming the key that is missing, unknown, of a wrong type or out of range.
    """
    where = "settings.sampler"
    only_keys(raw, set(NestedSettings.__dataclass_fields__), where)
    proposal = None
    if "proposal" in raw:
        proposal = parse_proposal(table_of(raw, "proposal", where), n_dim)
    least = least_live(n_dim, has_proposal=proposal is not None)
    n_live = integer_of(raw, "n_live", where, least, MAX_LIVE)
    dlogz = positive_of(raw, "dlogz", where)
    if dlogz > MAX_DLOGZ:
        raise UnitError(f"{where}.dlogz is larger than {MAX_DLOGZ:g}.", key="dlogz")
    if raw.get("method") not in METHODS:
        raise UnitError(f"{where}.method is {raw.get('method')!r}, not {' or '.join(METHODS)}.")
    settings = NestedSettings(
        n_live=n_live,
        dlogz=dlogz,
        segment=integer_of(raw, "segment", where, 1, n_live),
        method=str(raw["method"]),
        walks=integer_of(raw, "walks", where, 2, MAX_WALKS),
        # Points of a batch are proposed for one contour: a larger batch wastes too many.
        batch=integer_of(raw, "batch", where, 1, max(1, n_live // 4)),
        max_segments=integer_of(raw, "max_segments", where, 1, MAX_SEGMENTS),
        proposal=proposal,
    )
    if settings.max_dead > MAX_DEAD:
        raise UnitError(f"{where}: segment times max_segments is more than {MAX_DEAD}.")
    return settings
