"""The section [reference] of a campaign file, and which images lie on its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.images.plan.choices import one_of
from apps.images.plan.image_list import Listed, read_extension
from apps.images.plan.image_selection import one_field
from apps.images.plan.remarks import Remarks, some
from apps.images.plan.sky.reference import cards_of, check_size, grid_of, read_grid
from apps.images.plan.sky.solution import Solution, read_solution
from apps.images.plan.sky.union import UNION
from apps.images.plan.sky.window import find_window
from boinc_project.errors import InputError
from boinc_project.toml_source import TomlTable

REFERENCE_KEYS = ("choose", "image", "header", "extension", "grid")
COVERS = ("frame", UNION)


def read_reference(root: TomlTable, directory: Path) -> dict[str, Any] | None:
    """Return the grid that is stated; None if it is to be chosen."""
    table = root.table(
        "reference",
        REFERENCE_KEYS,
        example="[reference] with choose = true",
    )
    stated = [key for key in ("image", "header") if key in table]
    choose = table.boolean("choose", default="grid" in table and not stated)
    if len(stated) + choose != 1:
        table.fail(
            None, 'write one of choose = true, image = "reference.fits" or header = "grid.hdr"'
        )
    if choose:
        return None
    (key,) = stated
    path = directory / table.text(key, example="reference.fits")
    extension = read_extension(table)
    try:
        header, nx, ny = read_grid(path, extension)
        check_size(nx, ny, str(path))
    except InputError as error:
        table.fail(key, error.message.rstrip("."))
    return {"nx": nx, "ny": ny, "cards": cards_of(header)}


def read_cover(root: TomlTable) -> str:
    """Return what a grid that is chosen covers: the best frame, or the union of all."""
    table = root.table("reference", REFERENCE_KEYS, example="[reference] with choose = true")
    cover = one_of(table, "grid", COVERS)
    if "grid" in table and ("image" in table or "header" in table):
        table.fail("grid", "grid says what a chosen grid covers: remove it, or write choose = true")
    return cover


def read_solutions(
    table: TomlTable, listed: Sequence[Listed], numbers: Sequence[int]
) -> dict[int, Solution]:
    """Return world coordinates of the images of some numbers."""
    try:
        return {number: read_solution(listed[number].image) for number in numbers}
    except InputError as error:
        table.fail("files", error.message.rstrip("."))


def overlapping(
    table: TomlTable,
    listed: Sequence[Listed],
    solutions: Mapping[int, Solution],
    stated: Mapping[str, Any] | None,
    remarks: Remarks,
) -> list[int]:
    """Return the numbers of the images that lie on the grid, or in the field that most show."""
    numbers = list(solutions)
    if stated is None:
        field = one_field(list(solutions.values()))
        if field is None:
            table.fail(
                "files",
                "the images are of several fields, none of which has most of them: name those of "
                "one field, or a reference",
            )
        inside, where = {numbers[place] for place in field}, "the field of the others"
    else:
        grid = grid_of(stated["cards"], stated["nx"], stated["ny"], "the reference")
        inside = {
            number
            for number, solution in solutions.items()
            if find_window(grid, solution) is not None
        }
        where = "the reference"
    if not inside:
        table.fail("files", "none of the images overlaps with the reference: name another one")
    outside = [listed[number].name for number in numbers if number not in inside]
    if outside and not table.boolean("skip_outside", default=True):
        table.fail(
            "files",
            f"{len(outside)} of {len(numbers)} images do not overlap with {where} "
            f"({some(outside)}): leave them out, or write skip_outside = true",
        )
    if outside:
        remarks.add(f"It is left out, because it does not overlap with {where}.", *outside)
    return [number for number in numbers if number in inside]
