"""Stack one band of rows: weighted mean of matched pixels, clipped by the values' own scatter.

Clipping by known noise is in `apps.images.merge.coadd.noise`. The clipping here is that of
``astropy.stats.sigma_clip`` with median centre and standard deviation (of the population, about the
mean): bounds are computed again from what the last ones left, at most `Clip.iterations` times, and
the last bounds judge all values of the pixel. The kernel (``kernel/level.c``) and
`apps.images.merge.coadd.plain`, which takes its place where it was built without a compiler, give
the same bits: only + - * / and square roots of doubles in one fixed order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.coadd import plain
from apps.images.merge.coadd.built import load_kernel

_kernel = load_kernel()

PLAIN = "numpy"
"""Name of the level that needs no compiled kernel: the same bits, some ten times slower."""
MAX_FRAMES = 65535
"""Counts are 16-bit."""

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Counts = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Clip:
    """When a value is too far from the others of its pixel.

    Attributes
    ----------
    sigma : float
        Standard deviations from the median.
    iterations : int
        Most rounds; 0 clips nothing.
    """

    sigma: float = 3.0
    iterations: int = 3


@dataclass(frozen=True, slots=True, eq=False)
class Matching:
    """What turns the pixels of a band's frames into fluxes of the reference.

    Attributes
    ----------
    x : ndarray
        float64 (n_x): column coordinate that the surfaces are polynomials of.
    surface : ndarray
        float64 (n_frame, n_row, 3): the background of a row is s0 + x (s1 + x s2), in units of the
        frame.
    scale : ndarray
        float64 (n_frame): flux of the reference over flux of the frame.
    weight : ndarray
        float64 (n_frame): inverse variance of the sky after scaling, where a pixel has none of its
        own.
    photon : ndarray or None
        float64 (n_frame): variance after scaling that each unit of a pixel's light over the sky
        adds, by its photons; None where it is not known of any frame.
    """

    x: Doubles
    surface: Doubles
    scale: Doubles
    weight: Doubles
    photon: Doubles | None = None

    @property
    def photons(self) -> Doubles:
        """`photon`, 0 where it is not known."""
        return np.zeros(len(self.scale)) if self.photon is None else self.photon


@dataclass(frozen=True, slots=True, eq=False)
class Stacked:
    """One band of the stack; all arrays are (n_row, n_x).

    Attributes
    ----------
    image : ndarray
        float32; NaN where no frame has anything.
    weight : ndarray
        float32: sum of the weights of what is in `image`: one over the variance of its sky.
    variance : ndarray or None
        float32: from the kernel, the variance that each unit of light over the sky adds to `image`;
        from `with_photons`, the variance of `image`. None if no variances were given.
    count, rejected : ndarray
        uint16: values in `image`, and values clipped away.
    doubtful : ndarray or None
        uint8: 1 where it cannot be told which values are right; None where nobody has asked.
    flags : ndarray or None
        uint16: bits of `apps.images.merge.coadd.flags.Flag`; None before they are known.
    """

    image: Floats
    weight: Floats
    variance: Floats | None
    count: Counts
    rejected: Counts
    doubtful: NDArray[np.uint8] | None = None
    flags: NDArray[np.uint16] | None = None

    def with_photons(self, sky: Doubles) -> Stacked:
        """Return the band with the variance of `image`: that of the sky, and that of photons.

        Light counts from two standard deviations over the sky, because the noise itself, of which
        only the upper half would count, would add to the variance of an empty sky.

        Parameters
        ----------
        sky : ndarray
            (n_row, n_x): level that light is counted from.
        """
        if self.variance is None:
            return self
        with np.errstate(invalid="ignore", divide="ignore"):
            empty = 1.0 / self.weight.astype(np.float64)
            light = self.image - sky
            light[~(light > 2.0 * np.sqrt(empty))] = 0.0
            variance = (empty + self.variance * light).astype(np.float32)
        variance[self.count == 0] = np.nan
        return replace(self, variance=variance)

    @classmethod
    def empty(cls, shape: tuple[int, int], *, with_variance: bool) -> Stacked:
        """Return planes of that shape for a kernel to fill."""
        return cls(
            image=np.empty(shape, np.float32),
            weight=np.empty(shape, np.float32),
            variance=np.empty(shape, np.float32) if with_variance else None,
            count=np.empty(shape, np.uint16),
            rejected=np.empty(shape, np.uint16),
            doubtful=np.zeros(shape, np.uint8),
        )


def levels() -> list[str]:
    """Return the levels that can be asked for here, the fastest first."""
    return [*([] if _kernel is None else _kernel.levels()), PLAIN]


def stack_band(
    values: Floats,
    variance: Floats | None,
    matching: Matching,
    clip: Clip,
    level: str | None = None,
) -> Stacked:
    """Stack one band.

    Parameters
    ----------
    values, variance : ndarray
        float32 (n_frame, n_row, n_x), C-contiguous; not finite where a frame has nothing. The
        variances are those of the sky, without the photons of what is brighter, because a weight
        that depends on a pixel's own light biases the mean.
    matching : Matching
        Frame by frame, in the same order. The order of the frames decides the order of additions.
    clip : Clip
        Limits.
    level : str, optional
        One of `levels`; the fastest if not given. The result does not depend on it.
    """
    n_frame, n_row, n_x = values.shape
    if not 1 <= n_frame <= MAX_FRAMES:
        raise ValueError(f"{n_frame} frames: there must be 1 to {MAX_FRAMES}.")
    level = level or levels()[0]
    if level == PLAIN:
        image, weight, spread, count, rejected = plain.stack(
            values, variance, matching.x, matching.surface, matching.scale, matching.weight,
            matching.photons, clip.sigma, clip.iterations,
        )  # fmt: skip
        return Stacked(image, weight, spread, count, rejected)
    shape = (n_row, n_x)
    made = Stacked.empty(shape, with_variance=variance is not None)
    nothing = bytearray()
    _kernel.stack(
        level, (n_frame, n_row, n_x), flat(values, np.float32),
        nothing if variance is None else flat(variance, np.float32),
        *flat_matching(matching), flat(matching.photons), sorting_network(n_frame), *6 * (nothing,),
        clip.sigma, clip.sigma, clip.iterations, made.image, made.weight,
        nothing if made.variance is None else made.variance, made.count, made.rejected,
        nothing,
    )  # fmt: skip
    return made


@lru_cache(maxsize=8)
def sorting_network(n: int) -> NDArray[np.int32]:
    """Return comparators that sort n values, int32 (n_pair, 2), to be done in this order.

    Batcher's odd-even merge exchange: Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M;
    for any n, not only powers of two.
    """
    pairs = []
    top = 1 << max(0, (n - 1).bit_length() - 1)
    p = top
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q >> 1, p
        p >>= 1
    return np.array(pairs, dtype=np.int32).reshape(-1, 2)


def flat(array: NDArray[np.generic], dtype: type[np.generic] = np.float64) -> NDArray[np.generic]:
    """Return an array as the kernel takes it: C-contiguous, of a type."""
    return np.ascontiguousarray(array, dtype=dtype)


def flat_matching(matching: Matching) -> tuple[NDArray[np.generic], ...]:
    """Return what the kernel takes of a matching: x, surfaces, scales and weights."""
    return tuple(
        flat(one) for one in (matching.x, matching.surface, matching.scale, matching.weight)
    )
