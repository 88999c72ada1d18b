"""What is known of a stack as an exposure: times, names, gain, saturation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from apps.images.merge.observation import Observation, effective_gain, observe


@dataclass(frozen=True)
class Seen:
    observation: Observation
    exposure: float = 60.0


FIRST = Observation(
    begin=60000.25, end=60000.26, object="M 61", telescope="A", instrument="c", filter="r",
    unit="adu", gain=2.0, saturation=60000.0,
)  # fmt: skip
SECOND = replace(FIRST, begin=60002.0, end=60002.02, telescope="B", gain=0.5, saturation=4000.0)


def test_times_span_the_frames_and_their_mean_is_that_of_the_weights() -> None:
    seen = observe(
        [Seen(FIRST), Seen(SECOND, 120.0)], np.array([3.0, 1.0]), np.array([1.0, 2.0]), 0,
        conserves_flux=True,
    )  # fmt: skip
    assert (seen.begin, seen.end) == (60000.25, 60002.02)
    assert seen.middle == pytest.approx((3 * 60000.255 + 60002.01) / 4, abs=1e-9)
    assert (seen.object, seen.telescope, seen.filter) == ("M 61", "A+B", "r")
    # A flux is that of the reference: so is the time in which it came.
    assert (seen.exposure, seen.total_exposure) == (60.0, 180.0)
    assert seen.saturation == 8000.0


def test_a_rate_comes_in_all_of_the_time() -> None:
    for unit in ("electron/s", "adu s-1", "counts/sec", "DN s**-1"):
        frames = [Seen(replace(FIRST, unit=unit)), Seen(replace(SECOND, unit=unit), 120.0)]
        seen = observe(frames, np.ones(2), np.ones(2), 1, conserves_flux=True)
        assert (unit, seen.exposure) == (unit, 180.0)
    for unit in ("MJy/sr", "adu", "counts", ""):
        frames = [Seen(replace(FIRST, unit=unit)), Seen(replace(SECOND, unit=unit), 120.0)]
        seen = observe(frames, np.ones(2), np.ones(2), 1, conserves_flux=True)
        assert (unit, seen.exposure) == (unit, 120.0)


def test_what_one_frame_does_not_say_is_not_known_of_all() -> None:
    silent = Seen(Observation(), exposure=0.0)
    seen = observe([Seen(FIRST), silent], np.ones(2), np.ones(2), 1, conserves_flux=True)
    assert (seen.middle, seen.gain, seen.exposure) == (None, None, None)
    assert (seen.begin, seen.object, seen.unit) == (60000.25, "M 61", "")


@pytest.mark.parametrize("conserves_flux", [True, False])
def test_the_effective_gain_gives_the_photon_noise_of_a_stack(conserves_flux: bool) -> None:
    # 20,000 stars: the variance is known to 1 %, and 5 % off is five of its standard deviations.
    rng = np.random.default_rng(8)
    flux, n = 5000.0, 20_000
    frames = [replace(FIRST, area=4.0), replace(SECOND, gain=0.8, area=0.25), FIRST]
    scale, weight = np.array([1.0, 2.5, 0.7]), np.array([0.2, 0.5, 0.3])
    total = np.zeros(n)
    for frame, factor, share in zip(frames, scale, weight, strict=True):
        electrons = rng.poisson(flux / factor * frame.gain, n)
        total += share * factor * electrons / frame.gain
    if not conserves_flux:  # a sum over pixels of the grid is a flux over the area of one of them
        frames = [replace(frame, area=2.0) for frame in frames]
        total /= 2.0
    gain = effective_gain(frames, weight, scale, conserves_flux=conserves_flux)
    assert gain == pytest.approx(total.mean() / total.var(), rel=0.05)


def test_what_a_campaign_states_comes_before_the_header() -> None:
    header = {"gain": 1.5, "saturation": 100.0, "unit": "adu"}
    stated = {"variance": {"kind": "map"}, "saturation": 90.0, "filter": "g"}
    found = Observation.of_frame(stated, {"exposed": header, "gain": 2.0, "area": 2.0})
    assert (found.gain, found.saturation, found.filter, found.area) == (2.0, 90.0, "g", 2.0)
    found = Observation.of_frame({"saturation": None}, {"exposed": header})
    assert (found.gain, found.saturation, found.unit) == (1.5, 100.0, "adu")
    assert Observation.of_frame({}, {}) == Observation()
