"""The sections of a campaign file that are about images, and the settings they become.

Only headers are read here, and each file once for its digest; pixels are looked at when the
campaign is prepared.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from boinc_project.campaign import StopRule
from boinc_project.errors import InputError
from boinc_project.reprojection_limits import MAX_FRAMES
from boinc_project.unit import canonical_json, file_digest
from work_generator.image_list import PLANES, Listed, list_images, read_extension, read_planes
from work_generator.image_selection import group_filters, one_field, without_copies
from work_generator.photometry_table import read_photometry
from work_generator.remarks import Remarks, some
from work_generator.reprojection_astrometry import ASTROMETRY, CATALOGUE
from work_generator.sky.brightness import is_brightness
from work_generator.sky.gain import electrons_per_count
from work_generator.sky.reference import cards_of, check_size, grid_of, read_grid
from work_generator.sky.sections import sky_section
from work_generator.sky.solution import Solution, read_solution
from work_generator.sky.union import UNION
from work_generator.sky.window import find_window
from work_generator.toml_source import TomlTable

SECTIONS = ("images", "calibration", "reference", "reproject", "coadd", "photometry")
METHODS = ("lanczos3", "bilinear", "cubic", "area", "drizzle", "reproject")
SURFACE_BRIGHTNESS = "surface_brightness"
FLUX = ("conserve", SURFACE_BRIGHTNESS)
OUTPUTS = ("steps", "float")
BACKGROUNDS = ("plane", "none", "offset", "quadratic")
COADD_CLIPS = ("noise", "scatter")
COADD_FLUX = ("stars", "none")
FILTERS = ("apart", "together")
COADD_KEYS = (
    "clip", "sigma", "iterations", "background", "flux", "reference", "filters", "catalogue",
)  # fmt: skip
REFERENCE_KEYS = ("choose", "image", "header", "extension", "grid")
COVERS = ("frame", UNION)
CALIBRATION = ("bias", "dark", "flat")
FRAMES_FILE = "frames.json"
"""Which files a campaign is made of, and their digests; not sent to anybody."""

_REPROJECT_KEYS = (
    "method", "pixfrac", "flux", "tile", "output", "step_sigma", "frames_per_unit", "digest_only",
)  # fmt: skip
_LEAST_PIXFRAC = 0.01
"""Of smaller drops hardly any grid pixel meets one."""
UNIT_BYTES = 75_000_000
"""Bytes of pixels that a unit downloads if the file does not say how many frames it has: a minute
at 10 Mbit/s. More frames a unit save requests to the scheduler, and cost more when one is lost."""
MOST_BY_DEFAULT = 16
_PACKED = 0.55
"""Part of a camera's bytes that is left after lossless compression; KERNELS: 15.6 of 33.6 MB."""
IMAGE_KEYS = (
    "files", "extension", "mask", "weight", "variance", "error", "gain", "read_noise", "saturation",
    "noise", "skip_outside", "colour", "filter", "blank",
    "astrometry",
)  # fmt: skip


def read_sections(root: TomlTable, directory: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read images, calibration, reference, reproject and coadd.

    Parameters
    ----------
    root : TomlTable
        The whole campaign file.
    directory : Path
        Its directory: paths are relative to it.

    Returns
    -------
    settings : dict
        `Campaign.settings`; `work_generator.reprojection.prepare` completes them.
    inputs : dict
        ``frames.json``: the files and their digests.

    Raises
    ------
    InputError
        See `work_generator.campaign_file.load_campaign`.
    """
    table = root.table("images", IMAGE_KEYS, example='[images] with files = ["night/*.fits"]')
    remarks = Remarks()
    digest = functools.cache(file_digest)
    every = list_images(table, directory, remarks)
    planes = read_planes(table, directory, every)
    grid = _reference(root, directory)
    cover = _cover(root)
    try:
        unlike = without_copies(every, remarks, digest)
    except InputError as error:
        table.fail("files", error.message.rstrip("."))
    solutions = _solutions(table, every, unlike)
    # A union has all images, wherever they are.
    chosen = unlike if cover == UNION else _overlapping(table, every, solutions, grid, remarks)
    listed = [every[number] for number in chosen]
    coadd = _coadd(root, {entry.name for entry in listed})
    filters = group_filters(listed, remarks, together="filters" in coadd)
    settings: dict[str, Any] = {
        "images": [
            {
                **_stated(entry),
                "filter": name,
                **{plane: planes[plane][number] for plane in planes},
            }
            for number, entry, name in zip(chosen, listed, filters, strict=True)
        ],
        "ccd": _ccd(table),
        "blank": table.number("blank") if "blank" in table else None,
        "astrometry": _astrometry(table, root),
        "grid": grid,
        "cover": cover,
        "skip_outside": table.boolean("skip_outside", default=True),
        "calibration": _calibration(root, directory),
        **_reproject(root, listed),
        "coadd": coadd,
        "catalogue": root.optional_table("coadd", COADD_KEYS).boolean("catalogue", default=True),
    }
    for entry in listed:
        for sentence in _looks(entry, settings):
            remarks.add(sentence, entry.name)
    if "read_noise" in settings["ccd"]:
        remarks.add("read_noise changes nothing, because it is part of the noise that is measured.")
    settings["remarks"] = remarks.lines()
    stars = read_photometry(root, directory, [solutions[number] for number in chosen])
    return settings, {FRAMES_FILE: _files(settings, digest), **stars}


def _files(settings: Mapping[str, Any], digest: Callable[[Path], str]) -> bytes:
    """Return ``frames.json``."""
    frames = [
        {
            "name": stated["name"],
            "hdu": stated["hdu"],
            "sha256": digest(Path(stated["path"])),
            **{plane: digest(Path(stated[plane]["path"])) for plane in PLANES if plane in stated},
        }
        for stated in settings["images"]
    ]
    masters = {name: file_digest(Path(path)) for name, path in settings["calibration"].items()}
    return canonical_json({"frames": frames, "calibration": masters})


def read_stop(root: TomlTable, max_units: int) -> StopRule:
    """Return the rule that all units are done: a campaign of images has no other."""
    if "stop" in root:
        root.fail("stop", "a campaign of images ends when all are done: remove the section [stop]")
    return StopRule(max_units=max_units, all_units=True)


def _reference(root: TomlTable, directory: Path) -> dict[str, Any] | None:
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


def _cover(root: TomlTable) -> str:
    """Return what a grid that is chosen covers: the best frame, or the union of all."""
    table = root.table("reference", REFERENCE_KEYS, example="[reference] with choose = true")
    cover = one_of(table, "grid", COVERS)
    if "grid" in table and ("image" in table or "header" in table):
        table.fail("grid", "grid says what a chosen grid covers: remove it, or write choose = true")
    return cover


def _stated(entry: Listed) -> dict[str, Any]:
    """Return where an image is, as plain values."""
    stated = {"path": str(entry.whole.path), "hdu": entry.whole.hdu, "name": entry.name}
    return stated if entry.part is None else {**stated, "part": entry.part.plain()}


def _looks(entry: Listed, settings: Mapping[str, Any]) -> list[str]:
    """Return what else there is to say of an image, from its header."""
    said = [sky_section(entry.whole)[1]]
    gain = settings["ccd"].get("gain")
    if isinstance(gain, str):
        said.append(electrons_per_count(entry.image, gain)[1])
    done = str(entry.image.keyword("CALSTAT") or "").upper()
    again = [name for name in settings["calibration"] if name[0].upper() in done]
    if again:
        said.append(
            f"CALSTAT says that it has been calibrated; {', '.join(again)} is applied again."
        )
    scaled = {"bias", "dark"} <= set(settings["calibration"])
    if scaled and not entry.seen.exposure_s:
        said.append("It does not say its exposure time; the dark is subtracted once.")
    return [sentence for sentence in said if sentence]


def _solutions(
    table: TomlTable, listed: Sequence[Listed], numbers: Sequence[int]
) -> dict[int, Solution]:
    """Return world coordinates of the images of some numbers."""
    try:
        return {number: read_solution(listed[number].image) for number in numbers}
    except InputError as error:
        table.fail("files", error.message.rstrip("."))


def _overlapping(
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


def _ccd(table: TomlTable) -> dict[str, Any]:
    """Return what is stated of the camera: numbers, or keywords of headers."""
    ccd: dict[str, Any] = {}
    for key in ("gain", "read_noise", "saturation", "noise"):
        if key not in table:
            continue
        value = table.values[key]
        if isinstance(value, str) and key != "noise":
            if not 1 <= len(value) <= 8:
                table.fail(key, f'{key} must be a number or a keyword: write {key} = "GAIN"')
            ccd[key] = value.upper()
        elif key == "read_noise":
            number = table.number(key)
            if number < 0:
                table.fail(key, f"read_noise = {number:g} is negative: write 0 or more electrons")
            ccd[key] = number
        else:
            ccd[key] = table.positive(key)
    if ("read_noise" in ccd) and "gain" not in ccd:
        table.fail("read_noise", "read_noise is in electrons and needs gain: write gain, too")
    return ccd


def _calibration(root: TomlTable, directory: Path) -> dict[str, str]:
    table = root.optional_table("calibration", CALIBRATION)
    paths = {}
    for key in CALIBRATION:
        if key in table:
            path = directory / table.text(key, example=f"master-{key}.fits")
            if not path.is_file():
                table.fail(key, f"the file {path} does not exist: write its path relative to this")
            paths[key] = str(path)
    return paths


def _reproject(root: TomlTable, listed: list[Listed]) -> dict[str, Any]:
    table = root.optional_table("reproject", _REPROJECT_KEYS)
    method = one_of(table, "method", METHODS)
    output = one_of(table, "output", OUTPUTS)
    if method == "drizzle":  # weighs each pixel by its own variance, which steps share
        if output == "steps" and "output" in table:
            table.fail("output", 'drizzle needs a variance of each pixel: write output = "float"')
        output = "float"
    told: dict[str, Any] = {"kind": output}
    if output == "steps":
        told["step_sigma"] = table.positive("step_sigma", default=0.25)
        if not 0.01 <= told["step_sigma"] <= 2:
            table.fail(
                "step_sigma",
                f"step_sigma = {told['step_sigma']:g} is out of range: write 0.01 to 2",
            )
    elif "step_sigma" in table:
        table.fail("step_sigma", 'step_sigma is for output = "steps": remove it')
    tile = table.integer("tile", low=64, high=2048, default=256)
    if tile % 64:
        table.fail("tile", f"tile = {tile} must be a multiple of 64: write {tile // 64 * 64 or 64}")
    return {
        "method": method,
        "method_stated": "method" in table,
        "pixfrac": _pixfrac(table, method),
        "flux": _flux(table, listed),
        "tile": tile,
        "output": told,
        "frames_per_unit": table.integer(
            "frames_per_unit", low=1, high=MAX_FRAMES, default=_frames_per_unit(listed)
        ),
        "digest_only": table.boolean("digest_only", default=False),
    }


def _pixfrac(table: TomlTable, method: str) -> float:
    if "pixfrac" not in table:
        return 1.0
    if method != "drizzle":
        table.fail("pixfrac", 'pixfrac is for method = "drizzle": remove it')
    pixfrac = table.positive("pixfrac")
    if not _LEAST_PIXFRAC <= pixfrac <= 1:
        table.fail(
            "pixfrac", f"pixfrac = {pixfrac:g} is out of range: write {_LEAST_PIXFRAC:g} to 1"
        )
    return pixfrac


def _flux(table: TomlTable, listed: list[Listed]) -> str:
    """Return what is conserved: as stated, else as the units of the images ask for.

    Resampled as a flux, a surface brightness would be wrong by the ratio of the pixels' areas.
    """
    units = {entry.name: str(entry.image.keyword("BUNIT") or "") for entry in listed}
    bright = [name for name, unit in units.items() if is_brightness(unit)]
    if not bright:
        return one_of(table, "flux", FLUX)
    if "flux" not in table:
        fluxes = [name for name, unit in units.items() if is_brightness(unit) is False]
        if fluxes:
            table.fail(
                None,
                f"{bright[0]} is in {units[bright[0]]}, a surface brightness, and {fluxes[0]} in "
                f"{units[fluxes[0]]}, a flux: bring them to one unit, or make two campaigns",
            )
        return SURFACE_BRIGHTNESS
    flux = one_of(table, "flux", FLUX)
    if flux != SURFACE_BRIGHTNESS:
        table.fail(
            "flux",
            f'{bright[0]} is in {units[bright[0]]}, a surface brightness, which flux = "{flux}" '
            f'would change by the ratio of the pixels\' areas: write flux = "{SURFACE_BRIGHTNESS}"',
        )
    return flux


def _astrometry(table: TomlTable, root: TomlTable) -> str:
    """Return what coordinates rest on: stars, stars of a table, or headers alone."""
    choice = one_of(table, "astrometry", ASTROMETRY)
    if choice == CATALOGUE and "photometry" not in root:
        table.fail(
            "astrometry",
            f'astrometry = "{CATALOGUE}" needs stars of known places: name them in [photometry]',
        )
    return choice


def _frames_per_unit(listed: list[Listed]) -> int:
    sizes = [
        entry.image.nx * entry.image.ny * abs(int(entry.image.header.get("BITPIX", 16))) / 8
        for entry in listed
    ]
    packed = max(_PACKED * max(sizes, default=1.0), 1.0)
    return min(max(1, math.floor(UNIT_BYTES / packed)), MOST_BY_DEFAULT)


def _coadd(root: TomlTable, names: Collection[str]) -> dict[str, Any]:
    table = root.optional_table("coadd", COADD_KEYS)
    coadd: dict[str, Any] = {
        "clip": one_of(table, "clip", COADD_CLIPS),
        "iterations": table.integer("iterations", low=0, high=100, default=3),
        "background": one_of(table, "background", BACKGROUNDS),
        "flux": one_of(table, "flux", COADD_FLUX),
    }
    if "sigma" in table:
        coadd["sigma"] = table.positive("sigma", default=4.0)
    if one_of(table, "filters", FILTERS) != FILTERS[0]:  # campaigns of before do not have it
        coadd["filters"] = table.values["filters"]
    if "reference" in table:
        coadd["reference"] = name = table.text("reference", example="frame.fits")
        if name not in names:
            near = get_close_matches(name, sorted(names), n=1) or [min(names)]
            table.fail("reference", f'there is no image "{name}": write for example "{near[0]}"')
    return coadd


def one_of(table: TomlTable, key: str, choices: tuple[str, ...]) -> str:
    """Return one of some words; the first if the file does not say."""
    value = table.text(key, example=choices[0], default=choices[0])
    if value not in choices:
        table.fail(key, f'there is no {key} "{value}": write one of {", ".join(choices)}')
    return value
