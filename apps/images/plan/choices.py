"""The sections [reproject] and [coadd] of a campaign file: how frames become one image."""

from __future__ import annotations

import math
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any

from apps.images.limits import MAX_FRAMES
from apps.images.plan.image_list import Listed
from apps.images.plan.sky.brightness import is_brightness
from boinc_project.toml_source import TomlTable

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


def read_reproject(root: TomlTable, listed: list[Listed]) -> dict[str, Any]:
    """Read the section [reproject]; absent, each key has its default."""
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


def _frames_per_unit(listed: list[Listed]) -> int:
    sizes = [
        entry.image.nx * entry.image.ny * abs(int(entry.image.header.get("BITPIX", 16))) / 8
        for entry in listed
    ]
    packed = max(_PACKED * max(sizes, default=1.0), 1.0)
    return min(max(1, math.floor(UNIT_BYTES / packed)), MOST_BY_DEFAULT)


def read_coadd(root: TomlTable, names: Collection[str]) -> dict[str, Any]:
    """Read the section [coadd], whose frames have `names`; absent, each key has its default."""
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
