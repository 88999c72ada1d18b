"""Stars whose core is lost, what is left out of frames, and the flags that tell."""

from __future__ import annotations

import numpy as np
import pytest

from apps.images.merge.coadd.blanks import Blanks, CutStar, Trail
from apps.images.merge.coadd.clip import Stacked
from apps.images.merge.coadd.cut_stars import CutStars, clusters
from apps.images.merge.coadd.flags import MEANINGS, Flag, edges, flagged, spans

SIZE = 300


def star(y: float, x: float, flux: float = 1e6, sigma: float = 1.6) -> np.ndarray:
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    r2 = (rows - y) ** 2 + (columns - x) ** 2
    return flux * np.exp(-r2 / 2 / sigma**2) / (2 * np.pi * sigma**2)


def frame(*stars: np.ndarray, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(50, 5, (SIZE, SIZE))
    return (noise + sum(stars)).astype(np.float32)


def cut(pixels: np.ndarray, step: int = 64, x0: int = 10, y0: int = 20) -> tuple[CutStar, ...]:
    finder = CutStars(5.0, x0)
    for start in range(0, SIZE, step):
        finder.add(pixels[start : start + step], y0 + start)
    return finder.finish()


@pytest.mark.parametrize("step", [40, 64, 300])
def test_a_saturated_star_is_cut_with_all_its_light(step: int) -> None:
    pixels = frame(star(130, 100), star(60, 200, 2e4), star(127.5, 220))
    pixels[pixels > 30_000] = np.nan
    found = cut(pixels, step)
    assert len(found) == 2
    for one, (y, x) in zip(sorted(found, key=lambda s: s.x0), ((130, 100), (127.5, 220)),
                           strict=True):  # fmt: skip
        assert abs((one.y0 + one.y1) / 2 - 20 - y) <= 1
        assert abs((one.x0 + one.x1) / 2 - 10 - x) <= 1
        # Light of 1e6 falls below the noise at 6.5 pixels; the box is the rim of the hole.
        radius = one.reach + (one.x1 - one.x0) / 2
        assert 6 <= radius <= 14


@pytest.mark.parametrize("turns", range(4))
def test_the_rim_of_a_star_is_held_together_by_its_hole(turns: int) -> None:
    """A hole that leaves light on two sides, on one of them twenty times as much."""
    pixels = frame(star(150, 150))
    pixels[148:155, 142:159] = np.nan
    light = star(150, 150) > 200.0
    pixels, light = (np.rot90(plane, turns) for plane in (pixels, light))
    mask = np.zeros(pixels.shape, dtype=bool)
    for shape in cut(np.ascontiguousarray(pixels), x0=0, y0=0):
        shape.draw(0, mask)
    assert not (light & np.isfinite(pixels) & ~mask).any()


def test_a_hole_near_a_cut_star_is_none_of_its_own() -> None:
    """Four pixels beyond the bright rim, and in no square of three that touches the star's."""
    whole = frame(star(130, 100))
    whole[whole > 30_000] = np.nan
    for y in range(124, 140):
        for x in range(100, 112):
            pixels = whole[100:180, 60:160].copy()
            pixels[y - 100, x - 60] = np.nan
            assert len(cut(pixels, step=80)) == 1


def test_a_hole_beside_a_core_cuts_no_star() -> None:
    pixels = frame(star(130, 100))
    pixels[130, 105:108] = np.nan
    pixels[200:203, 50:60] = np.nan
    assert cut(pixels) == ()


def test_a_column_through_a_core_and_an_edge_cut_stars() -> None:
    pixels = frame(star(130, 100), star(200, 299))
    pixels[:, 99:102] = np.nan
    pixels[:, 298:] = np.nan
    assert len(cut(pixels)) >= 2


def test_clusters_are_what_touches() -> None:
    mask = np.zeros((40, 40), dtype=bool)
    mask[3:6, 3:9] = mask[20, 20] = mask[30:38, 5] = True
    boxes = {(one[0].start, one[0].stop, one[1].start, one[1].stop) for one in clusters(mask)}
    assert boxes == {(3, 6, 3, 9), (20, 21, 20, 21), (30, 38, 5, 6)}


def test_what_is_left_out_stays_where_nothing_else_is() -> None:
    values = np.ones((3, 40, 40), np.float32)
    values[2, :, 20:] = np.nan
    star_ = CutStar(10, 10, 10, 10, 4.0)
    blanks = Blanks(
        stars=((star_,), (star_,), ()),
        trails=((), (), (Trail(30.0, 0.0, 0.0, 1.0, -np.inf, np.inf),)),
    )
    found = blanks.apply(values, (0, 1, 2), 0)
    assert np.isfinite(values).any(axis=0).all()
    assert np.isnan(values[0, 10, 10])
    assert values[2, 10, 10] == 1
    assert found.n_gone[10, 10] == 2
    assert found.flags[10, 10] == Flag.INEXACT_PSF
    assert found.flags[10, 15] == 0
    assert found.flags[30, 5] == Flag.STREAK
    both = Blanks(stars=((star_,), (star_,), (star_,)))
    whole = np.ones((3, 40, 40), np.float32)
    assert both.apply(whole, (0, 1, 2), 0).flags[10, 10] == Flag.SAT
    assert np.isfinite(whole).all()
    alone = np.ones((1, 40, 40), np.float32)
    trailed = Blanks(trails=((Trail(30.0, 0.0, 0.0, 1.0, -np.inf, np.inf),),))
    assert trailed.apply(alone, (0,), 0).flags[30, 5] == Flag.STREAK | Flag.SUSPECT
    assert alone[0, 30, 5] == 1


def test_each_flag_says_what_it_means() -> None:
    """Two frames, of which one is smaller and has a hole; a clipped and a doubtful value."""
    values = np.ones((2, 20, 30), np.float32)
    values[1, :, 20:] = np.nan
    values[1, 5, 8] = np.nan
    values[:, :, 29] = np.nan
    covered = spans(values)
    assert covered[5, 8] == 2
    assert (covered[:, 20:29] == 1).all()
    n = np.isfinite(values).sum(axis=0).astype(np.uint16)
    rejected = np.zeros_like(n)
    rejected[10, 10] = 1
    doubtful = np.zeros(n.shape, np.uint8)
    doubtful[12, 12] = 1
    plane = np.ones(n.shape, np.float32)
    stacked = Stacked(plane, plane, None, n - rejected, rejected, doubtful)
    blanked = Blanks().apply(values, (0, 1), 0)
    flags = flagged(stacked, blanked, edges(covered, 0, 20), covered).flags
    assert flags is not None
    assert flags.dtype == np.uint16
    assert np.argwhere(flags & Flag.BAD).tolist() == [[5, 8]]
    assert np.argwhere(flags & Flag.CLIPPED).tolist() == [[10, 10]]
    assert np.argwhere(flags & Flag.SUSPECT).tolist() == [[12, 12]]
    assert sorted({x for _, x in np.argwhere(flags & Flag.NO_DATA)}) == [29]
    assert sorted({x for _, x in np.argwhere(flags & Flag.EDGE)}) == [18, 19, 20, 21, 27, 28, 29]


def test_every_flag_has_a_meaning_and_a_bit_of_its_own() -> None:
    assert set(MEANINGS) == set(Flag)
    assert all(flag.value.bit_count() == 1 and flag.value < 1 << 15 for flag in Flag)
    assert all(len(meaning) <= 44 for meaning in MEANINGS.values())
