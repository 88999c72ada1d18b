"""The product of a campaign of nested runs: evidence, posterior, modes, and their files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.nested.merge.files import nested_digest, write_hdf5, write_netcdf
from apps.nested.merge.modes import NestedMode
from apps.nested.merge.report import nested_report
from apps.nested.weights import Points, Weighted
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from apps.ttv.merge import summary as entries
from apps.ttv.merge.diagnostics import Estimate, Marginal
from apps.ttv.merge.posterior_files import common_attributes
from apps.ttv.merge.quantities import Quantity
from apps.ttv.merge.verdict.row import Verdict
from assimilator.directory import write_product
from assimilator.provenance import provenance
from assimilator.summary import head, number
from boinc_project.campaign import Campaign
from boinc_project.outputs import Rejected
from boinc_project.report import REPORT

WARNING = "Draws are independent points of a nested run, by chance in no order; not a chain."

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What nested sampling knows beside the posterior.

    Attributes
    ----------
    logz : Estimate
        Logarithm of the evidence, and its standard error.
    information : float
        Kullback-Leibler divergence from the prior to the posterior, nats.
    ess : float
        Effective number of weighted draws (Kish 1965).
    n_live : int
        Live points of all runs together.
    n_likelihood : int
        Likelihood calls of all runs together.
    insertion_p : float
        Probability of insertion ranks as uneven as these (Fowlie, Handley & Su 2020).
    scatter_p : float
        Probability of evidences that scatter over the runs as much as these do; NaN for one run.
    importance : Estimate | None
        The logarithm of the evidence by importance sampling, found before the first unit; None if
        that had too few effective draws.
    """

    logz: Estimate
    information: float
    ess: float
    n_live: int
    n_likelihood: int
    insertion_p: float
    scatter_p: float
    importance: Estimate | None = None

    @property
    def importance_p(self) -> float:
        """Probability that both methods differ so much by chance; NaN if there is only one."""
        if self.importance is None:
            return math.nan
        error = math.hypot(self.logz.mcse, self.importance.mcse)
        return math.erfc(abs(self.logz.value - self.importance.value) / (error * math.sqrt(2.0)))


@dataclass(frozen=True, slots=True)
class SubRun:
    """One unit's run by itself.

    Attributes
    ----------
    key : tuple[int, int, str]
        Generation, index and digest of its unit.
    logz : Estimate
        Its own evidence.
    n_dead, n_live, n_likelihood : int
        Its points and calls.
    insertion_p : float
        As of `Evidence`.
    remark : str
        What is odd about it; else empty.
    """

    key: tuple[int, int, str]
    logz: Estimate
    n_dead: int
    n_live: int
    n_likelihood: int
    insertion_p: float
    remark: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """Merged runs.

    Attributes
    ----------
    points : Points
        All points.
    weighted : Weighted
        Their weights.
    values : ndarray
        float64 (n, n_dim), the free parameters of all points.
    logl : ndarray
        float64 (n,), their log-likelihoods: not those of `points` if the runs had a proposal.
    chosen : ndarray
        int64 (n_draw,), points that make an equally weighted sample.
    evidence : Evidence
        And what is known of it.
    modes : tuple[NestedMode, ...]
        The one with most of the evidence first.
    """

    points: Points
    weighted: Weighted
    values: Floats
    logl: Floats
    chosen: NDArray[np.int64]
    evidence: Evidence
    modes: tuple[NestedMode, ...]

    @property
    def has_proposal(self) -> bool:
        """Whether the runs' cube is not the prior's; see `apps.nested.compute.proposal`."""
        return self.points.cube.shape[1] > self.values.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class NestedProduct:
    """What all canonical outputs of a campaign of nested runs say together.

    Attributes
    ----------
    campaign : Campaign
        Whose product it is.
    problem, table
        The posterior's definition and its data.
    posterior : Posterior | None
        The merged runs; None if there are none.
    runs : tuple[SubRun, ...]
        One for every output.
    quantities : tuple[Quantity, ...]
        The free parameters, then the derived quantities, of the equally weighted sample.
    marginals : Mapping[str, Marginal]
        By the quantities' names, from all weighted points.
    verdict : Verdict
        Whether it is sampled, described and informative, row by row.
    units : tuple[dict, ...]
        Provenance of every canonical output.
    rejected : tuple[Rejected, ...]
        Results that are not in it.
    created_at : datetime
        Aware; when it was made.
    """

    campaign: Campaign
    problem: Problem
    table: TransitTable
    posterior: Posterior | None
    runs: tuple[SubRun, ...]
    quantities: tuple[Quantity, ...]
    marginals: Mapping[str, Marginal]
    verdict: Verdict
    units: tuple[dict[str, Any], ...]
    rejected: tuple[Rejected, ...]
    created_at: datetime

    @property
    def sampled(self) -> bool:
        """Whether its numbers are the posterior's: what ends a campaign."""
        return self.verdict.sampled

    @property
    def described(self) -> bool:
        """Whether the model describes the data."""
        return self.verdict.described

    @property
    def informative(self) -> bool:
        """Whether the data say more than the prior."""
        return self.verdict.informative

    @property
    def converged(self) -> bool:
        """Whether it is sampled, described and informative."""
        return self.verdict.converged

    @property
    def missing(self) -> tuple[str, ...]:
        """What keeps it from that, one sentence each."""
        return self.verdict.missing

    @property
    def draws(self) -> Floats:
        """Equally weighted draws of the free parameters, float64 (n_draw, n_dim)."""
        if self.posterior is None:
            return np.empty((0, self.problem.n_dim))
        return np.asarray(self.posterior.values[self.posterior.chosen])

    @property
    def n_draw(self) -> int:
        """Number of equally weighted draws."""
        return 0 if self.posterior is None else len(self.posterior.chosen)

    @property
    def n_unit(self) -> int:
        """Number of canonical outputs it was made of."""
        return len(self.runs)

    @property
    def size(self) -> str:
        """How much is in it, for people."""
        return f"{self.n_draw:,} draws"

    @property
    def outcome(self) -> str:
        """The verdict and what is missing: sentences for people."""
        return " ".join((self.verdict.sentence, *self.missing))

    @property
    def digest(self) -> str:
        """SHA-256 of the merged points, in hexadecimal."""
        points = None if self.posterior is None else self.posterior.points
        names = self.problem.parameter_names
        return nested_digest(names, tuple(run.key for run in self.runs), points)

    def summary(self) -> dict[str, Any]:
        """Return the summary as plain JSON values; see ``docs/scientist/products.md``."""
        told = {
            **head(self.campaign),
            "created_at": self.created_at.isoformat(),
            "digest": self.digest,
            "converged": self.converged,
            "missing": list(self.missing),
            "verdict": self.verdict.to_json(),
            "n_unit": self.n_unit,
            "n_unit_merged": self.n_unit,
            "n_draw": self.n_draw,
            "evidence": None if self.posterior is None else _evidence(self.posterior.evidence),
            "parameters": [
                entries.parameter_entry(one, self.marginals[one.name], self.campaign.published)
                for one in self.quantities
            ],
            "sub_runs": [_sub_run(run, self.campaign.name) for run in self.runs],
            "modes": [] if self.posterior is None else self._modes(self.posterior),
        }
        return {**told, REPORT: nested_report(told, self.size).to_plain()}

    def provenance(self) -> dict[str, Any]:
        """Return where it comes from, as plain JSON values."""
        return provenance(
            self.campaign,
            self.units,
            self.rejected,
            digest=self.digest,
            created_at=self.created_at.isoformat(),
        )

    def write(self, directory: Path) -> None:
        """Write all files into `directory`; each appears whole or not at all.

        A product without draws has a summary and a provenance only.
        """
        write_product(
            directory, self._write_files, summary=self.summary(), provenance=self.provenance()
        )

    def _write_files(self, directory: Path) -> None:
        if self.posterior is not None:
            self._write_draws(directory, self.posterior)
            self._write_plots(directory, self.posterior)

    def _modes(self, posterior: Posterior) -> list[dict[str, Any]]:
        names = self.problem.parameter_names
        return [
            {
                "mode": place,
                "share": _pair(mode.share, mode.share_error),
                "logz": _pair(mode.logz, mode.logz_error),
                "log_likelihood_max": number(mode.logl_max),
                "means": dict(zip(names, mode.centre, strict=True)),
            }
            for place, mode in enumerate(posterior.modes)
        ]

    def _write_draws(self, directory: Path, posterior: Posterior) -> None:
        attributes = common_attributes(
            self.campaign.name,
            self.campaign.app,
            self.digest,
            self.created_at.isoformat(),
            warning=WARNING,
        )
        keys = tuple(run.key for run in self.runs)
        logl = posterior.logl[posterior.chosen]
        evidence = posterior.evidence
        numbers = {
            "log_z": evidence.logz.value,
            "log_z_error": evidence.logz.mcse,
            "information": evidence.information,
        }
        write_hdf5(
            directory / "posterior.h5",
            quantities=self.quantities,
            logl=logl,
            points=posterior.points,
            weighted=posterior.weighted,
            values=posterior.values,
            log_ratios=posterior.points.logl - posterior.logl,
            keys=keys,
            attributes={**attributes, **numbers},
        )
        write_netcdf(
            directory / "posterior.nc",
            self.quantities,
            logl,
            self.table,
            attributes={**attributes, **numbers},
        )

    def _write_plots(self, directory: Path, posterior: Posterior) -> None:
        # Matplotlib takes a second to import; only who writes a product needs it.
        from apps.nested.merge import plots as nested_plots
        from apps.ttv.merge import plots
        from apps.ttv.merge.timing import timing_curves

        title = self.campaign.title
        free = [one for one in self.quantities if not one.derived]
        curves = timing_curves(self.problem, self.table, self.draws)
        pictures = {"run.png": nested_plots.run_plot(posterior, self.runs, title)}
        # Contours of a few points only show their bins.
        if self.n_draw > 10 * self.problem.n_dim:
            pictures["corner.png"] = plots.corner_plot(free, title)
        if curves:
            pictures["oc.png"] = plots.oc_plot(curves, title)
        for name, data in pictures.items():
            (directory / name).write_bytes(data)


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        **asdict(evidence),
        "logz": _pair(evidence.logz.value, evidence.logz.mcse),
        "insertion_p": number(evidence.insertion_p),
        "scatter_p": number(evidence.scatter_p),
        "importance": None
        if evidence.importance is None
        else _pair(evidence.importance.value, evidence.importance.mcse),
        "importance_p": number(evidence.importance_p),
    }


def _sub_run(run: SubRun, campaign: str) -> dict[str, Any]:
    generation, index, digest = run.key
    return {
        "unit": f"{campaign}_g{generation}_u{index:03d}",
        "generation": generation,
        "index": index,
        "unit_digest": digest,
        "logz": _pair(run.logz.value, run.logz.mcse),
        "n_dead": run.n_dead,
        "n_live": run.n_live,
        "n_likelihood": run.n_likelihood,
        "insertion_p": number(run.insertion_p),
        "remark": run.remark,
    }


def _pair(value: float, error: float) -> dict[str, float | None]:
    return {"value": number(value), "mcse": number(error)}
