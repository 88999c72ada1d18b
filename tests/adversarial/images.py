"""Kinds of false images, each made from an honest output of a small unit.

Digests and counts of all tiles fit their pixels, so that the check by itself has nothing to say,
except where the kind is that they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from apps.images.output import open_reprojection_output
from tests.unit.apps.images.validate.reprojection_case import Case, Change

TILE = 2
"""The tile of the first frame that is false."""
BLANK = -(2**31)

Forge = Callable[[Case], Path]


def _holds(pixels: np.ndarray) -> np.ndarray:
    return ~np.isnan(pixels) if pixels.dtype.kind == "f" else pixels != BLANK


def _add(amounts: Callable[[int], np.ndarray], *, everywhere: bool = False) -> Change:
    """Add values in noise to all pixels of a tile: steps are a quarter of the noise."""

    def change(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile != TILE and not everywhere:
            return
        holds = _holds(pixels)
        added = amounts(int(holds.sum())) * (12.0 if pixels.dtype.kind == "f" else 4.0)
        pixels[holds] += (added if pixels.dtype.kind == "f" else np.rint(added)).astype(
            pixels.dtype
        )

    return change


def wrong_tile(case: Case) -> Path:
    """One tile has its pixels in another order, as if another place had been read."""

    def change(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile == TILE:
            holds = _holds(pixels)
            pixels[holds] = pixels[holds][::-1]

    return case.forged(change)


def noise_in_a_tile(case: Case) -> Path:
    """Noise of a quarter of the sky's own, in one tile: 3 % more scatter, which nobody sees."""
    rng = np.random.default_rng(4)
    return case.forged(_add(lambda n: 0.25 * rng.standard_normal(n)))


def brighter_everywhere(case: Case) -> Path:
    """A background that is off by a quarter of the noise."""
    return case.forged(_add(lambda n: np.full(n, 0.25), everywhere=True))


def smaller_variance(case: Case) -> Path:
    """One tile claims half of its variance, to weigh more in the stack."""

    def change(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile == TILE:
            variance[...] = (
                variance / 2 if variance.dtype.kind == "f" else variance - 8 * (variance > 8)
            )

    return case.forged(change)


def forged_digests(case: Case) -> Path:
    """Digests without pixels, as results after the first may be, made up."""
    path = case.compute("stack_5")
    rng = np.random.default_rng(5)
    data = path.read_bytes()
    with open_reprojection_output(path) as output:
        known = [row.tobytes() for one in output.frames for row in one.tile_digests]
    for digest in known:
        data = data.replace(digest, rng.bytes(len(digest)))
    path.write_bytes(data)
    return path


def one_forged_digest(case: Case) -> Path:
    """Digests without pixels, one of which is made up."""
    path = case.compute("stack_7")
    with open_reprojection_output(path) as output:
        digest = output.frames[0].tile_digests[TILE].tobytes()
    path.write_bytes(path.read_bytes().replace(digest, bytes(len(digest))))
    return path


def _renamed(case: Case, other: Case) -> Path:
    data = other.output.read_bytes()
    path = case.directory / "renamed.out"
    path.write_bytes(data.replace(other.unit.digest.encode(), case.unit.digest.encode()))
    return path


def other_unit(case: Case) -> Path:
    """The output of a unit of the same frames through other maps, with this one's name on it."""
    return _renamed(case, Case(case.directory / "other", angle=12.3, **case.options))


def cheaper_kernel(case: Case) -> Path:
    """Interpolated in straight lines, at a fraction of the price: credit farming."""
    return _renamed(case, Case(case.directory / "cheap", method="bilinear", **case.options))


IMAGE_KINDS: tuple[Forge, ...] = (
    wrong_tile,
    noise_in_a_tile,
    brighter_everywhere,
    smaller_variance,
    forged_digests,
    one_forged_digest,
    other_unit,
    cheaper_kernel,
)
