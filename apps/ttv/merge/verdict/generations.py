"""Rows that compare early draws with late ones: what still spreads out, or moves, is not sampled.

R-hat cannot tell that all sub-chains are too narrow alike, because they began too narrow. But then
they grow from generation to generation. Later generations begin at draws of the earlier ones'
product, so sub-chains of generations are compared, the first one included; errors come from the
scatter of sub-chains inside of each. A campaign of one generation compares the second halves of its
sub-chains with the first ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.whitening import Whitening
from apps.ttv.merge.chains import Merged
from apps.ttv.merge.verdict.row import Relation, Row, Word
from apps.ttv.merge.verdict.shape import (
    KINDS,
    Differences,
    Shape,
    contrast,
    paired,
    pooled,
    shape_of,
    thinned,
)
from apps.ttv.merge.verdict.significance import allowed_errors

MIN_CHAINS = 3
"""Sub-chains of a generation that is looked at by itself: fewer say nothing of how well they mix.
Smaller ones are joined to the one before."""

Floats = NDArray[np.float64]

_ADVICE = "the chains have not settled: more generations, or longer units (n_step)."


def generation_rows(merged: Merged, whitening: Whitening, names: Sequence[str]) -> tuple[Row, ...]:
    """Return the rows of generations against each other, or of halves if there is only one.

    Parameters
    ----------
    merged : Merged
        The posterior, of at least one sub-chain.
    whitening : Whitening
        Of its problem.
    names : Sequence[str]
        Of the free parameters.
    """
    numbers = np.array([key[0] for key in merged.keys])
    groups = _groups(numbers)
    if len(groups) < 2:
        return (_halves(merged, whitening, names),)
    shapes = pooled([_shape(merged, whitening, members) for members in groups])
    sizes = np.array([len(members) for members in groups], dtype=np.float64)
    # A joined generation stands where its sub-chains' generations are on average.
    times = np.array([numbers[members].mean() for members in groups])
    labels = [_label(numbers[members]) for members in groups]
    return (_against_others(shapes, sizes, labels, names), _trend(shapes, sizes, times, names))


def _groups(numbers: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Return the places of each generation's sub-chains, small generations joined to others."""
    groups: list[NDArray[np.intp]] = []
    for number in np.unique(numbers):
        members = np.flatnonzero(numbers == number)
        if groups and min(len(members), len(groups[-1])) < MIN_CHAINS:
            groups[-1] = np.concatenate([groups[-1], members])
        else:
            groups.append(members)
    return groups


def _shape(merged: Merged, whitening: Whitening, members: NDArray[np.intp]) -> Shape:
    chains = [thinned(merged.draws[member]) for member in members]
    blocks = np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])
    return shape_of(whitening.whiten(np.concatenate(chains)), blocks)


def _against_others(
    shapes: Sequence[Shape], sizes: Floats, labels: Sequence[str], names: Sequence[str]
) -> Row:
    changes = [contrast(shapes, _one_against(sizes, place)) for place in range(len(shapes))]
    significance = np.array([change.significance for change in changes])  # (n_generation, 4, n_dim)
    limit = allowed_errors(significance.size)
    value, where = worst(significance)
    text = (
        f"No generation differs from the others by more than {value:.1f} errors; {limit:.1f} are "
        "allowed."
    )
    if not value <= limit:
        generation, kind, column = where
        told = describe(changes[generation], kind, column, names)
        text = (
            f"{labels[generation]} {_difference('differs from', 'the others', told, value, limit)}"
        )
    title = "Generations against each other"
    return Row("generations", Word.SAMPLED, title, value, limit, Relation.AT_MOST, text)


def _trend(shapes: Sequence[Shape], sizes: Floats, times: Floats, names: Sequence[str]) -> Row:
    # The least-squares slope times the span: the change from the first generation to the last.
    centred = times - np.average(times, weights=sizes)
    slope = sizes * centred / (sizes * centred**2).sum()
    change = contrast(shapes, slope * (times[-1] - times[0]))
    limit = allowed_errors(change.significance.size)
    value, (kind, column) = worst(change.significance)
    text = (
        f"Means, widths and tails have no trend over the generations: {value:.1f} errors at most, "
        f"{limit:.1f} are allowed."
    )
    if not value <= limit:
        told = describe(change, kind, column, names)
        text = (
            "The last generation "
            f"{_difference('has moved away from', 'the first', told, value, limit)}"
        )
    title = "Trend over generations"
    return Row("generation_trend", Word.SAMPLED, title, value, limit, Relation.AT_MOST, text)


def _halves(merged: Merged, whitening: Whitening, names: Sequence[str]) -> Row:
    half = merged.draws.shape[1] // 2
    chains = [(thinned(draws[:half]), thinned(draws[-half:])) for draws in merged.draws]
    blocks = np.repeat(np.arange(len(chains)), len(chains[0][0]))
    first, second = (
        whitening.whiten(np.concatenate([chain[part] for chain in chains])) for part in (0, 1)
    )
    change = paired(first, second, blocks)
    limit = allowed_errors(change.significance.size)
    value, (kind, column) = worst(change.significance)
    text = (
        f"Second halves of the sub-chains are like the first ones: {value:.1f} errors at most, "
        f"{limit:.1f} are allowed."
    )
    if not value <= limit:
        told = describe(change, kind, column, names)
        text = (
            "Second halves of the sub-chains "
            f"{_difference('differ from', 'the first ones', told, value, limit)}"
        )
    title = "Halves of the sub-chains against each other"
    return Row("generations", Word.SAMPLED, title, value, limit, Relation.AT_MOST, text)


def _difference(verb: str, others: str, told: str, value: float, limit: float) -> str:
    """Say what two groups of sub-chains differ in, or that they cannot be compared."""
    if not np.isfinite(value):
        return f"cannot be compared with {others} in {told}: {_ADVICE}"
    return f"{verb} {others}: {told}, {value:.1f} errors, and {limit:.1f} are allowed: {_ADVICE}"


def worst(significance: Floats) -> tuple[float, tuple[int, ...]]:
    """Return the largest of some numbers and its place; a NaN is larger than all others."""
    flat = np.where(np.isnan(significance), np.inf, significance)
    place = np.unravel_index(int(flat.argmax()), flat.shape)
    return float(significance[place]), tuple(int(index) for index in place)


def describe(change: Differences, kind: int, column: int, names: Sequence[str]) -> str:
    """Say which number of which parameter differs, and by how much if that is known."""
    size = float(change.relative[kind, column])
    if not np.isfinite(size):
        return f"the {KINDS[kind]} of {names[column]}"
    if KINDS[kind] == "width":
        more = "more" if size > 0 else "less"
        return f"the width of {names[column]} by {100 * abs(np.expm1(size)):.0f} % {more}"
    way = "up" if size > 0 else "down"
    return f"the {KINDS[kind]} of {names[column]} by {abs(size):.2f} widths {way}"


def _one_against(sizes: Floats, place: int) -> Floats:
    others = np.where(np.arange(len(sizes)) == place, 0.0, sizes)
    coefficients = -others / others.sum()
    coefficients[place] = 1.0
    return np.asarray(coefficients)


def _label(numbers: NDArray[np.int64]) -> str:
    first, last = int(numbers.min()), int(numbers.max())
    return f"Generation {first}" if first == last else f"Generations {first} to {last}"
