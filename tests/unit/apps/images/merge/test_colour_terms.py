"""Colour terms between kinds of frames, of stars whose colours are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apps.images.merge.coadd.blanks import Blanks
from apps.images.merge.coadd.frames import ArrayFrame, Source
from apps.images.merge.coadd.measure import Matched
from apps.images.merge.coadd.photometry import FluxScale
from apps.images.merge.coadd.sky import Surfaces
from apps.images.merge.colour_terms import colour_remarks
from apps.images.merge.observation import Observation

N_STAR, RADIUS, NOISE, GAIN = 60, 6.0, 10.0, 1.5


def sources(cameras: str) -> list[Source]:
    nothing = np.zeros((1, 1), np.float32)
    return [
        Source(
            frame=ArrayFrame(f"{number}.fits", 0, 0, NOISE, nothing),
            observation=Observation(instrument=f"Camera {camera}", filter="R"),
        )
        for number, camera in enumerate(cameras)
    ]


def matched(
    cameras: str, *, term: float = 0.0, each: float = 0.0, seed: int = 0, n_star: int = N_STAR
) -> Matched:
    """Return stars with photon noise; those of camera B differ by a part `term` of their colour.

    `each` is a scatter of every star in every frame, as of flats.
    """
    rng = np.random.default_rng(seed)
    n = len(cameras)
    flux = np.exp(rng.uniform(np.log(3e4), np.log(1e6), n_star))
    colour = rng.normal(0, 1, n_star)
    true = np.array([flux * np.exp(term * colour * (camera == "B")) for camera in cameras])
    area = np.pi * RADIUS**2
    seen = true * np.exp(rng.normal(0, each, true.shape))
    seen += rng.normal(0, 1, true.shape) * np.sqrt(area * NOISE**2 + true / GAIN)
    nothing = np.zeros((n, 6))
    return Matched(
        reference=0,
        scales=tuple(FluxScale(1.0, 0.0, n_star) for _ in cameras),
        surfaces=Surfaces(nothing, np.ones(n, int)),
        weight=np.full(n, NOISE**-2),
        radius=RADIUS,
        core=np.zeros(n),
        photon=np.full(n, 1 / GAIN),
        light=np.zeros((1, 1)),
        limit=np.ones(n),
        blanks=Blanks(),
        fluxes=seen,
    )


@pytest.mark.parametrize("cameras", ["AAAABB", "AB", "AAB"])
def test_a_colour_term_is_said_with_its_size(cameras: str) -> None:
    for seed in range(20):
        (remark,) = colour_remarks(sources(cameras), matched(cameras, term=0.05, seed=seed))
        size = float(remark.split("differ by ")[1].split(" %")[0])
        # The robust scatter of sixty stars is good to 15 %.
        assert size == pytest.approx(5.0, abs=3.0)
        assert "Camera A" in remark
        assert "Camera B" in remark


@pytest.mark.parametrize("each", [0.0, 0.01, 0.03])
def test_noise_and_flats_are_no_colour_term(each: float) -> None:
    """Five standard errors: a robust variance of 60 stars is beyond them once in 10,000 runs."""
    for seed in range(100):
        made = matched("AAABBB", each=each, seed=seed)
        assert colour_remarks(sources("AAABBB"), made) == []


def test_frames_of_one_camera_are_not_compared() -> None:
    assert colour_remarks(sources("AAAA"), matched("AABB", term=0.1)) == []


@pytest.mark.parametrize(
    ("areas", "n_remark"),
    [
        ((1.0512, 1.0512, 1.0514, 1.0514), 0),
        ((1.0, 1.06, 1.12, 1.18), 0),
        ((1.0, 1.0, 4.0, 4.0), 1),
    ],
)
def test_scales_of_one_camera_are_alike_wherever_they_are(
    areas: tuple[float, ...], n_remark: int
) -> None:
    """Of areas rounded to tenths of their logarithm 1.0512 and 1.0514 would be two kinds."""
    frames = [
        replace(source, observation=replace(source.observation, area=area))
        for source, area in zip(sources("AAAA"), areas, strict=True)
    ]
    assert len(colour_remarks(frames, matched("AABB", term=0.1))) == n_remark


def test_a_term_below_a_percent_is_not_worth_a_word() -> None:
    assert colour_remarks(sources("AAABBB"), matched("AAABBB", term=0.003)) == []


def test_a_few_stars_and_variable_ones_tell_nothing() -> None:
    assert colour_remarks(sources("AABB"), matched("AABB", term=0.05, n_star=6)) == []
    made = matched("AABB")
    made.fluxes[2:, :4] *= 1.5  # four that have flared between the two
    assert colour_remarks(sources("AABB"), made) == []
