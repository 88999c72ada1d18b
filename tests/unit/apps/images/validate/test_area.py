"""Outputs that are averages over areas: checked, compared, audited and paid as others are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.compute.built import load_kernel
from apps.images.compute.operations import credit_flop
from apps.images.output import open_reprojection_output
from apps.images.validate import check as reprojection
from tests.unit.apps.images.validate.reprojection_case import Case
from validator.credit import cobblestones

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

FLOAT = {"kind": "float"}


@pytest.fixture(
    params=[
        {"method": "area"},
        {"method": "drizzle", "pixfrac": 0.8},
        {"frame": {"method": "area"}},
    ],
    ids=["area", "drizzle", "frames"],
)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    return Case(tmp_path, **request.param)


def test_an_honest_output_passes_check_and_audit(case: Case) -> None:
    assert case.check(case.output).startswith("valid")
    verdict = reprojection.audit(
        case.unit, case.output, case.inputs, rng=np.random.default_rng(1), budget=1e9
    )
    assert verdict.is_valid
    assert "18 of 18 tiles" in verdict.reason


def test_a_false_tile_is_found_and_its_maker_named(case: Case) -> None:
    def brighter(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile == 4:
            pixels[pixels > -4000] += 1

    forged = case.forged(brighter)
    assert reprojection.compare(case.unit, case.output, forged).is_invalid
    first, second = reprojection.referee(case.unit, case.output, forged, case.inputs)
    assert (first.is_valid, second.is_invalid) == (True, True)
    verdict = reprojection.audit(
        case.unit, forged, case.inputs, rng=np.random.default_rng(2), budget=1e9
    )
    assert verdict.is_invalid


@pytest.mark.parametrize(("shift", "same"), [(0.5e-3, True), (5e-3, False)])
def test_averages_may_differ_by_a_thousandth_of_their_own_noise(
    tmp_path: Path, shift: float, same: bool
) -> None:
    """Of 100 pixels of 12, each with the flux of 100: the average has a tenth of 1200."""
    frame: dict[str, Any] = {"method": "area", "area": 100.0, "noise": 1200.0}
    case = Case(tmp_path, frame=frame, output=FLOAT)

    def moved(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        pixels += np.float32(shift * 120.0)

    verdict = reprojection.compare(case.unit, case.output, case.forged(moved))
    assert verdict.is_valid is same


def test_credit_follows_from_the_methods_of_the_frames(tmp_path: Path) -> None:
    case = Case(tmp_path, frame={"method": "area", "area": 9.0})
    with open_reprojection_output(case.output) as output:
        counts = [int(frame.counts.sum()) for frame in output.frames]
    flop = sum(credit_flop("area", count, 9.0) for count in counts)
    assert reprojection.credit(case.unit, case.output) == pytest.approx(cobblestones(flop))
