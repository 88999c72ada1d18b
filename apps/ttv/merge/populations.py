"""Outputs of populations: told from those of chains and runs, and made into a second opinion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.population.importance import TRUSTED_EFFECTIVE, kish, log_mean, relative_error
from apps.ttv.compute.population.settings import is_population
from apps.ttv.merge.diagnostics import Estimate
from apps.ttv.merge.resampling import systematic
from apps.ttv.merge.verdict.second_opinion import SecondOpinion
from apps.ttv.population_output import (
    PopulationOutput,
    content_digest,
    read_population_output,
)
from assimilator.provenance import unit_entry
from boinc_project.campaign import PREPARATION
from boinc_project.errors import OutputError
from boinc_project.outputs import Canonical

N_DRAW = 8000
"""Equally weighted draws that are made of all draws together. Each independent part has as many of
them as is its weight: parts of few effective draws would be biased if all had as many."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sorted:
    """A campaign's outputs by what they are of, each kind by generation, index and digest.

    Attributes
    ----------
    posterior : tuple[Canonical, ...]
        Chains or runs, that are merged.
    populations : tuple[Canonical, ...]
        Second opinions, that are never merged.
    preparations : tuple[Canonical, ...]
        What chains begin with; no opinion beside them.
    """

    posterior: tuple[Canonical, ...]
    populations: tuple[Canonical, ...]
    preparations: tuple[Canonical, ...]


def sort(outputs: Sequence[Canonical]) -> Sorted:
    """Tell outputs of populations from all others."""
    ordered = sorted(outputs, key=_key)
    populations = [output for output in ordered if is_population(output.unit.settings)]
    others = [output for output in ordered if not is_population(output.unit.settings)]
    return Sorted(
        posterior=tuple(others),
        populations=tuple(one for one in populations if one.unit.index != PREPARATION),
        preparations=tuple(one for one in populations if one.unit.index == PREPARATION),
    )


def second_opinion(outputs: Sequence[Canonical], constant: float) -> SecondOpinion | None:
    """Return what populations say of a posterior; None if there are none.

    Parameters
    ----------
    outputs : sequence of Canonical
        Of populations.
    constant : float
        What the likelihood leaves out; see `apps.ttv.merge.evidence.log_constant`.

    Raises
    ------
    OutputError
        If an output cannot be read, or is not of its unit.
    """
    if not outputs:
        return None
    read = [_read(output) for output in outputs]
    points = np.concatenate([output.points for output in read])
    logs = np.concatenate([output.log_weight for output in read])
    if not np.isfinite(logs).any():
        return None
    chosen = systematic(np.exp(logs - logs.max()).ravel(), N_DRAW)
    parts = np.repeat(np.arange(len(logs)), logs.shape[1])
    groups = np.unique(parts[chosen], return_inverse=True)[1]
    return SecondOpinion(
        draws=points.reshape(-1, points.shape[2])[chosen],
        log_z=_evidence(logs.ravel(), constant),
        n_part=int(groups.max()) + 1,
        groups=groups,
    )


def entries(outputs: Sequence[Canonical]) -> list[dict[str, Any]]:
    """Return the provenance of outputs of populations."""
    return [
        unit_entry(output, read, content_digest(read))
        for output, read in ((output, _read(output)) for output in outputs)
    ]


def _evidence(logs: Floats, constant: float) -> Estimate | None:
    """Return log Z and its error by all weights; None if too few draws are effective."""
    if kish(logs) < TRUSTED_EFFECTIVE:
        return None
    value = log_mean(logs) + constant
    return Estimate(value, relative_error(logs)) if math.isfinite(value) else None


def _read(canonical: Canonical) -> PopulationOutput:
    output = read_population_output(canonical.path)
    if output.unit_digest != canonical.unit.digest:
        raise OutputError(f"The output {canonical.path.name} is not of {canonical.unit.name}.")
    return output


def _key(output: Canonical) -> tuple[int, int, str]:
    return output.unit.generation, output.unit.index, output.unit.digest
