"""Plan a campaign of images: units that bring frames onto one grid.

All units are known from the start: each image is reprojected once, several of them in a unit. What
a volunteer gets is pixels and a map of where they belong; world coordinates stay here.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.images.compute.engine import AREA_METHODS
from apps.images.compute.order import MOST_BYTES as MOST_ROW_BYTES
from apps.images.limits import OVERHEAD, most_output_bytes
from apps.images.output_frame import Tiling
from apps.images.plan.extend import find_new, with_new
from apps.images.plan.prepare import look_and_pack
from apps.images.plan.speed import seconds_per_pixel
from boinc_project.campaign import Campaign, Progress
from boinc_project.cost import Cost
from boinc_project.errors import InputError
from boinc_project.extension import Extension
from boinc_project.input_store import InputStore
from boinc_project.unit import Unit
from work_generator import transfer
from work_generator.estimate import volume
from work_generator.reference import REFERENCE_FPOPS

MIN_APP_VERSION = 110
"""The first version whose variances are those of areas; see `docs/developer/image-noise.md`."""
REFERENCE_SECONDS = {"steps": 5.5e-8, "float": 1.4e-7}
"""CPU seconds of a pixel of the grid on the reference host, by the kind of output.

Reading, compressing and digests are included: `seconds_per_call` measured 5.4e-8 and 1.42e-7 there
with Lanczos3, less with the shorter kernels. Only a client's estimate of the time depends on it.
"""
AREA_SECONDS = (2e-8, 4e-8, 3.5e-8)
"""The same for what an average over the area of a pixel takes more: in all, for each row and for
each pixel of the frame that it covers. `seconds_per_call` measured 1.7e-7 beyond the others where
it covers 4, and 2.6e-6 where it covers 100, on a host that is 1.4 times faster."""

_MEMORY = 2.0e8
"""Python, numpy, and tiles on their way: 60 MB were measured; twice as much and some again."""
_BYTES_IN_MEMORY = 10
"""Of a pixel of a frame with a variance of its own, flags included."""
_DISK_BASE = 3.0e8
_BYTES_OF_STEPS = 0.6
"""Bytes of a pixel of the grid as steps of a quarter sigma, variance and digests included: the two
exposures of ``examples/goto-stack.toml`` take 0.600. Gaussian noise alone has 4.05 bits."""
_BYTES_OF_FLOATS = 7.0
_CHOSEN = {"frame": "the grid of the best of them", "union": "a grid that covers all of them"}
"""A grid that is yet to be chosen, by the setting ``cover``."""


def describe(campaign: Campaign) -> list[str]:
    """Say what the campaign computes, in a few lines for people."""
    settings = campaign.settings
    count = len(settings.get("frames") or settings["images"])
    grid = settings["grid"]
    onto = f"a grid of {_size(grid)}" if grid else _CHOSEN[settings.get("cover", "frame")]
    output = settings["output"]
    stored = (
        f"steps of {output['step_sigma']:g} of the sky's noise"
        if output["kind"] == "steps"
        else "floats, without loss"
    )
    flux = "flux" if settings["flux"] == "conserve" else "surface brightness"
    return [
        f"{count} images onto {onto}, {min(settings['frames_per_unit'], count)} a unit.",
        f"Interpolation: {settings['method']}, {flux} conserved; output as {stored}.",
        *settings.get("remarks", ()),
    ]


def preparation(campaign: Campaign) -> list[str]:
    """Say what was found in the images, and where computing them makes sense."""
    settings = campaign.settings
    frames = settings["frames"]
    maps = [frame["step"] for frame in frames]
    errors = [frame["map_error"] for frame in frames]
    dense = sum(step == 1 for step in maps)
    widths = [frame["seeing"] for frame in frames if frame["seeing"] is not None]
    lines = [
        f"Grid: {_size(settings['grid'])}"
        + (f", that of {settings['chosen']}." if settings.get("chosen") else "."),
        f"Pixel maps: steps of {min(maps)} to {max(maps)} pixels, right to {max(errors):.1g} "
        f"pixels; {dense} of {len(frames)} dense.",
    ]
    if widths:
        lines.append(f"Stars: {min(widths):.1f} to {max(widths):.1f} arcseconds FWHM.")
    # A plan looks at the first unit alone: the others are taken to be like it.
    unit = plan(campaign, Progress())[0]
    told = cost(campaign, unit)
    each = transfer.Load(
        seconds=told.n_call * seconds_per_call(campaign),
        bytes_down=told.bytes_down,
        bytes_up=told.bytes_up,
    )
    copies, n_unit = campaign.quorum.target_nresults, campaign.stop.max_units
    lines.append(f"A unit: {volume(told.bytes_down)} down, {volume(told.bytes_up)} up.")
    lines.append(transfer.compare(each, n_unit=n_unit, copies=copies).text)
    return lines


def units(settings: Mapping[str, Any]) -> int:
    """Return how many units the images make."""
    images, size = len(settings["images"]), int(settings["frames_per_unit"])
    return math.ceil(images / size)


def not_for_volunteers(settings: Mapping[str, Any]) -> str:
    """Return why frozen apps cannot compute a campaign; empty if they can."""
    if settings["method"] != "reproject":
        return ""
    return (
        'method = "reproject" needs astropy and reproject, which volunteers\' apps do not have: '
        "use `openastro campaign run-local`, or another method"
    )


def is_prepared(campaign: Campaign) -> bool:
    """Whether the frames have been looked at and packed."""
    return "frames" in campaign.settings


def prepare(
    campaign: Campaign,
    progress: Callable[[int, int], None] | None = None,
    store: InputStore | None = None,
    jobs: int = 1,
) -> Campaign:
    """Choose the grid if that is open, measure every frame, compute its map, and pack it.

    `jobs` frames are in memory at a time. Without a store only the frames of the first unit are
    packed, and their files are gone afterwards: enough to say what the campaign takes.

    Raises
    ------
    InputError
        If a frame cannot be used.
    """
    if is_prepared(campaign):
        return campaign
    if store is None:
        with tempfile.TemporaryDirectory(prefix="openastro-plan-") as directory:
            some = campaign.settings["images"][: campaign.settings["frames_per_unit"]]
            return look_and_pack(campaign, progress, InputStore(Path(directory)), some, jobs=jobs)
    return look_and_pack(campaign, progress, store, campaign.settings["images"], jobs=jobs)


def plan(campaign: Campaign, progress: Progress) -> list[Unit]:
    """Return all units, or none if they have been issued.

    Raises
    ------
    InputError
        If the campaign is not prepared.
    """
    settings = campaign.settings
    if not is_prepared(campaign):
        raise InputError(f"The campaign {campaign.name} is not prepared yet.", name=campaign.name)
    if progress.issued:
        return []
    frames, size = settings["frames"], settings["frames_per_unit"]
    groups = [frames[start : start + size] for start in range(0, len(frames), size)]
    return [_unit(campaign, index, group) for index, group in enumerate(groups)]


def extend(
    campaign: Campaign,
    edited: Campaign,
    path: Path,
    progress: Callable[[int, int], None] | None,
    store: InputStore,
) -> Extension:
    """Look at the images that a campaign does not have yet, and plan further units for them.

    Their grid is the campaign's; nothing that it has is looked at again.

    Parameters
    ----------
    campaign : Campaign
        Prepared, as it was issued or last extended.
    edited : Campaign
        Its file as it is now, with more images; not prepared.
    path : Path
        The file, for errors.
    progress : Callable, optional
        Told how many images are done, of how many.
    store : InputStore
        Where new files are put.

    Raises
    ------
    InputError
        If the file says anything else that is not as it was, or an image cannot be used.
    """
    found = find_new(campaign, edited, path)
    if not found.images:
        return Extension(campaign, (), (), found.known, found.unnamed)
    whole = with_new(campaign, edited, found, progress, store)
    frames = whole.settings["frames"][len(campaign.settings["frames"]) :]
    size, first = whole.settings["frames_per_unit"], campaign.stop.max_units
    groups = [frames[start : start + size] for start in range(0, len(frames), size)]
    return Extension(
        campaign=whole,
        units=tuple(_unit(whole, first + number, group) for number, group in enumerate(groups)),
        added=tuple(frame["name"] for frame in frames),
        known=found.known,
        unnamed=found.unnamed,
    )


def cost(campaign: Campaign, unit: Unit) -> Cost:
    """Return what one unit costs; its calls are pixels of the grid."""
    frames = unit.settings["frames"]
    n_pixel = sum(frame["nx"] * frame["ny"] for frame in frames)
    shared = {settled for name, settled in unit.inputs.items() if not name.startswith("frame_")}
    own = {one for name, one in unit.inputs.items() if name.startswith("frame_")}
    down = sum(campaign.files[one].nbytes for one in own) + len(unit.to_bytes())
    kind = unit.settings["output"]["kind"]
    usual = _BYTES_OF_STEPS if kind == "steps" else _BYTES_OF_FLOATS
    tile = unit.settings["tile"]
    n_tile = sum(Tiling(frame["nx"], frame["ny"], tile).n_tile for frame in frames)
    most_up = most_output_bytes(n_pixel, kind, n_tile)
    n_input = max(frame["nx"] * frame["ny"] * frame.get("area", 1.0) for frame in frames)
    return Cost(
        n_call=n_pixel,
        fpops=sum(_reference_seconds(frame, kind) for frame in frames) * REFERENCE_FPOPS,
        bytes_down=down,
        bytes_shared=sum(campaign.files[one].nbytes for one in shared),
        bytes_up=math.ceil(usual * n_pixel) + OVERHEAD,
        memory=_MEMORY + min(_BYTES_IN_MEMORY * n_input, MOST_ROW_BYTES),
        disk=_DISK_BASE + down + 2.0 * most_up,
        most_up=most_up,
    )


def seconds_per_call(campaign: Campaign) -> float:
    """Measure a pixel of the grid on this machine, CPU seconds, by the app itself.

    The mean of those of the first unit, whose frames may need unlike methods.
    """
    settings = campaign.settings
    pixels: dict[str, int] = {}
    areas: dict[str, float] = {}
    for frame in settings.get("frames", ())[: settings["frames_per_unit"]]:
        method, n_pixel = frame.get("method", settings["method"]), frame["nx"] * frame["ny"]
        pixels[method] = pixels.get(method, 0) + n_pixel
        areas[method] = areas.get(method, 0.0) + n_pixel * frame["area"]
    if not pixels:
        return seconds_per_pixel(settings["method"], settings["output"], settings["flux"])
    seconds = 0.0
    for method, n_pixel in pixels.items():
        area = areas[method] / n_pixel if method in AREA_METHODS else 1.0
        seconds += n_pixel * seconds_per_pixel(
            method,
            settings["output"],
            settings["flux"],
            area=area,
            pixfrac=settings.get("pixfrac", 1.0),
        )
    return seconds / sum(pixels.values())


def _unit(campaign: Campaign, index: int, group: Sequence[Mapping[str, Any]]) -> Unit:
    settings = campaign.settings
    names = [f"frame_{number:02d}.fits" for number in range(len(group))]
    frames = [
        {**{key: frame[key] for key in _OF_UNIT if key in frame}, "input": name}
        for name, frame in zip(names, group, strict=True)
    ]
    inputs = {name: frame["sha256"] for name, frame in zip(names, group, strict=True)}
    keys = ("grid", "method", "flux", "tile", "output", "digest_only")
    return Unit(
        app=campaign.app,
        min_app_version=MIN_APP_VERSION,
        campaign=campaign.name,
        campaign_seed=campaign.seed,
        generation=0,
        index=index,
        settings={
            **{key: settings[key] for key in keys},
            "pixfrac": settings.get("pixfrac", 1.0),
            "frames": frames,
            "calibrate": settings["calibrate"],
        },
        inputs={**inputs, **settings["shared"]},
    )


_OF_UNIT = (
    "name", "x0", "y0", "nx", "ny", "noise", "sky", "variance", "exposure_s", "filter",
    "saturation", "method", "area",
)  # fmt: skip


def _reference_seconds(frame: Mapping[str, Any], kind: str) -> float:
    """Return CPU seconds of a unit's frame on the reference host."""
    each = REFERENCE_SECONDS[kind]
    if frame.get("method") in AREA_METHODS:
        side = math.sqrt(frame.get("area", 1.0))
        each += sum(seconds * side**power for power, seconds in enumerate(AREA_SECONDS))
    return float(frame["nx"] * frame["ny"] * each)


def _size(grid: Mapping[str, Any]) -> str:
    return f"{grid['nx']} x {grid['ny']} pixels"
