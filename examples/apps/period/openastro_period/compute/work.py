"""The work of a unit as a row of short steps, whose results are its checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from boinc_project.errors import CorruptCheckpoint
from boinc_project.unit import canonical_json
from openastro_period.compute.bootstrap import resampled, target_key
from openastro_period.compute.engine import Engine
from openastro_period.compute.peaks import highest, outline, rounded
from openastro_period.compute.transits import best_of_block
from openastro_period.curves import LightCurve
from openastro_period.settings import Search

N_WINDOW = 5
"""Peaks of the window function that are told."""


class Step(NamedTuple):
    """A step: what is computed, of which targets, from which number on, and how many."""

    kind: str
    targets: tuple[int, ...]
    first: int = 0
    number: int = 0


def steps(curves: Sequence[LightCurve], search: Search, batch: int) -> list[Step]:
    """Return all steps of a unit.

    Targets with the same times are transformed together. The row depends on nothing but the unit,
    because a batch of another size may round otherwise.
    """
    alike: dict[bytes, list[int]] = {}
    for number, curve in enumerate(curves):
        alike.setdefault(curve.sampling, []).append(number)
    row = [
        Step("spectra", tuple(numbers[start : start + batch]))
        for numbers in alike.values()
        for start in range(0, len(numbers), batch)
    ]
    for number, curve in enumerate(curves):
        row += [
            Step("bootstrap", (number,), first, min(batch, search.bootstrap - first))
            for first in range(0, search.bootstrap, batch)
        ]
        blocks = search.transits.blocks(curve) if search.transits else 0
        row += [Step("transits", (number,), block) for block in range(blocks)]
    return row


class PeriodWork:
    """The work of a unit; see `apps.runtime.run_loop.Work`.

    Parameters
    ----------
    curves : Sequence of LightCurve
        Of the unit's targets.
    search : Search
        What is searched.
    seed : numpy.random.SeedSequence
        The unit's.
    poll : Callable
        Asks the client whether to go on.
    """

    def __init__(
        self,
        curves: Sequence[LightCurve],
        search: Search,
        seed: np.random.SeedSequence,
        poll: Callable[[], None],
    ) -> None:
        self.curves, self.search, self.seed, self.poll = curves, search, seed, poll
        self.engine = Engine(search.grid, search.n_terms, poll)
        self.steps = steps(curves, search, self.engine.batch)
        self.results: list[Any] = []

    @property
    def is_complete(self) -> bool:
        """Whether no step is left."""
        return len(self.results) == len(self.steps)

    @property
    def fraction(self) -> float:
        """The part of the steps that is done."""
        return len(self.results) / max(1, len(self.steps))

    def advance(self) -> None:
        """Do one step."""
        step = self.steps[len(self.results)]
        self.poll()
        done = {
            "spectra": self.spectra, "bootstrap": self.bootstrap, "transits": self.transits,
        }  # fmt: skip
        self.results.append(done[step.kind](step))

    def to_bytes(self) -> bytes:
        """Return the results so far."""
        return canonical_json(self.results)

    def resume(self, data: bytes) -> None:
        """Go on from stored results.

        Raises
        ------
        CorruptCheckpoint
            If they are not those of this unit.
        """
        try:
            results = json.loads(data)
        except ValueError:
            raise CorruptCheckpoint from None
        if not isinstance(results, list) or len(results) > len(self.steps):
            raise CorruptCheckpoint
        self.results = results

    def targets(self) -> list[dict[str, Any]]:
        """Return what is found of each target, in their order."""
        merged: list[dict[str, Any]] = [
            {"name": curve.name, "bootstrap": [], "transits": None} for curve in self.curves
        ]
        for step, result in zip(self.steps, self.results, strict=True):
            for number, entry in zip(step.targets, result, strict=True):
                if step.kind == "spectra":
                    merged[number].update(entry)
                elif step.kind == "bootstrap":
                    merged[number]["bootstrap"] += entry
                else:
                    best = merged[number]["transits"]
                    merged[number]["transits"] = entry if best is None else max(best, entry)
        return merged

    def spectra(self, step: Step) -> list[dict[str, Any]]:
        """Return peaks, outline and peaks of the window function of targets of one sampling."""
        chosen = [self.curves[number] for number in step.targets]
        values = np.array([curve.value for curve in chosen])
        errors = np.array([curve.error for curve in chosen])
        powers, windows = self.engine.spectra(chosen[0], values, errors, window=True)
        apart = self.search.grid.oversampling
        return [
            {
                "peaks": highest(power, apart),
                "outline": outline(power),
                "window": highest(window, apart, N_WINDOW),
            }
            for power, window in zip(powers, windows, strict=True)
        ]

    def bootstrap(self, step: Step) -> list[list[float]]:
        """Return the highest powers of some resampled light curves of one target."""
        number = step.targets[0]
        curve = self.curves[number]
        values, errors = resampled(curve, target_key(self.seed, number), step.first, step.number)
        best = self.engine.powers(curve, values, errors).max(axis=1)
        return [[rounded(power) for power in best.tolist()]]

    def transits(self, step: Step) -> list[list[float]]:
        """Return the best box of one target in one block of periods."""
        if self.search.transits is None:
            raise AssertionError("a step of transits without a search for them")
        return [best_of_block(self.curves[step.targets[0]], self.search.transits, step.first)]
