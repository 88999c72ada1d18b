"""Frames of a field stacked: order, bands and tiles do not matter; backgrounds and fluxes match."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.merge.coadd.clip import PLAIN
from apps.images.merge.coadd.frames import ArrayFrame, Source
from apps.images.merge.coadd.measure import Grid
from apps.images.merge.coadd.options import Options
from apps.images.merge.coadd.stack import coadd
from boinc_project.errors import UnitError
from tests.sky_frames import Exposure, Field, Kept

FIELD = Field(size=256, n_star=16, seed=4)
HOWS = [
    Exposure(scale=1.0, noise=4.0, cosmic_rays=3),
    Exposure(scale=0.5, noise=3.0, sky=60.0, slope=(40.0, -20.0), fwhm=3.2),
    Exposure(scale=1.5, noise=9.0, sky=300.0, window=(40, 10, 200, 230)),
    Exposure(scale=1.2, noise=6.0, sky=20.0, slope=(0.0, 30.0), fwhm=2.4),
]


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [FIELD.expose(number, how)[0] for number, how in enumerate(HOWS)]


def test_order_bands_tiles_and_level_do_not_matter(sources: list[Source], tmp_path: Path) -> None:
    one, other = Kept(FIELD.grid), Kept(FIELD.grid)
    first = coadd(sources, FIELD.grid, Options(), one, scratch=tmp_path)
    tiled = [replace(source, tile_rows=96) for source in reversed(sources)]
    second = coadd(
        tiled, FIELD.grid, Options(), other, scratch=tmp_path, memory=100_000, level=PLAIN
    )
    assert one.bytes() == other.bytes()
    # The order of additions hardly ever shows in 32 bits; it must be one all the same.
    names = [[source.frame.name for source in found.sources] for found in (first, second)]
    assert names[0] == names[1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tile_rows", [1, 96])
def test_processors_do_not_matter(sources: list[Source], tmp_path: Path, tile_rows: int) -> None:
    tiled = [replace(source, tile_rows=tile_rows) for source in sources]
    kept = []
    for jobs in (1, 3):
        kept.append(Kept(FIELD.grid))
        coadd(tiled, FIELD.grid, Options(), kept[-1], scratch=tmp_path, memory=400_000, jobs=jobs)
    assert kept[0].bytes() == kept[1].bytes()


def test_fluxes_and_backgrounds_come_to_the_reference(
    sources: list[Source], tmp_path: Path
) -> None:
    kept = Kept(FIELD.grid)
    found = coadd(sources, FIELD.grid, Options(reference="frame 0"), kept, scratch=tmp_path)
    assert found.sources[found.matched.reference].frame.name == "frame 0"
    for source, scale in zip(found.sources, found.matched.scales, strict=True):
        number = int(source.frame.name.split()[1])
        if number:
            assert scale.error is not None
            # 5 standard errors: one of a million runs fails by chance; this one has its seed.
            assert abs(scale.value - 1 / HOWS[number].scale) < 5 * scale.error < 0.05
    sky = kept.image[(FIELD.stars(4.0) < 0.01) & (kept.count > 0)]
    for corner in (kept.image[:64, :64], kept.image[-64:, -64:]):
        assert np.median(corner) == pytest.approx(np.median(sky), abs=0.5)
    assert np.median(sky) == pytest.approx(100.0, abs=0.5)


def test_a_curved_background_goes_without_a_rest(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    y, x = np.meshgrid(np.linspace(-1, 1, 600), np.linspace(-1, 1, 700), indexing="ij")
    scene = rng.normal(0, 1, x.shape)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    sources = []
    for number in range(3):
        surface = np.tensordot(rng.uniform(5, 50, 6) * (number > 0), terms, 1)
        pixels = (scene + surface).astype(np.float32)
        sources.append(Source(ArrayFrame(f"frame {number}", 0, 0, 1.0, pixels)))
    grid = Grid(700, 600)
    kept = Kept(grid)
    options = Options(flux="none", background="quadratic", reference="frame 0")
    coadd(sources, grid, options, kept, scratch=tmp_path)
    # Over a tenth of the axis a square is not quite its middle: up to 50 * 0.1**2 / 3 each way.
    assert np.abs(kept.image - scene).max() < 1.0


def test_backgrounds_match_through_a_chain_of_overlaps(tmp_path: Path) -> None:
    hows = [
        Exposure(sky=100.0, window=(0, 0, 128, 256)),
        Exposure(sky=220.0, window=(64, 0, 128, 256)),
        Exposure(sky=-50.0, window=(128, 0, 128, 256)),
    ]
    strips = [FIELD.expose(number, how)[0] for number, how in enumerate(hows)]
    kept = Kept(FIELD.grid)
    options = Options(flux="none", background="offset", reference="frame 0")
    found = coadd(strips, FIELD.grid, options, kept, scratch=tmp_path)
    assert np.median(kept.image[:, 192:]) == pytest.approx(100.0, abs=1.0)
    assert (found.matched.surfaces.n_block > 0).all()


def test_a_frame_without_overlap_is_said_to_be_unmatched(tmp_path: Path) -> None:
    hows = [Exposure(window=(0, 0, 128, 256)), Exposure(sky=7.0, window=(128, 0, 128, 256))]
    halves = [FIELD.expose(number, how)[0] for number, how in enumerate(hows)]
    kept = Kept(FIELD.grid)
    options = Options(reference="frame 0")
    found = coadd(halves, FIELD.grid, options, kept, scratch=tmp_path)
    other = 1 - found.matched.reference
    assert found.matched.surfaces.n_block[other] == 0
    assert found.matched.scales[other].error is None
    assert "5 stars" in found.matched.scales[other].remark
    assert np.median(kept.image[:, 192:]) == pytest.approx(7.0, abs=1.0)


def with_variance(source: Source, variance: np.ndarray, **changes: Any) -> Source:
    frame = source.frame
    assert isinstance(frame, ArrayFrame)
    plane = np.broadcast_to(variance, frame.pixels.shape).astype(np.float32)
    return replace(source, frame=replace(frame, variance=plane), **changes)


def test_pixels_weigh_by_their_own_variance(tmp_path: Path) -> None:
    """A frame that is four times noisier on its left weighs there a sixteenth of its right."""
    fine, coarse = (FIELD.expose(number, Exposure())[0] for number in range(2))
    halves = np.where(np.arange(256) < 128, 400.0, 25.0)
    kept = Kept(FIELD.grid)
    options = Options(flux="none", background="none", iterations=0)
    coadd([fine, with_variance(coarse, halves)], FIELD.grid, options, kept, scratch=tmp_path)
    assert kept.weight[:, :128] == pytest.approx(np.full((256, 128), 1 / 25 + 1 / 400))
    assert kept.weight[:, 128:] == pytest.approx(np.full((256, 128), 2 / 25))


def test_photons_of_stars_are_in_the_variance_and_not_in_the_weights(tmp_path: Path) -> None:
    """Gains of 2 and 4 of equal frames: a count of the mean has (1/2 + 1/4) / 4 of variance."""
    frames = [FIELD.expose(number, Exposure())[0] for number in range(2)]
    gains = [replace(frame, gain=gain) for frame, gain in zip(frames, (2.0, 4.0), strict=True)]
    kept = Kept(FIELD.grid)
    options = Options(flux="none", background="none", iterations=0)
    coadd(gains, FIELD.grid, options, kept, scratch=tmp_path)
    np.testing.assert_allclose(kept.weight, 2 / 25, rtol=1e-6)
    light = FIELD.stars(2.8)
    bright = light > 500
    expected = 25 / 2 + 0.1875 * light[bright]
    # The light is that of the image: its noise of 3.5 counts, and the level of its blocks.
    np.testing.assert_allclose(kept.variance[bright], expected, rtol=0.03)
    assert np.median(kept.variance[light < 0.01]) == pytest.approx(12.5, rel=0.02)


def test_a_frame_through_clouds_is_no_reference(tmp_path: Path) -> None:
    """It has the least noise of all in counts, and a tenth of the light."""
    hows = [Exposure(noise=5.0), Exposure(noise=5.2), Exposure(scale=0.1, noise=2.0)]
    frames = [FIELD.expose(number, how)[0] for number, how in enumerate(hows)]
    kept = Kept(FIELD.grid)
    merged = coadd(frames, FIELD.grid, Options(), kept, scratch=tmp_path)
    assert merged.sources[merged.matched.reference].frame.name == "frame 0"
    scale = {
        source.frame.name: scale.value
        for source, scale in zip(merged.sources, merged.matched.scales, strict=True)
    }
    assert scale["frame 2"] == pytest.approx(10.0, rel=0.02)


@pytest.mark.parametrize("factor", [0.02, 50.0])
def test_stars_are_found_by_the_noise_of_the_grid_whatever_that_of_the_input(
    sources: list[Source], tmp_path: Path, factor: float
) -> None:
    """Of frames that are averaged, or whose pixels are sums, the input's pixels have another."""
    averaged = []
    for source in sources:
        frame = source.frame
        assert isinstance(frame, ArrayFrame)
        variance = np.full(frame.pixels.shape, frame.noise**2, np.float32)
        stated = replace(frame, noise=factor * frame.noise, variance=variance)
        averaged.append(replace(source, frame=stated))
    numbers = []
    for each in (sources, averaged):
        made = coadd(each, FIELD.grid, Options(), Kept(FIELD.grid), scratch=tmp_path)
        pairs = zip(made.sources, made.matched.scales, strict=True)
        numbers.append({source.frame.name: scale.n_star for source, scale in pairs})
    assert numbers[0] == numbers[1]
    assert min(numbers[0].values()) >= 5


def test_of_equal_noise_the_sharper_frame_is_the_reference(tmp_path: Path) -> None:
    frames = [FIELD.expose(number, Exposure())[0] for number in range(3)]
    widths = zip(frames, (3.0, 2.0, 4.0), strict=True)
    sharp = [replace(frame, seeing=width) for frame, width in widths]
    kept = Kept(FIELD.grid)
    merged = coadd(sharp, FIELD.grid, Options(), kept, scratch=tmp_path)
    reference = merged.matched.reference
    assert merged.sources[reference].frame.name == "frame 1"
    limits = merged.matched.limit / merged.matched.limit[reference]
    by_name = {
        source.frame.name: limit for source, limit in zip(merged.sources, limits, strict=True)
    }
    assert by_name["frame 0"] == pytest.approx(1.5, rel=0.01)
    assert by_name["frame 2"] == pytest.approx(2.0, rel=0.01)


@pytest.mark.parametrize(
    "settings",
    [
        {"sigma": 0},
        {"sigma": float("nan")},
        {"sigma": True},
        {"sigma": 10**400},
        {"sigma": float("inf")},
        {"iterations": 1.5},
        {"background": "cubic"},
        {"background": ["plane"]},
        {"flux": "guess"},
        {"reference": 3},
        {"kappa": 3},
    ],
)
def test_bad_settings_are_named(settings: dict[str, object]) -> None:
    with pytest.raises(UnitError, match=next(iter(settings))):
        Options.from_mapping(settings)
