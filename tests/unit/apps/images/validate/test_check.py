"""The validator of reprojection: what it lets pass, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.compute.built import load_kernel
from apps.images.compute.operations import credit_flop
from apps.images.output import open_reprojection_output
from apps.images.output_frame import CANONICAL_NAN
from apps.images.validate import check as reprojection
from boinc_project import application
from boinc_project.errors import UnitError
from boinc_project.unit import Unit
from tests.unit.apps.images.validate.reprojection_case import Case, Change
from validator.credit import cobblestones
from validator.quorum import decide

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")


@pytest.fixture(scope="module", params=["steps", "float"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    output = {"kind": "float"}
    if request.param == "steps":
        output = {"kind": "steps", "step_sigma": 0.25}
    directory = tmp_path_factory.mktemp(str(request.param))
    return Case(directory, output=output, window=(210, 150))


def nothing(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
    pass


def test_an_honest_output_passes(case: Case) -> None:
    assert case.check(case.output) == "valid: Its check passed."
    assert case.check(case.forged(nothing)) == "valid: Its check passed."
    digests = case.compute("stack_1")
    assert case.check(digests) == "valid: Its check passed; it has digests only."


def test_digests_and_pixels_agree_and_pixels_are_canonical(case: Case) -> None:
    digests = case.compute("stack_1")
    verdict = reprojection.compare(case.unit, digests, case.output)
    assert verdict.is_valid
    found = decide(
        case.unit,
        {1: digests, 2: case.output},
        min_quorum=2,
        app=application.get("reprojection").judging(),
        inputs=case.inputs,
    )
    assert found.canonical == 2
    again = decide(
        case.unit,
        {1: digests, 3: case.compute("stack_3")},
        min_quorum=2,
        app=application.get("reprojection").judging(),
        inputs=case.inputs,
    )
    assert again.canonical is None


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"unit_digest": "0" * 64}, "belongs to another unit"),
        ({"app_version": 99}, "older than the unit allows"),
        ({"head": {"x0": 4}}, "other windows"),
        ({"head": {"noise": 1.0}}, "other frames"),
        ({"head": {"name": "other"}}, "other frames"),
    ],
)
def test_an_output_of_something_else_is_refused(
    case: Case, header: dict[str, Any], message: str
) -> None:
    said = case.check(case.forged(nothing, **header))
    assert said.startswith("invalid")
    assert message in said


def test_a_unit_that_asks_for_pixels_gets_them(tmp_path: Path) -> None:
    case = Case(tmp_path)
    digests = case.compute("stack_1")
    settings = {**case.unit.settings, "digest_only": False}
    strict = replace(case.unit, settings=settings)
    data = digests.read_bytes().replace(case.unit.digest.encode(), strict.digest.encode())
    digests.write_bytes(data)
    verdict = reprojection.check(strict, digests, case.inputs)
    assert verdict.is_invalid
    assert "no pixels" in verdict.reason


def test_pixels_outside_of_the_frame_are_refused(case: Case) -> None:
    """Of the second frame's window a column of tiles lies beyond the frame."""

    def fill(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile == 3:
            pixels[...] = 5
            variance[...] = 4000 if variance.dtype == np.int16 else 1.0

    with open_reprojection_output(case.output) as output:
        assert output.frames[0].counts[3] == 0
    assert "where the frame is not" in case.check(case.forged(fill))


def test_a_variance_without_a_value_is_refused(case: Case) -> None:
    def spoil(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile == 2:
            variance[0, 0] = 0 if variance.dtype == np.int16 else np.nan

    assert "cannot be" in case.check(case.forged(spoil))


def test_a_tile_that_is_not_its_digest_is_refused(case: Case, tmp_path: Path) -> None:
    with open_reprojection_output(case.output) as output:
        digest = output.frames[1].tile_digests[0].tobytes()
    data = case.output.read_bytes()
    assert data.count(digest) == 1
    path = tmp_path / "x.out"
    path.write_bytes(data.replace(digest, bytes(32)))
    assert "does not match its digest" in case.check(path)


def test_any_other_file_is_refused(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "x.out"
    for content in (b"", b"text", case.output.read_bytes()[:-5000]):
        path.write_bytes(content)
        assert case.check(path).startswith("invalid")


def shift(amount: float, n: int = 1) -> Change:
    """Change n pixels of tile 2 by parts of the noise, or by steps."""

    def change(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile != 2:
            return
        holds = ~np.isnan(pixels) if pixels.dtype.kind == "f" else pixels != -(2**31)
        at = tuple(np.argwhere(holds)[:n].T)
        pixels[at] += np.asarray(amount * 12.0 if pixels.dtype.kind == "f" else 1, pixels.dtype)

    return change


def test_a_pixel_off_by_a_hundredth_of_the_noise_is_another_image(case: Case) -> None:
    """And recomputing its tile says which of the two is right."""
    forged = case.forged(shift(0.01))
    assert case.check(forged).startswith("valid")
    for pair in ((forged, case.output), (case.output, forged)):
        verdict = reprojection.compare(case.unit, *pair)
        assert verdict.is_invalid
        assert "1 of " in verdict.reason
        assert "other values" in verdict.reason
    rng = np.random.default_rng(1)
    verdict = reprojection.audit(case.unit, forged, case.inputs, rng=rng, budget=1e9)
    assert verdict.is_invalid
    honest = reprojection.audit(case.unit, case.output, case.inputs, rng=rng, budget=1e9)
    assert honest.is_valid
    with open_reprojection_output(case.output) as output:
        assert honest.statistics["tiles"] == sum(f.tiling.n_tile for f in output.frames)


def test_rounding_of_float32_is_tolerated(tmp_path: Path) -> None:
    case = Case(tmp_path, output={"kind": "float"})
    verdict = reprojection.compare(case.unit, case.forged(shift(5e-4)), case.output)
    assert verdict.is_valid
    assert 0.0 < verdict.statistics["distance"] < 1e-3


def test_another_footprint_is_another_image(case: Case) -> None:
    def hole(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile != 2:
            return
        if pixels.dtype == np.int32:
            pixels[tuple(np.argwhere(pixels != -(2**31))[0])] = -(2**31)
        else:
            at = tuple(np.argwhere(~np.isnan(pixels))[0])
            pixels.view(np.uint32)[at] = variance.view(np.uint32)[at] = CANONICAL_NAN

    forged = case.forged(hole)
    assert case.check(forged).startswith("valid")
    verdict = reprojection.compare(case.unit, forged, case.output)
    assert verdict.is_invalid
    assert "footprint" in verdict.reason


def test_a_difference_from_digests_alone_needs_another_result(case: Case) -> None:
    digests = case.compute("stack_1")
    verdict = reprojection.compare(case.unit, digests, case.forged(shift(0.01)))
    assert verdict.kind == "inconclusive"
    assert "pixels are needed" in verdict.reason


def test_an_audit_finds_nobody_wrong_by_a_damaged_frame(case: Case, tmp_path: Path) -> None:
    """The server's disk may be at fault, and no other output is there to tell."""
    frame = next(name for name in case.inputs if "frame" in name)
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(case.inputs[frame].read_bytes()[:-1] + b"x")
    inputs = {**case.inputs, frame: damaged}
    rng = np.random.default_rng(3)
    with pytest.raises(UnitError, match=f"{frame} is not the one that was sent"):
        reprojection.audit(case.unit, case.output, inputs, rng=rng, budget=1e9)


def test_an_audit_keeps_to_its_budget_and_sees_false_digests(case: Case) -> None:
    digests = case.compute("stack_1")
    times = iter(range(100))
    verdict = reprojection.audit(
        case.unit,
        digests,
        case.inputs,
        rng=np.random.default_rng(2),
        budget=4.5,  # one second before the first tile, and one for each: a fourth would make 5
        cpu=lambda: float(next(times)),
    )
    assert verdict.is_valid
    assert verdict.statistics["tiles"] == 3.0
    with open_reprojection_output(digests) as output:
        known = [row.tobytes() for one in output.frames for row in one.tile_digests]
    data = digests.read_bytes()
    for digest in known:
        data = data.replace(digest, bytes(32))
    digests.write_bytes(data)
    verdict = reprojection.audit(
        case.unit, digests, case.inputs, rng=np.random.default_rng(2), budget=0.0
    )
    assert verdict.is_invalid


def test_credit_is_for_counted_pixels(case: Case) -> None:
    with open_reprojection_output(case.output) as output:
        n_pixel = output.n_pixel
    assert 0 < n_pixel < 2 * 210 * 150
    expected = cobblestones(credit_flop("lanczos3", n_pixel))
    assert reprojection.credit(case.unit, case.output) == pytest.approx(expected)
    assert credit_flop("lanczos3", 1) > credit_flop("cubic", 1) > credit_flop("bilinear", 1)


def test_a_unit_that_cannot_be_read_is_nobodys_fault(case: Case) -> None:
    broken = Unit("reprojection", 100, "x", 1, 0, 0, {"grid": 5}, {})
    found = decide(
        broken,
        {0: case.output},
        min_quorum=1,
        app=application.get("reprojection").judging(),
        inputs=case.inputs,
    )
    assert found.canonical is None
    assert not found.failed
