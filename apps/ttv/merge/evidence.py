"""The evidence that a campaign was prepared with, by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from apps.ttv.merge.diagnostics import Estimate


def log_constant(problem: Problem, table: TransitTable) -> float:
    """Return what the likelihood leaves out because it depends on no parameter.

    With it, evidences of models with unlike noise can be compared, too; see
    `apps.ttv.compute.noise`.
    """
    log_sigmas = sum(float(np.log(planet.sigmas).sum()) for planet in table.planets)
    if problem.noise.kind == "student_t":
        nu = problem.noise.degrees
        one = math.lgamma(0.5 * (nu + 1.0)) - math.lgamma(0.5 * nu) - 0.5 * math.log(nu * math.pi)
    else:
        one = -0.5 * math.log(2.0 * math.pi)
    return table.n_transit * one - log_sigmas


def importance_evidence(settings: Mapping[str, Any], constant: float) -> Estimate | None:
    """Return log Z and its error; None if importance sampling had too few effective draws.

    Parameters
    ----------
    settings : Mapping
        Of a prepared campaign.
    constant : float
        See `log_constant`.
    """
    found = settings.get("importance", {})
    if found.get("error") is None:
        return None
    return Estimate(float(found["log_z"]) + constant, float(found["error"]))
