"""Sources of a stack whose stars are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.images.merge import sources
from apps.images.merge.coadd.flags import Flag
from apps.images.merge.coadd.frames import ArrayFrame
from apps.images.merge.coadd.options import Options
from apps.images.merge.coadd.stack import coadd
from apps.images.merge.planes import Planes
from apps.images.merge.sources import (
    BLENDED,
    CLIPPED,
    DOUBTFUL,
    INCOMPLETE,
    SATURATED,
    find_sources,
)
from tests.made_stack import planes_of, stars
from tests.sky_frames import Exposure, Field

NOISE = 5.0
PLACES = [
    (40.3 + 50 * column, 35.8 + 45 * row, 1000.0 * 1.6 ** (column + row))
    for column in range(5)
    for row in range(4)
]
SIZE = (300, 220)


def sky(seed: int, *, level: float = 200.0, noise: float = NOISE) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return stars(*SIZE, PLACES) + level + rng.normal(0.0, noise, SIZE[::-1])


def nearest(listed: sources.Sources) -> np.ndarray:
    true = np.array(PLACES)
    apart = np.hypot(true[:, 0, None] - listed.x, true[:, 1, None] - listed.y)
    return apart.argmin(axis=1)


def test_stars_come_out_with_their_places_fluxes_and_widths(tmp_path: Path) -> None:
    listed = find_sources(planes_of(sky(1), tmp_path))
    assert len(listed) == len(PLACES)
    assert (np.diff(listed.flux) <= 0).all()
    order, true = nearest(listed), np.array(PLACES)
    x, y, flux, error = (
        values[order] for values in (listed.x, listed.y, listed.flux, listed.flux_error)
    )
    # 20 stars, 5 standard deviations: one false alarm in 80,000 runs.
    pull = (flux - true[:, 2]) / np.hypot(error, 0.004 * true[:, 2])
    assert np.abs(pull).max() < 5
    spread = 1.3 * 3.0 * NOISE / (true[:, 2] / (2 * np.pi * (3.0 / 2.3548) ** 2))
    assert (np.hypot(x - true[:, 0], y - true[:, 1]) < 5 * np.hypot(spread, 0.01)).all()
    bright = true[:, 2] > 5000
    assert listed.fwhm[order][bright] == pytest.approx(3.1, rel=0.08)
    assert listed.flux_kron[order][bright] == pytest.approx(true[bright, 2], rel=0.03)
    assert (listed.flags == 0).all()
    assert listed.seeing == pytest.approx(3.1, rel=0.05)


def test_errors_hold_the_photons_if_the_gain_is_known(tmp_path: Path) -> None:
    planes = planes_of(sky(2), tmp_path)
    without, known = find_sources(planes), find_sources(planes, gain=20.0)
    assert known.flux == pytest.approx(without.flux)
    expected = np.sqrt(without.flux_error**2 + without.flux / 20.0)
    assert known.flux_error == pytest.approx(expected, rel=1e-5)


def test_noise_alone_has_no_sources(tmp_path: Path) -> None:
    image = np.random.default_rng(4).normal(100.0, NOISE, (400, 400))
    # A matter of the seed: about one false source in a million pixels is at five sigma.
    assert len(find_sources(planes_of(image, tmp_path))) == 0


def test_flags_say_what_is_odd(tmp_path: Path) -> None:
    image = sky(3)
    by_flux = sorted(PLACES, key=lambda place: -place[2])
    (ax, ay, _), (bx, by, _), (cx, cy, _), (dx, dy, _), (ex, ey, _) = by_flux[:5]
    image[round(by), round(bx) + 3] = np.nan
    rejected = np.zeros(image.shape, np.uint16)
    rejected[round(cy), round(cx)] = 1
    top = image[round(ay), round(ax)]
    pixels = np.full(image.shape, Flag.EDGE.value | Flag.STREAK.value, np.uint16)
    pixels[round(dy), round(dx)] |= Flag.SAT.value
    pixels[round(ey), round(ex)] |= Flag.SUSPECT.value
    planes = planes_of(image, tmp_path, rejected=rejected, flags=pixels)
    listed = find_sources(planes, saturation=top - 1)

    def flags(x: float, y: float) -> int:
        return int(listed.flags[np.hypot(listed.x - x, listed.y - y).argmin()])

    assert flags(ax, ay) == SATURATED
    assert flags(bx, by) & INCOMPLETE
    assert flags(cx, cy) == CLIPPED
    assert flags(dx, dy) == SATURATED
    assert flags(ex, ey) == DOUBTFUL
    assert sum(listed.flags != 0) == 5


def test_a_star_that_all_frames_have_saturated_says_so(tmp_path: Path) -> None:
    field = Field(size=200, n_star=16, seed=2)
    brightest = int(np.argmax(field.flux))
    x, y = field.x[brightest], field.y[brightest]
    exposures = []
    for number in range(3):
        source = field.expose(number, Exposure())[0]
        frame = source.frame
        assert isinstance(frame, ArrayFrame)
        rows, columns = np.mgrid[:200, :200]
        hole = np.hypot(rows - y, columns - x) < 1.2 + 0.4 * number
        pixels = np.where(hole, np.float32(np.nan), frame.pixels)
        exposures.append(replace(source, frame=replace(frame, pixels=pixels)))
    planes = Planes(field.grid, tmp_path)
    coadd(exposures, field.grid, Options(), planes, scratch=tmp_path)
    listed = find_sources(planes)
    near = np.hypot(listed.x - x, listed.y - y) < 6
    assert near.any()
    assert (listed.flags[near] & SATURATED).all()
    # The other stars are not: only what is within its light is.
    assert not (listed.flags[np.hypot(listed.x - x, listed.y - y) > 30] & SATURATED).any()


def test_neighbours_are_parted_and_say_so(tmp_path: Path) -> None:
    image = stars(120, 120, [(55.0, 60.0, 2e4), (62.0, 60.0, 1.5e4)])
    image += np.random.default_rng(5).normal(0.0, NOISE, image.shape)
    listed = find_sources(planes_of(image, tmp_path))
    assert len(listed) == 2
    assert all(flags & BLENDED for flags in listed.flags)


def test_squares_give_what_the_whole_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planes = planes_of(sky(6), tmp_path)
    whole = find_sources(planes)
    # Cut right through a star, so that both squares see it.
    monkeypatch.setattr(sources, "SIDE", round(PLACES[9][0]))
    parts = find_sources(planes)
    assert len(parts) == len(whole)
    order = np.hypot(whole.x[:, None] - parts.x, whole.y[:, None] - parts.y).argmin(axis=1)
    assert parts.x[order] == pytest.approx(whole.x, abs=0.02)
    assert np.abs((parts.flux[order] - whole.flux) / whole.flux_error).max() < 1.0


def test_nothing_at_all_has_no_sources(tmp_path: Path) -> None:
    listed = find_sources(planes_of(np.full((80, 90), np.nan), tmp_path))
    assert (len(listed), listed.seeing) == (0, None)
