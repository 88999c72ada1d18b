"""Units of populations: check an output, compare two, audit, price.

A population passes through decompositions of matrices, whose last bits differ from one processor to
another, and its draws then differ in all. Two honest outputs therefore agree by what they say: the
evidence, means and widths, within the errors that their weights tell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.operations import credit_flop
from apps.ttv.compute.population.importance import TRUSTED_EFFECTIVE, kish, log_mean, relative_error
from apps.ttv.compute.population.settings import PopulationUnit
from apps.ttv.compute.whitening import Whitening
from apps.ttv.population_output import (
    PopulationOutput,
    content_digest,
    read_population_output,
)
from apps.ttv.validate.population_search import complaint, problem_of
from apps.ttv.validate.segments import LOG_PROB_TOLERANCE
from apps.ttv.validate.tables import transit_table
from boinc_project.errors import OutputError
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, inconclusive, invalid, valid
from validator.comparison import open_both
from validator.credit import cobblestones

N_RECOMPUTED = 64
"""Draws whose log density is computed again."""

ALLOWED_ERRORS = 6.0
"""Standard errors that two outputs may differ by. Errors by weights are themselves known to some
20 % with 100 effective draws; with 40 numbers, six of them are met by chance once in a million
comparisons, and once in a thousand where errors are a third too small."""

Floats = NDArray[np.float64]


def check(unit: Unit, path: Path, inputs: Mapping[str, Path]) -> Verdict:
    """Judge one output by itself: structure, identity, values, and a recomputed sample."""
    settings = PopulationUnit.from_mapping(unit.settings)
    table = transit_table(unit, inputs)
    # Refused as the unit's fault, not the output's, if the table does not belong to the problem.
    Posterior(settings.problem, table)
    try:
        output = read_population_output(path)
    except OutputError as error:
        return invalid(error.message)
    rng = np.random.default_rng(int(content_digest(output), 16))
    wrong = _identity(unit, settings, output)
    if wrong:
        return invalid(wrong)
    problem = problem_of(settings, output)
    if isinstance(problem, str):
        return invalid(problem)
    posterior = Posterior(problem, table)
    wrong = _values(posterior, output) or _densities(posterior, output, rng)
    wrong = wrong or complaint(settings, problem, table, output, rng)
    if wrong:
        return invalid(wrong)
    return valid("Its check passed.", effective=kish(output.log_weight.ravel()))


def compare(unit: Unit, path_a: Path, path_b: Path) -> Verdict:
    """Compare two outputs: by digest, else by evidence, means and widths.

    Raises
    ------
    OutputError
        If one of them cannot be read.
    """
    both = open_both(
        unit,
        (path_a, path_b),
        read=read_population_output,
        digest=content_digest,
        shape=lambda output: (output.points.shape[2], output.parameter_names),
        is_finite=_finite,
    )
    if isinstance(both, Verdict):
        return both
    a, b = both
    sizes = [kish(output.log_weight.ravel()) for output in both]
    if min(sizes) < TRUSTED_EFFECTIVE:
        return inconclusive(
            f"Too little evidence: the outputs differ, and have {min(sizes):.0f} effective draws; "
            f"{TRUSTED_EFFECTIVE:g} are needed."
        )
    problem = PopulationUnit.from_mapping(unit.settings).problem
    names = (
        "log Z",
        *(f"{what} of {name}" for what in ("mean", "width") for name in problem.parameter_names),
    )
    whitening = Whitening(problem)
    (value_a, error_a), (value_b, error_b) = (_numbers(output, whitening) for output in (a, b))
    ratios = np.abs(value_a - value_b) / np.hypot(error_a, error_b)
    worst = int(np.argmax(np.where(np.isfinite(ratios), ratios, math.inf)))
    if not ratios[worst] <= ALLOWED_ERRORS:
        return invalid(
            f"The two outputs disagree: {names[worst]} by {ratios[worst]:.1f} standard errors."
        )
    return valid("What it says agrees with the other result.", errors=float(ratios[worst]))


def audit(
    unit: Unit, path: Path, inputs: Mapping[str, Path], *, rng: np.random.Generator
) -> Verdict:
    """Compute the log densities of draws again that nobody can foretell."""
    settings, output = PopulationUnit.from_mapping(unit.settings), read_population_output(path)
    problem = problem_of(settings, output)
    if isinstance(problem, str):
        return invalid(problem)
    posterior = Posterior(problem, transit_table(unit, inputs))
    wrong = _densities(posterior, output, rng)
    return invalid(wrong) if wrong else valid("Its audit passed.")


def credit(unit: Unit, path: Path) -> float:
    """Return the cobblestones of a valid result: of the calls that it counts.

    How many a unit takes is not known before it is done: what counts is the number in the output
    that a quorum agreed on, and no more than the unit allows; the same is true of its step.

    Raises
    ------
    OutputError
        If the output cannot be read, or has a step that the unit does not allow.
    """
    settings, output = PopulationUnit.from_mapping(unit.settings), read_population_output(path)
    problem = problem_of(settings, output)
    if isinstance(problem, str):
        raise OutputError(problem)
    model = problem.model
    return cobblestones(
        credit_flop(
            n_planet=len(model.planets),
            span_days=model.end - model.epoch,
            dt_days=model.dt,
            n_call=min(output.n_likelihood, settings.calls),
        )
    )


def _identity(unit: Unit, settings: PopulationUnit, output: PopulationOutput) -> str:
    if output.unit_digest != unit.digest:
        return "The output belongs to another unit."
    if output.app_version < unit.min_app_version:
        return "The output was computed by an app version older than the unit allows."
    if output.parameter_names != settings.problem.parameter_names:
        return "The output has other parameters than the unit."
    if len(output.island_log_z) != settings.n_island:
        return "The output has another number of populations than the unit."
    return ""


def _finite(output: PopulationOutput) -> bool:
    return bool(
        np.isfinite(output.points).all()
        and not np.isnan(output.log_weight).any()
        and not np.isnan(output.log_density).any()
        and np.isfinite(output.log_weight).any()
    )


def _values(posterior: Posterior, output: PopulationOutput) -> str:
    if not _finite(output) or not np.isfinite(output.island_log_z).all():
        return "The output has numbers that are not finite."
    weighted = np.isfinite(output.log_weight)
    if not (np.isfinite(output.log_density) == weighted).all():
        return "The output has weights without densities, or densities without weights."
    points = output.points.reshape(-1, output.points.shape[2])
    # Written so that NaN is outside, too.
    if not (posterior.log_priors(points) > -math.inf).all():
        return "The output has draws outside the prior."
    return ""


def _densities(posterior: Posterior, output: PopulationOutput, rng: np.random.Generator) -> str:
    """Return a complaint unless a sample of log densities comes out again."""
    weighted = np.flatnonzero(np.isfinite(output.log_weight.ravel()))
    chosen = rng.choice(weighted, size=min(N_RECOMPUTED, len(weighted)), replace=False)
    points = output.points.reshape(-1, output.points.shape[2])[chosen]
    again = posterior.log_densities(points)
    if not (np.abs(again - output.log_density.ravel()[chosen]) <= LOG_PROB_TOLERANCE).all():
        return "The output's log densities are not those of its draws."
    return ""


def _numbers(output: PopulationOutput, whitening: Whitening) -> tuple[Floats, Floats]:
    """Return log Z, means and widths in whitened coordinates, with their standard errors."""
    logs = output.log_weight.ravel()
    w = whitening.whiten(output.points.reshape(-1, output.points.shape[2]))
    shares = np.exp(logs - logs.max())
    shares = shares / shares.sum()
    means = shares @ w
    squares = (w - means) ** 2
    variances = shares @ squares
    mean_errors = np.sqrt(shares**2 @ squares)
    width_errors = np.sqrt(shares**2 @ (squares - variances) ** 2) / (2.0 * np.sqrt(variances))
    values = np.concatenate([[log_mean(logs)], means, np.sqrt(variances)])
    return values, np.concatenate([[relative_error(logs)], mean_errors, width_errors])
