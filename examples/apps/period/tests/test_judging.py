"""`check` and `compare` judge outputs that are right, forged, or from another processor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boinc_project.unit import canonical_json
from boinc_project.verdict import Verdict
from openastro_period.application import Period
from openastro_period.example import write_example
from openastro_period.output import Result, read_output
from openastro_period.validate.compare import TOLERANCE, difference

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def judged(tmp_path: Path, compute: Callable[..., Any]) -> Callable[[Change], Verdict]:
    """Return a function that changes the first target of an output, and has it checked."""
    (tmp_path / "example").mkdir()
    file = write_example(tmp_path / "example")
    file.write_text(
        file.read_text("utf-8").replace("bootstrap = 200", "bootstrap = 20\nfalse_alarm = 0.05"),
        "utf-8",
    )
    made = compute(file)
    unit, path = made.units[0], made.outputs[0].path

    def check(change: Change) -> Verdict:
        value = json.loads(path.read_bytes())
        change(value)
        forged = path.with_name("forged.json")
        forged.write_bytes(canonical_json(value))
        return made.app.check(unit, forged, made.inputs(unit))

    return check


def test_what_was_computed_is_right(judged: Callable[[Change], Verdict]) -> None:
    verdict = judged(lambda value: None)
    assert verdict.is_valid
    assert verdict.statistics["difference"] < 1e-8


def _other_best(value: dict[str, Any]) -> None:
    entry = value["targets"][0]
    entry["peaks"] = [entry["peaks"][0], *entry["peaks"][2:]]
    entry["peaks"][0][0] += 3


def _higher(value: dict[str, Any]) -> None:
    entry = value["targets"][0]
    best = entry["peaks"][0][1]
    entry["peaks"][0][1] = best + 1e-3
    entry["outline"] = [best + 1e-3 if power == best else power for power in entry["outline"]]


def _another_name(value: dict[str, Any]) -> None:
    value["targets"][0]["name"] = "another"


def _fewer(value: dict[str, Any]) -> None:
    value["targets"][0]["bootstrap"].pop()


def _boxes(value: dict[str, Any]) -> None:
    value["targets"][0]["transits"] = [1.0] * 6


def _all_bootstraps(value: dict[str, Any]) -> None:
    for entry in value["targets"]:
        entry["bootstrap"] = [0.01] * len(entry["bootstrap"])


def _all_spectra(value: dict[str, Any]) -> None:
    for entry in value["targets"]:
        best = entry["peaks"][0][1]
        entry["outline"] = [power if power == best else 0.5 * power for power in entry["outline"]]


def _all_windows(value: dict[str, Any]) -> None:
    for entry in value["targets"]:
        entry["window"] = []


def _off_grid(value: dict[str, Any]) -> None:
    value["targets"][0]["peaks"][3][0] = 10**9


def _not_a_number(value: dict[str, Any]) -> None:
    value["targets"][0]["peaks"][3][1] = True


@pytest.mark.parametrize(
    "change",
    [
        _other_best, _higher, _another_name, _fewer, _boxes, _all_bootstraps, _all_spectra,
        _all_windows, _off_grid, _not_a_number,
    ],
)  # fmt: skip
def test_forged_outputs_are_refused(judged: Callable[[Change], Verdict], change: Change) -> None:
    verdict = judged(change)
    assert verdict.is_invalid, verdict
    assert verdict.reason.endswith(".")


def result(**changes: Any) -> Result:
    entries: dict[str, Any] = {
        "name": "star",
        "peaks": ((100, 0.8), (200, 0.4)),
        "window": ((50, 0.3),),
        "outline": (0.8, 0.4),
        "bootstrap": (0.1, 0.2),
        "transits": None,
    }
    return Result(**{**entries, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"peaks": ((101, 0.8), (200, 0.4))},
        {"peaks": ((100, 0.8 + 3 * TOLERANCE), (200, 0.4))},
        {"peaks": ((100, float("nan")), (200, 0.4))},
        {"peaks": ((100, 0.8),)},
        {"bootstrap": (0.1, 0.2 + 3 * TOLERANCE)},
        {"bootstrap": (0.1, float("nan"))},
        {"outline": (0.8, 0.4, 0.1)},
        {"window": ()},
        {"transits": (1.0,) * 6},
    ],
)
def test_results_that_differ_do_not_agree(changes: dict[str, Any]) -> None:
    assert difference(result(), result(**changes))
    assert difference(result(**changes), result())


def test_powers_may_differ_as_processors_do() -> None:
    near = TOLERANCE / 3
    other = result(peaks=((100, 0.8 - near), (200, 0.4)), bootstrap=(0.1 + near, 0.2))
    assert difference(result(), other) == ""


def test_best_peaks_may_differ_only_if_they_tie() -> None:
    near = TOLERANCE / 3
    one = result(peaks=((100, 0.8), (200, 0.8 - near)))
    two = result(peaks=((200, 0.8), (100, 0.8 - near)))
    assert difference(one, two) == ""
    unknown = result(peaks=((300, 0.8), (100, 0.8 - near)))
    assert difference(one, unknown) == "star has another best frequency."


def test_an_output_that_cannot_be_read_agrees_with_nothing(
    tmp_path: Path, compute: Callable[..., Any]
) -> None:
    (tmp_path / "example").mkdir()
    file = write_example(tmp_path / "example")
    file.write_text(file.read_text("utf-8").replace("bootstrap = 200", "bootstrap = 0"), "utf-8")
    made = compute(file)
    path = made.outputs[0].path
    assert made.app.compare(made.units[0], path, path).is_valid
    (tmp_path / "none.json").write_bytes(b"{}")
    verdict = Period().compare(made.units[0], path, tmp_path / "none.json")
    assert not verdict.is_valid
    assert len(read_output(made.units[0], path)) == 2
