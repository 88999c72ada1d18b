"""Separate modes among the weighted points of nested runs, each with its share of the evidence.

Runs visit every mode in proportion to its part of the prior, so nothing has to be counted or
approximated: a mode's share is the sum of its points' weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from apps.nested.merge.errors import Resampling
from apps.nested.weights import Weighted
from apps.ttv.merge.resampling import systematic

N_CLUSTERED = 2000
"""Equally weighted points that are clustered: a mode of one per cent then has 20 of them."""

N_NEIGHBOUR = 12
"""Nearest neighbours that a point is linked to (PolyChord clusters so, too: Handley, Hobson &
Lasenby 2015, MNRAS 453, 4384). Fewer break one mode into pieces by chance, more bridge the gap to a
mode of fewer points: with this many, modes below 0.6 % of the posterior are not told apart."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NestedMode:
    """One mode.

    Attributes
    ----------
    share, share_error : float
        Its part of the evidence, and the standard error of that.
    logz, logz_error : float
        Logarithm of its own part of the evidence.
    logl_max : float
        Log-likelihood of its best point.
    centre : tuple[float, ...]
        Means of the free parameters in it.
    """

    share: float
    share_error: float
    logz: float
    logz_error: float
    logl_max: float
    centre: tuple[float, ...]


def find_modes(
    values: Floats, logl: Floats, weighted: Weighted, again: Resampling
) -> tuple[NestedMode, ...]:
    """Return the modes, the one with most of the evidence first.

    Parameters
    ----------
    values : ndarray
        float64 (n, n_dim), the free parameters of all points.
    logl : ndarray
        float64 (n,).
    weighted : Weighted
        Their weights.
    again : Resampling
        Runs like those at hand, for the errors.
    """
    labels = mode_labels(values, weighted.weights)
    n_mode = int(labels.max()) + 1

    def shares_of(one: Weighted) -> Floats:
        return np.asarray(np.bincount(labels, weights=one.weights, minlength=n_mode), np.float64)

    def evidences_of(one: Weighted) -> Floats:
        # A resampled run may have no point of a small mode.
        with np.errstate(divide="ignore"):
            return np.asarray(one.logz + np.log(shares_of(one)))

    shares, share_errors = shares_of(weighted), again.error(shares_of)
    evidences, evidence_errors = evidences_of(weighted), again.error(evidences_of)
    found = []
    for mode in np.argsort(-shares, kind="stable").tolist():
        inside = labels == mode
        part = weighted.weights[inside] / shares[mode]
        found.append(
            NestedMode(
                share=float(shares[mode]),
                share_error=float(share_errors[mode]),
                logz=float(evidences[mode]),
                logz_error=float(evidence_errors[mode]),
                logl_max=float(logl[inside].max()),
                centre=tuple((part @ values[inside]).tolist()),
            )
        )
    return tuple(found)


def mode_labels(values: Floats, weights: Floats) -> Ints:
    """Return the number of the mode that each point belongs to, int64 (n,).

    Equally weighted points are linked to their nearest neighbours, in units of the posterior's
    spread; what hangs together is a mode. Every other point belongs to the mode of the nearest one
    of them.
    """
    chosen = np.unique(systematic(weights, N_CLUSTERED))
    centre = weights @ values
    scale = np.sqrt(weights @ np.square(values - centre))
    places = (values - centre) / np.where(scale > 0.0, scale, 1.0)
    tree = cKDTree(places[chosen])
    n = len(chosen)
    k = min(N_NEIGHBOUR + 1, n)
    near = tree.query(places[chosen], k=k)[1].reshape(n, k)
    rows = np.repeat(np.arange(n), k)
    graph = coo_matrix((np.ones(n * k), (rows, near.reshape(-1))), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    nearest = tree.query(places)[1]
    return np.asarray(labels[nearest], dtype=np.int64)
