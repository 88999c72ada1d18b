"""The grid of a campaign whose file states none: that of its best frame, or of the union of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from apps.images.plan.look import Reader, Seen, look
from apps.images.plan.pack import image_of
from apps.images.plan.sky.reference import cards_of, check_size, choose, plain_grid
from apps.images.plan.sky.solution import read_solution
from apps.images.plan.sky.union import UNION, union_grid
from apps.images.plan.sky.window import coverage
from boinc_project.parallel import parallel_map

_SURVEYED = 50
"""Frames that are looked at to choose a reference; of more, so many at equal distances."""


def surveyed(images: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those of a campaign's images that are looked at to choose a reference."""
    if len(images) <= _SURVEYED:
        return list(images)
    chosen = np.linspace(0, len(images) - 1, _SURVEYED).round().astype(int)
    return [images[number] for number in chosen]


def choose_grid(
    images: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    reader: Reader,
    done: Callable[[], None],
    jobs: int,
) -> tuple[dict[str, Any], str]:
    """Return the grid of the best image, and that image's name.

    Parameters
    ----------
    images : Sequence[Mapping]
        See `surveyed`.
    settings : Mapping
        The campaign's.
    reader : Reader
        Reads the images.
    done : Callable
        Called after each image.
    jobs : int
        Images that are looked at at once.

    Raises
    ------
    InputError
        If an image cannot be used, or the grid would be too large.
    """

    def seen_of(stated: Mapping[str, Any]) -> Seen:
        frame = reader.read(stated)
        return look(frame, settings, reader.shipped, read_solution(frame.image))

    looks = []
    for seen in parallel_map(seen_of, images, jobs):
        looks.append(seen)
        done()
    solutions = [seen.solution for seen in looks]
    widths = [seen.seeing for seen in looks]
    if settings.get("cover") == UNION:
        best = choose([1.0] * len(looks), widths)
        every = [read_solution(image_of(stated)) for stated in settings["images"]]
        header, nx, ny = union_grid(solutions[best], every)
        name = f"all images, with the scale of {images[best]['name']}"
        return {"nx": nx, "ny": ny, "cards": cards_of(header)}, name
    coverages = [
        math.fsum(coverage(solution, other) for other in solutions) / len(solutions)
        for solution in solutions
    ]
    best = choose(coverages, widths)
    solution = solutions[best]
    check_size(solution.nx, solution.ny, solution.label)
    cards = cards_of(plain_grid(solution))
    return {"nx": solution.nx, "ny": solution.ny, "cards": cards}, str(images[best]["name"])
