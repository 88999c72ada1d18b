"""Two images that disagree: which of them is wrong, by the tiles that they disagree about."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.compute.built import load_kernel
from apps.images.output import open_reprojection_output
from apps.images.validate import referee as reprojection_referee
from apps.images.validate.referee import MOST_RECOMPUTED, referee
from boinc_project import application
from boinc_project.errors import UnitError
from boinc_project.states import ValidateState
from tests.unit.apps.images.validate.reprojection_case import Case, Change
from validator.quorum import Decision, decide

pytestmark = pytest.mark.skipif(load_kernel() is None, reason="the kernel was not built")

OUTPUTS = {"steps": {"kind": "steps", "step_sigma": 0.25}, "float": {"kind": "float"}}


@pytest.fixture(scope="module", params=OUTPUTS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    directory = tmp_path_factory.mktemp(str(request.param))
    return Case(directory, output=OUTPUTS[request.param], window=(210, 150))


def bright(*tiles: int, amount: float = 3.0) -> Change:
    """Make a pixel of some tiles brighter, by so much of the noise, or so many steps."""

    def change(tile: int, pixels: np.ndarray, variance: np.ndarray) -> None:
        if tile in tiles:
            holds = ~np.isnan(pixels) if pixels.dtype.kind == "f" else pixels != -(2**31)
            at = tuple(np.argwhere(holds)[0])
            pixels[at] += np.asarray(amount * (12.0 if pixels.dtype.kind == "f" else 4.0)).astype(
                pixels.dtype
            )

    return change


def forged(case: Case, name: str, *tiles: int, **options: Any) -> Path:
    path = case.directory / name
    shutil.move(case.forged(bright(*tiles, **options)), path)
    return path


def judge(case: Case, *paths: Path, **options: Any) -> Decision:
    return decide(
        case.unit,
        dict(enumerate(paths)),
        min_quorum=2,
        app=application.get("reprojection").judging(),
        inputs=options.pop("inputs", case.inputs),
        **options,
    )


def test_a_wrong_tile_is_named_and_the_other_output_stands(case: Case) -> None:
    wrong = forged(case, "wrong", 2)
    for order in ((wrong, case.output), (case.output, wrong)):
        found = judge(case, *order)
        right = order.index(case.output)
        assert found.canonical == right
        assert found.states == {right: ValidateState.VALID, 1 - right: ValidateState.INVALID}
        assert found.reasons[1 - right] == (
            "Computed again, of night0.fits tile 2 has other values."
        )
        assert found.reasons[right] == (
            "1 of 1 tiles that differ from another result's were computed again, and are right."
        )
        assert found.failed == {1 - right}


def test_two_that_are_wrong_in_other_tiles_are_both_out(case: Case) -> None:
    found = judge(case, forged(case, "a", 1), forged(case, "b", 5))
    assert found.canonical is None
    assert found.reasons == {
        0: "Computed again, of night0.fits tile 1 has other values.",
        1: "Computed again, of night0.fits tile 5 has other values.",
    }
    assert found.failed == {0, 1}


def test_the_same_wrong_tile_twice_is_out_twice(case: Case) -> None:
    """Who has agreed beforehand is a majority here, and wrong nevertheless."""
    found = judge(case, forged(case, "a", 2), forged(case, "b", 2), case.output)
    assert found.canonical == 2
    assert found.failed == {0, 1}


def test_more_tiles_than_one_looks_at_find_the_wrong_one_and_confirm_nobody(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reprojection_referee, "MOST_RECOMPUTED", 2)
    found = judge(case, forged(case, "wrong", 1, 2, 5), case.output)
    assert found.canonical is None
    assert found.states == {0: ValidateState.INVALID, 1: ValidateState.INCONCLUSIVE}
    first, second = referee(case.unit, case.output, case.directory / "wrong", case.inputs)
    assert first.kind == "inconclusive"
    assert first.reason.startswith("2 of 3 tiles that differ")
    assert second.is_invalid


def test_tiles_are_spread_over_all_that_differ() -> None:
    places = [(0, tile) for tile in range(100)]
    chosen = reprojection_referee._spread(places)
    assert len(set(chosen)) == MOST_RECOMPUTED
    assert (chosen[0], chosen[-1]) == ((0, 0), (0, 99))


def test_a_false_digest_without_pixels_is_found(case: Case) -> None:
    digests = case.compute("stack_1")
    with open_reprojection_output(digests) as output:
        known = output.frames[1].tile_digests[5].tobytes()
    false = case.directory / "false"
    false.write_bytes(digests.read_bytes().replace(known, bytes(32)))
    found = judge(case, case.output, false)
    assert found.canonical == 0
    assert found.reasons[1] == "Tile 5 of night1.fits has another digest when computed again."
    # The other way round there is nobody to stand: another result brings the pixels.
    found = judge(case, digests, forged(case, "wrong", 2))
    assert found.canonical is None
    assert found.states == {0: ValidateState.INCONCLUSIVE, 1: ValidateState.INVALID}


def test_from_damaged_inputs_nobody_is_found_wrong(case: Case, tmp_path: Path) -> None:
    wrong = forged(case, "wrong", 2)
    path = tmp_path / "frame_00.fits"
    data = bytearray(case.inputs["frame_00.fits"].read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    lacking = {name: path for name, path in case.inputs.items() if name != "kernel.fits"}
    for inputs in ({**case.inputs, "frame_00.fits": path}, lacking):
        with pytest.raises(UnitError, match="is not the one that was sent"):
            referee(case.unit, wrong, case.output, inputs)
    verdicts = referee(
        case.unit, wrong, case.output, {**case.inputs, "frame_01.fits": path}
    )  # not needed for the tile in question
    assert [verdict.kind for verdict in verdicts] == ["invalid", "valid"]


def test_outputs_that_are_not_of_the_unit_are_not_settled(case: Case) -> None:
    other = case.directory / "other"
    other.write_bytes(case.output.read_bytes().replace(case.unit.digest.encode(), b"0" * 64))
    first, second = referee(case.unit, other, case.output, case.inputs)
    assert first.kind == second.kind == "inconclusive"


def test_a_value_between_the_two_leaves_both_right(tmp_path: Path) -> None:
    """They differ by more than the tolerance, and from the truth by less."""
    case = Case(tmp_path, output={"kind": "float"})
    low, high = forged(case, "low", 2, amount=-7e-4), forged(case, "high", 2, amount=7e-4)
    found = judge(case, low, high)
    assert found.comparisons[0, 1].is_invalid
    assert found.canonical == 0
    assert set(found.states.values()) == {ValidateState.VALID}
