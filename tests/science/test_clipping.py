"""Clipping, trails and saturation from FITS files to the product, against a known sky.

Every campaign here is of frames that are turned and moved, so that all that is clipped has been
interpolated before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apps.images.compute.built import load_kernel
from apps.images.merge.coadd.flags import Flag
from tests.science.known_sky import KnownSky, Product, Seen

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

SKY = KnownSky(size=320, n_side=7, seed=5)


def turned(n: int, seed: int = 1, **how: object) -> list[Seen]:
    """Return frames that are turned by up to 8 degrees and moved by up to 6 pixels."""
    rng = np.random.default_rng(seed)
    return [
        Seen(turn=rng.uniform(-8, 8), shift=tuple(rng.uniform(-6, 6, 2)), **how) for _ in range(n)
    ]


def seen(how: Seen, **changed: object) -> Seen:
    return Seen(**{**{name: getattr(how, name) for name in how.__dataclass_fields__}, **changed})


def truth_of_five(directory: Path, sky: KnownSky, n_cosmic: int) -> Product:
    transparency = (1.0, 0.9, 1.1, 1.05, 0.95)
    hows = [
        seen(how, cosmics=n_cosmic, transparency=one)
        for how, one in zip(turned(5), transparency, strict=True)
    ]
    hows[1] = seen(hows[1], trails=((-20.0, 0.6, 25.0),))
    return sky.product(directory, hows)


def check_five(product: Product, most: int) -> None:
    assert product.survivors(product.on_grid() & ~product.on_trails()) <= most
    assert product.survivors(product.on_trails()) <= most
    # The scatter of 3600 sums is good to 2 %, and these are 2 % too small.
    assert product.noise() < 1.02 * product.optimum
    ratio, _ = product.stars(1e5, 1e7)
    assert len(ratio) >= 5
    # A hundredth of the noise of the brightest; the reference's own zero point is good to 0.05 %.
    assert np.median(ratio) == pytest.approx(1.0, abs=1.5e-3)


def test_of_five_frames_no_cosmic_ray_and_no_trail_stays(tmp_path: Path) -> None:
    product = truth_of_five(tmp_path, SKY, 15)
    assert product.on_grid().sum() > 1000
    check_five(product, 3)
    assert product.n_flag(Flag.STREAK) > 1000
    assert product.n_flag(Flag.CLIPPED) > 500
    (frame,) = [one for one in product.summary["frames"] if one["n_trail"]]
    assert frame["name"] == "01.fits"


@pytest.mark.slow
def test_of_five_large_frames_no_cosmic_ray_and_no_trail_stays(tmp_path: Path) -> None:
    """150 cosmic rays in each of five frames of 1024 x 1024: some 10,000 pixels of the grid."""
    sky = KnownSky(size=1024, n_side=19, seed=31, brightest=3e6)
    product = truth_of_five(tmp_path, sky, 150)
    assert product.on_grid().sum() > 9000
    check_five(product, 25)


def mixed(directory: Path, sky: KnownSky, n_cosmic: int) -> Product:
    rng = np.random.default_rng(8)
    hows = [
        seen(
            how,
            fwhm=rng.uniform(2.4, 4.6),
            transparency=rng.uniform(0.6, 1.5),
            noise=rng.uniform(12, 30),
            cosmics=n_cosmic,
            saturation=60_000.0,
        )
        for how in turned(12)
    ]
    return sky.product(directory, hows)


def check_mixed(product: Product, most: int) -> None:
    assert product.survivors(product.on_grid()) <= most
    for least, greatest in ((3e4, 3e5), (3e5, 1e8)):
        ratio, _ = product.stars(least, greatest, 11.0)
        assert len(ratio) >= 5
        assert np.median(ratio) == pytest.approx(1.0, abs=3e-3)
    ratio, flags = product.stars(5e5, 1e8, 11.0)
    right = np.array([not one & Flag.SAT for one in flags])
    assert np.abs(ratio[right] - 1).max() < 0.01


def test_twelve_frames_of_mixed_seeing_keep_their_stars(tmp_path: Path) -> None:
    sky = KnownSky(size=320, n_side=7, seed=6, brightest=3e6)
    check_mixed(mixed(tmp_path, sky, 15), 3)


@pytest.mark.slow
def test_twelve_large_frames_of_mixed_seeing_keep_their_stars(tmp_path: Path) -> None:
    sky = KnownSky(size=1024, n_side=19, seed=77, brightest=3e6)
    check_mixed(mixed(tmp_path, sky, 150), 25)


@pytest.mark.parametrize("n", [3, 4])
def test_few_frames_are_clipped(tmp_path: Path, n: int) -> None:
    product = SKY.product(tmp_path, [seen(how, cosmics=15) for how in turned(n)])
    covered = (product.count + product.rejected) >= 3
    assert product.survivors(product.on_grid() & covered) <= 3
    ratio, _ = product.stars(1e5, 1e7)
    assert np.median(ratio) == pytest.approx(1.0, abs=2e-3)


def test_of_two_frames_the_doubt_is_said(tmp_path: Path) -> None:
    product = SKY.product(tmp_path, [seen(how, cosmics=15) for how in turned(2)])
    assert "two frames overlap" in " ".join(product.summary["remarks"])
    hit = product.on_grid() & product.blank
    assert ((product.flags[hit] & Flag.SUSPECT) != 0).sum() > 200
    clean = product.blank & ~product.on_grid()
    # Differences of two values beyond 4 standard deviations: 6e-5, with what rays leave around.
    assert ((product.flags[clean] & Flag.SUSPECT) != 0).mean() < 1e-3


def test_one_frame_says_that_nothing_was_clipped(tmp_path: Path) -> None:
    product = SKY.product(tmp_path, turned(1))
    assert "nothing was clipped" in " ".join(product.summary["remarks"])
    assert not product.rejected.any()


def test_one_bad_frame_of_four_does_no_harm(tmp_path: Path) -> None:
    """The bad one is out of focus, through clouds, and has a trail and ten times the rays."""
    hows = turned(4)
    hows[2] = seen(
        hows[2], fwhm=7.0, transparency=0.3, cosmics=150, noise=25.0, trails=((10.0, 1.2, 8.0),)
    )
    product = SKY.product(tmp_path, hows)
    covered = (product.count + product.rejected) >= 3
    assert product.survivors(product.on_grid() & covered & ~product.on_trails()) <= 5
    assert product.survivors(product.on_trails() & covered) <= 5
    ratio, _ = product.stars(1e5, 1e7, 14.0)
    assert np.median(ratio) == pytest.approx(1.0, abs=3e-3)


@pytest.mark.parametrize("peak", [1.5, 30.0])
def test_trails_in_two_frames_and_crossing_ones_go(tmp_path: Path, peak: float) -> None:
    """Also of 1.5 standard deviations, which no pixel shows."""
    hows = turned(5)
    hows[1] = seen(hows[1], trails=((0.0, 0.6, peak), (30.0, 2.0, peak)))
    hows[3] = seen(hows[3], trails=((5.0, 0.7, peak),))
    product = SKY.product(tmp_path, hows)
    trails = {one["name"]: one["n_trail"] for one in product.summary["frames"]}
    assert trails == {"00.fits": 0, "01.fits": 2, "02.fits": 0, "03.fits": 1, "04.fits": 0}
    where = product.on_trails() & product.blank
    sky = product.image[product.blank & ~product.on_trails()]
    # What is left along the trails, in standard deviations of the stack: their mean is good to
    # 0.03, and a trail of 1.5 would leave 0.5.
    left = (product.image[where].mean() - np.median(sky)) / sky.std()
    assert abs(left) < 0.12
    assert product.survivors(product.on_trails()) <= 3


def test_halos_of_bright_stars_stay(tmp_path: Path) -> None:
    """A tenth of the light of the brightest is in halos, and no gain tells of their photons."""
    sky = KnownSky(size=320, n_side=3, seed=9, faintest=5e5, brightest=3e6)
    rng = np.random.default_rng(3)
    hows = [seen(how, halo=0.1, fwhm=rng.uniform(2.6, 3.4)) for how in turned(6)]
    product = sky.product(tmp_path, hows)
    # A star whose core is beyond the edge of a frame is left out of that as a whole.
    whole = (product.flags & Flag.INEXACT_PSF) == 0
    covered = product.count + product.rejected
    assert product.rejected[whole].sum() / covered[whole].sum() < 5e-4
    ratio, _ = product.stars(1e5, 1e8, 11.0)
    inside = 0.9 + 0.1 * 0.0  # the halo is as bright in the ring beside the aperture
    assert np.median(ratio) == pytest.approx(inside, abs=0.05)


@pytest.mark.parametrize("n", [3, 6])
def test_dithered_stars_of_few_pixels_stay(tmp_path: Path, n: int) -> None:
    """Stars of 1.3 pixels full width: what interpolation makes of them depends on their phase."""
    sky = KnownSky(size=320, n_side=7, seed=11, brightest=3e5)
    product = sky.product(tmp_path, [seen(how, fwhm=1.3, cosmics=15) for how in turned(n)])
    plain = sky.product(
        tmp_path / "plain", [seen(how, fwhm=1.3) for how in turned(n)], more="iterations = 0"
    )
    ratio, _ = product.stars(1e4, 1e7)
    expected, _ = plain.stars(1e4, 1e7)
    assert np.median(ratio / expected) == pytest.approx(1.0, abs=2e-3)
    covered = (product.count + product.rejected) >= 3
    # Of 700 pixels. Shared areas smooth: a pixel scatters by 0.7 of the noise in areas, so that
    # five of its own deviations are fewer counts than in an image that a kernel has made.
    assert product.survivors(product.on_grid() & covered, product.noise()) <= 3
    assert product.survivors(product.on_grid() & covered) <= 4


def test_frames_of_unlike_depth_and_seeing_are_weighed_and_clipped(tmp_path: Path) -> None:
    """One deep frame and three shallow ones: the deep one must not be out of line."""
    hows = [seen(how, cosmics=15) for how in turned(4)]
    hows[1:] = [seen(how, noise=60.0, transparency=0.8, fwhm=3.6) for how in hows[1:]]
    product = SKY.product(tmp_path, hows)
    clean = product.blank & ~product.on_grid() & (product.count + product.rejected == 4)
    assert product.rejected[clean].sum() / (4 * clean.sum()) < 2e-4
    assert product.noise() < 1.05 * product.optimum
    ratio, _ = product.stars(1e5, 1e7)
    assert np.median(ratio) == pytest.approx(1.0, abs=3e-3)


@pytest.mark.parametrize("silent", [False, True])
def test_stars_that_some_frames_saturate_are_whole(tmp_path: Path, *, silent: bool) -> None:
    """Also if no header says at which count: pixels that stop at one tell it."""
    sky = KnownSky(size=320, n_side=6, seed=13, faintest=1e5, brightest=2e6)
    widths = (2.4, 2.7, 3.0, 3.6, 4.4)
    hows = [
        seen(how, fwhm=fwhm, saturation=50_000.0, silent=silent)
        for how, fwhm in zip(turned(5), widths, strict=True)
    ]
    product = sky.product(tmp_path, hows)
    said = [line for line in product.summary["remarks"] if "stop at 50000" in line]
    assert len(said) == silent
    ratio, flags = product.stars(1e5, 1e8, 11.0)
    whole = np.array([bool(one & Flag.INEXACT_PSF) and not one & Flag.SAT for one in flags])
    right = np.array([not one & Flag.SAT for one in flags])
    assert whole.sum() >= 5
    assert np.abs(ratio[whole] - 1).max() < 0.01
    assert np.abs(ratio[right] - 1).max() < 0.01
    assert np.median(ratio[whole]) == pytest.approx(1.0, abs=3e-3)


def test_stars_that_all_frames_saturate_are_flagged_and_said(tmp_path: Path) -> None:
    sky = KnownSky(size=320, n_side=4, seed=14, faintest=3e6, brightest=4e6)
    product = sky.product(tmp_path, [seen(how, saturation=50_000.0) for how in turned(4)])
    x, y = (np.rint(one).astype(int) for one in product.wcs.all_world2pix(sky.ra, sky.dec, 0))
    inside = (np.minimum(x, y) > 40) & (np.maximum(x, y) < 280)
    assert inside.sum() >= 4
    assert ((product.flags[y[inside], x[inside]] & Flag.SAT) != 0).all()
    assert "saturation" in " ".join(product.summary["remarks"])
    assert product.summary["n_flagged"]["SAT"] == product.n_flag(Flag.SAT)
