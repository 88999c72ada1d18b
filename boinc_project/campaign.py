"""A campaign, as every room sees it: plain values, read from one TOML file by the generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from boinc_project.input_store import StoredInput

PREPARATION, SECOND_OPINION = 1_000_000, 1_000_001
"""Places in generation 0 of the units of a timing campaign that are no chains and no runs, and so
their branches of the seed tree. No campaign has as many units, and neither place depends on how
many there are."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """BOINC's replication limits for every workunit of a campaign (``workunit`` table)."""

    min_quorum: int = 2
    """Agreeing results needed."""
    target_nresults: int = 2
    """Results created at first."""
    max_error_results: int = 3
    """More failed results than this end the workunit in error."""
    max_total_results: int = 8
    """No more results than this are ever created."""
    max_success_results: int = 6
    """More successes than this without agreement end the workunit in error."""
    delay_bound: float = 7 * 86400.0
    """Seconds a host may take."""
    adaptive: bool = False
    """Whether a host with a good record may compute a workunit alone, audited by the server; of a
    campaign."""
    full_quorum: int = 0
    """`min_quorum` of a workunit whose results need confirming; 0 if that does not change. Until
    then its `min_quorum` is 1: see `boinc_project.lifecycle.trust`."""


@dataclass(frozen=True, slots=True)
class StopRule:
    """When a posterior is good enough; fixed before the start."""

    rhat: float = 1.01
    """Largest rank-normalised split R-hat over sub-chains (Vehtari et al. 2021)."""
    ess_bulk: float = 400.0
    """Smallest bulk effective sample size of any parameter."""
    ess_tail: float = 400.0
    """Smallest tail effective sample size of any parameter."""
    max_units: int = 64
    """Units after which the campaign ends, sampled or not."""
    logz_error: float | None = None
    """Largest standard error of the log evidence. Given for nested runs only, whose rule is this
    and `ess`; the other limits then say nothing."""
    ess: float | None = None
    """Smallest effective number of weighted draws."""
    all_units: bool = False
    """Whether the rule is that all `max_units` units are done, as of images: nothing converges,
    and the other limits say nothing."""

    @property
    def limits(self) -> dict[str, float | int | None]:
        """The limits that say something, by name: of chains, of nested runs, or of images."""
        if self.all_units:
            return {"max_units": self.max_units}
        if self.logz_error is None:
            chains = {"rhat": self.rhat, "ess_bulk": self.ess_bulk, "ess_tail": self.ess_tail}
            return {**chains, "max_units": self.max_units}
        return {"logz_error": self.logz_error, "ess": self.ess, "max_units": self.max_units}


@dataclass(frozen=True, slots=True)
class Published:
    """A value from the literature, shown beside ours; never used in the computation."""

    parameter: str
    """Name of the parameter or derived quantity, e.g. ``b.mass`` or ``b.eccentricity``."""
    value: float
    """Central value, in the parameter's unit."""
    plus: float
    """Upper uncertainty; 0 if none is stated."""
    minus: float
    """Lower uncertainty, positive; 0 if none is stated."""
    source: str
    """Paper."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One science goal: many workunits, one product.

    Attributes
    ----------
    name : str
        Lower-case letters, digits and dashes; names directories, workunits and pages.
    title, description : str
        For people.
    app : str
        The application that computes it.
    seed : int
        Root of the campaign's seed tree.
    settings : Mapping[str, Any]
        What every unit's settings share, app-specific; see `apps.ttv.compute.settings` and
        `apps.nested.compute.settings`.
    inputs : Mapping[str, bytes]
        Small input files that units share, by logical name (``transits.csv``). Which of them a
        unit needs is said by the unit.
    units_per_generation : int
        Units that the planner issues at once.
    quorum, stop, published
        See their classes.
    """

    name: str
    title: str
    description: str
    app: str
    seed: int
    settings: Mapping[str, Any]
    inputs: Mapping[str, bytes]
    units_per_generation: int
    quorum: Quorum = field(default_factory=Quorum)
    stop: StopRule = field(default_factory=StopRule)
    published: tuple[Published, ...] = ()
    source: str = ""
    """The campaign file's own text, kept for provenance."""
    files: Mapping[str, StoredInput] = field(default_factory=dict)
    """Large input files of single units, by SHA-256; their bytes lie in an
    `boinc_project.input_store.InputStore`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What the planner may know of a running campaign.

    Attributes
    ----------
    issued : tuple[int, ...]
        Units issued in each generation so far.
    open_units : int
        Issued units without a verdict yet.
    sampled : bool
        Whether the newest product meets the stop rule: a posterior that is sampled, an image of
        all units.
    draws : Any
        Merged draws of all canonical outputs, float64 (n_draw, n_dim); None while there are none,
        and for apps whose outputs are no draws.
    merged : int
        Canonical outputs in the newest product.
    """

    issued: tuple[int, ...] = ()
    open_units: int = 0
    sampled: bool = False
    draws: Any = None
    merged: int = 0
