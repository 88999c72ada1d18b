"""What the ``mixture`` move proposes from, fitted to all that is known before a generation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.settings import MAX_COMPONENTS, Mixture
from work_generator.modes import Mode, distances
from work_generator.ridge import DRAWS_PER_DIMENSION, Components, fit_ridge

# Tails of the proposals: Student's t. For Kepler-9 (10 parameters) 1000 draws of the normal
# approximation were worth 250 of the posterior with 30 degrees of freedom and 110 with 8 (Kish);
# fewer waste likelihoods, many more let a walker stick in the posterior's tail.
DEGREES = 30.0

Array = NDArray[np.float64]


def proposal(
    modes: Sequence[Mode], weights: Sequence[float], draws: Array | None = None
) -> dict[str, Any]:
    """Return ``settings["sampler"]["mixture"]`` from modes, or from draws of an earlier posterior.

    Every mode is a normal approximation, or, where there are enough draws nearest to it, a row of
    normal distributions along the ridge that they follow; see `work_generator.ridge`.

    Parameters
    ----------
    modes : Sequence[Mode]
        Modes that matter.
    weights : Sequence[float]
        Their parts of the posterior, summing to 1.
    draws : ndarray, optional
        float64 (n_draw, n_dim), of all modes together.

    Returns
    -------
    dict
        Plain JSON values; see `apps.ttv.settings.Mixture`.
    """
    parts = np.asarray(weights, dtype=np.float64)
    if draws is None:
        fits = [normal_part(mode) for mode in modes]
    else:
        nearest = np.stack([distances(mode, draws) for mode in modes]).argmin(axis=0)
        fits = [fitted_part(mode, draws[nearest == i]) for i, mode in enumerate(modes)]
        # A mode without draws yet stays reachable.
        parts = 0.9 * np.bincount(nearest, minlength=len(modes)) / len(draws) + 0.1 * parts
    return joined(fits, parts)


def joined(fits: Sequence[Components], parts: Array) -> dict[str, Any]:
    """Return the mixture of all modes' own mixtures, as plain JSON values.

    Parameters
    ----------
    fits : Sequence[Components]
        One for each mode. Of many modes the likelier ones keep their rows of beads, others become
        a single normal distribution, and what the app has no room for is left out.
    parts : ndarray
        float64 (n_mode,), relative.
    """
    room = MAX_COMPONENTS
    weights, means, covariances = [], [], []
    order = np.argsort(-parts, kind="stable").tolist()
    for rank, place in enumerate(order):
        fit, others = fits[place], len(order) - rank - 1
        if len(fit.weights) > max(room - others, 1):
            fit = _single(fit)
        if not room or not parts[place] > 0.0:
            continue
        room -= len(fit.weights)
        weights.append(parts[place] * fit.weights)
        means.append(fit.means)
        covariances.append(fit.covariances)
    all_weights = np.concatenate(weights)
    return {
        "weights": (all_weights / math.fsum(all_weights)).tolist(),
        "means": np.concatenate(means).tolist(),
        "choleskys": np.linalg.cholesky(np.concatenate(covariances)).tolist(),
        "degrees": DEGREES,
    }


def mixture_of(raw: Mapping[str, Any]) -> Mixture:
    """Return the app's own mixture from its JSON values."""
    return Mixture(
        np.array(raw["weights"]),
        np.array(raw["means"]),
        np.array(raw["choleskys"]),
        float(raw["degrees"]),
    )


def _single(fit: Components) -> Components:
    """Return one normal distribution with a mixture's mean and covariance."""
    mean = fit.weights @ fit.means
    offsets = fit.means - mean
    covariance = np.einsum("k,kij->ij", fit.weights, fit.covariances)
    covariance = covariance + np.einsum("k,ki,kj->ij", fit.weights, offsets, offsets)
    return Components(np.ones(1), mean[np.newaxis], covariance[np.newaxis])


def normal_part(mode: Mode) -> Components:
    """Return a mode's normal approximation."""
    return Components(np.ones(1), mode.params[np.newaxis], mode.covariance[np.newaxis])


def fitted_part(mode: Mode, draws: Array) -> Components:
    """Return beads along the ridge of a mode's draws; its normal approximation if they are few."""
    n_dim = draws.shape[1]
    if n_dim < 2 or len(np.unique(draws, axis=0)) < DRAWS_PER_DIMENSION * n_dim:
        return normal_part(mode)
    return fit_ridge(draws)
