"""The sections of a campaign file that are about images, and the settings they become.

Only headers are read here, and each file once for its digest; pixels are looked at when the
campaign is prepared.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apps.images.plan.astrometry import ASTROMETRY, CATALOGUE
from apps.images.plan.choices import COADD_KEYS, one_of, read_coadd, read_reproject
from apps.images.plan.image_list import PLANES, Listed, list_images, read_planes
from apps.images.plan.image_selection import group_filters, without_copies
from apps.images.plan.photometry_table import read_photometry
from apps.images.plan.reference import (
    overlapping,
    read_cover,
    read_reference,
    read_solutions,
)
from apps.images.plan.remarks import Remarks
from apps.images.plan.sky.gain import electrons_per_count
from apps.images.plan.sky.sections import sky_section
from apps.images.plan.sky.union import UNION
from boinc_project.campaign import StopRule
from boinc_project.errors import InputError
from boinc_project.toml_source import TomlTable
from boinc_project.unit import canonical_json, file_digest

CALIBRATION = ("bias", "dark", "flat")
FRAMES_FILE = "frames.json"
"""Which files a campaign is made of, and their digests; not sent to anybody."""

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
        `Campaign.settings`; `apps.images.plan.units.prepare` completes them.
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
    grid = read_reference(root, directory)
    cover = read_cover(root)
    try:
        unlike = without_copies(every, remarks, digest)
    except InputError as error:
        table.fail("files", error.message.rstrip("."))
    solutions = read_solutions(table, every, unlike)
    # A union has all images, wherever they are.
    chosen = unlike if cover == UNION else overlapping(table, every, solutions, grid, remarks)
    listed = [every[number] for number in chosen]
    coadd = read_coadd(root, {entry.name for entry in listed})
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
        **read_reproject(root, listed),
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


def _astrometry(table: TomlTable, root: TomlTable) -> str:
    """Return what coordinates rest on: stars, stars of a table, or headers alone."""
    choice = one_of(table, "astrometry", ASTROMETRY)
    if choice == CATALOGUE and "photometry" not in root:
        table.fail(
            "astrometry",
            f'astrometry = "{CATALOGUE}" needs stars of known places: name them in [photometry]',
        )
    return choice
