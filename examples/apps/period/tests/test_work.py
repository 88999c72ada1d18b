"""The work of a unit: interrupted anywhere, it has the same results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from boinc_project.errors import CorruptCheckpoint
from openastro_period.compute.peaks import highest, outline
from openastro_period.compute.transits import Transits
from openastro_period.compute.work import PeriodWork
from openastro_period.curves import LightCurve
from openastro_period.grid import Grid, grid_between
from openastro_period.settings import Search

Simulate = Callable[..., LightCurve]


def work_of(curves: list[LightCurve]) -> PeriodWork:
    transits = Transits(Grid(0.2, 0.0005, 1600, 1), (0.1, 0.2), True)
    search = Search(grid_between(0.1, 5.0, 40.0, 5), 1, 40, transits)
    return PeriodWork(curves, search, np.random.SeedSequence(3, spawn_key=(0, 0)), lambda: None)


def test_it_goes_on_from_any_checkpoint(simulate: Simulate) -> None:
    rng = np.random.default_rng(1)
    curves = [simulate(rng, n=40, span=40.0, amplitude=1.0) for _ in range(3)]
    # Two at the same times are transformed together.
    curves[2] = LightCurve("c", curves[0].time, -curves[0].value, curves[0].error, curves[0].band)
    whole = work_of(curves)
    states = []
    while not whole.is_complete:
        states.append(whole.to_bytes())
        whole.advance()
    assert [step.kind for step in whole.steps].count("spectra") == 2
    for state in states[:: max(1, len(states) // 8)]:
        again = work_of(curves)
        again.resume(state)
        while not again.is_complete:
            again.advance()
        assert again.to_bytes() == whole.to_bytes()
        assert again.targets() == whole.targets()
    assert whole.fraction == 1.0


@pytest.mark.parametrize("state", [b"", b"{}", b"[" + b"0," * 999 + b"0]"])
def test_a_checkpoint_of_other_work_is_refused(simulate: Simulate, state: bytes) -> None:
    with pytest.raises(CorruptCheckpoint):
        work_of([simulate(np.random.default_rng(2), n=20, span=40.0)]).resume(state)


def test_peaks_are_local_maxima_apart_from_each_other() -> None:
    power = np.array([0.5, 0.1, 0.4, 0.3, 0.2, 0.9, 0.85, 0.1, 0.6, 0.7])
    assert highest(power, 1) == [[5, 0.9], [9, 0.7], [0, 0.5], [2, 0.4]]
    assert highest(power, 4, 2) == [[5, 0.9], [0, 0.5]]


def test_the_peaks_of_a_long_spectrum_are_those_of_all_its_maxima() -> None:
    power = np.round(np.random.default_rng(4).random(5000), 3)
    best: list[int] = []
    for place in np.argsort(-power, kind="stable").tolist():
        is_top = power[place] >= max(power[max(0, place - 1) : place + 2])
        if is_top and all(abs(place - other) > 7 for other in best):
            best.append(place)
    assert [place for place, _ in highest(power, 7)] == best[:10]


def test_a_spectrum_without_power_has_its_first_place_alone() -> None:
    assert highest(np.zeros(9), 1) == [[0, 0.0]]
    assert highest(np.array([0.0, 0.0, 0.2, 0.0]), 1) == [[2, 0.2]]


def test_an_outline_has_the_highest_power(simulate: Simulate) -> None:
    power = np.random.default_rng(3).random(10_001)
    made = outline(power)
    assert len(made) == 512
    assert max(made) == round(power.max(), 9)
    assert outline(power[:7]) == [round(value, 9) for value in power[:7].tolist()]
