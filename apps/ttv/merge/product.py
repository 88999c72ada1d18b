"""A campaign's product: the merged posterior, what it says, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from apps.ttv.merge import summary as entries
from apps.ttv.merge.chains import Merged
from apps.ttv.merge.diagnostics import Marginal
from apps.ttv.merge.evidence import importance_evidence, log_constant
from apps.ttv.merge.posterior_files import (
    common_attributes,
    posterior_digest,
    write_hdf5,
    write_netcdf,
)
from apps.ttv.merge.quantities import Quantity
from apps.ttv.merge.report import chains_report
from apps.ttv.merge.verdict.row import Verdict
from assimilator.directory import write_product
from assimilator.provenance import provenance
from assimilator.summary import head
from boinc_project.campaign import Campaign
from boinc_project.outputs import Rejected
from boinc_project.report import REPORT

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """What all canonical outputs of a campaign say together.

    Attributes
    ----------
    campaign : Campaign
        Whose product it is.
    problem, table
        The posterior's definition and its data.
    merged : Merged
        The posterior, and what became of every sub-chain.
    quantities : tuple[Quantity, ...]
        The free parameters, then the derived quantities; empty if nothing is merged.
    marginals : Mapping[str, Marginal]
        By the quantities' names.
    verdict : Verdict
        Whether it is sampled, described and informative, row by row.
    acceptance : Mapping[tuple, ndarray]
        Accepted share of each walker, by sub-chain.
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
    merged: Merged
    quantities: tuple[Quantity, ...]
    marginals: Mapping[str, Marginal]
    verdict: Verdict
    acceptance: Mapping[tuple[int, int, str], Floats]
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
        """All merged draws of the free parameters, float64 (n_draw, n_dim)."""
        return self.merged.draws.reshape(-1, self.merged.draws.shape[-1])

    @property
    def n_draw(self) -> int:
        """Number of merged draws."""
        return int(self.merged.log_prob.size)

    @property
    def n_unit(self) -> int:
        """Number of canonical outputs it was made of, merged or set apart."""
        return len(self.merged.reports)

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
        """SHA-256 of the merged draws, in hexadecimal."""
        return posterior_digest(self.problem.parameter_names, self.merged)

    def summary(self) -> dict[str, Any]:
        """Return the summary as plain JSON values; see ``docs/scientist/products.md``."""
        free = {one.name: self.marginals[one.name] for one in self.quantities if not one.derived}
        n_chain, n_draw, n_walker = self.merged.log_prob.shape
        told = {
            **head(self.campaign),
            "created_at": self.created_at.isoformat(),
            "digest": self.digest,
            "converged": self.converged,
            "missing": list(self.missing),
            "verdict": self.verdict.to_json(),
            "n_unit": self.n_unit,
            "n_unit_merged": n_chain,
            "n_walker": n_walker,
            "n_draw_per_walker": n_draw,
            "n_draw": self.n_draw,
            **entries.extremes(free),
            "log_prob_max": float(self.merged.log_prob.max()) if self.n_draw else None,
            "parameters": [
                entries.parameter_entry(one, self.marginals[one.name], self.campaign.published)
                for one in self.quantities
            ],
            "sub_chains": [
                entries.sub_chain_entry(
                    report, self.campaign.name, float(self.acceptance[report.key].mean())
                )
                for report in self.merged.reports
            ],
            "modes": entries.mode_entries(self.merged),
            "evidence": self._evidence(),
        }
        return {**told, REPORT: chains_report(told, self.size).to_plain()}

    def _evidence(self) -> dict[str, float | None] | None:
        found = importance_evidence(self.campaign.settings, log_constant(self.problem, self.table))
        return None if found is None else entries.estimate(found)

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
        if self.n_draw:
            self._write_draws(directory)
            self._write_plots(directory)

    def _write_draws(self, directory: Path) -> None:
        attributes = common_attributes(
            self.campaign.name, self.campaign.app, self.digest, self.created_at.isoformat()
        )
        n_walker = self.merged.log_prob.shape[2]
        acceptance = np.stack([self.acceptance[key][:n_walker] for key in self.merged.keys])
        write_hdf5(directory / "posterior.h5", self.quantities, self.merged, attributes)
        write_netcdf(
            directory / "posterior.nc",
            self.quantities,
            self.merged,
            acceptance,
            self.table,
            attributes,
        )

    def _write_plots(self, directory: Path) -> None:
        # Matplotlib takes a second to import; only who writes a product needs it.
        from apps.ttv.merge import plots
        from apps.ttv.merge.mode_plot import modes_plot
        from apps.ttv.merge.timing import timing_curves

        title = self.campaign.title
        free = [one for one in self.quantities if not one.derived]
        curves = timing_curves(self.problem, self.table, self.draws)
        pictures = {
            "corner.png": plots.corner_plot(free, title),
            "rank.png": plots.rank_plot(free, title),
        }
        if curves:
            pictures["oc.png"] = plots.oc_plot(curves, title)
        if self.campaign.settings.get("modes"):
            pictures["modes.png"] = modes_plot(self.campaign.settings["modes"], title)
        for name, data in pictures.items():
            (directory / name).write_bytes(data)
