"""One frame of a campaign: its file, and its entry in the campaign's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from apps.images.plan.astrometry import Astrometry
from apps.images.plan.look import Reader, Seen, camera, look
from apps.images.plan.method import choose_method, why_averaged
from apps.images.plan.pack import Frame, image_of, write_frame
from apps.images.plan.sky.observation import observation
from apps.images.plan.sky.pixel_map import make_map
from apps.images.plan.sky.solution import Solution
from apps.images.plan.sky.variance import SkyVariance
from apps.images.plan.sky.window import find_window, mean_scale, transform
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore, StoredInput


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame that is stored: its entry in the campaign's settings, its file, and remarks."""

    entry: dict[str, Any]
    stored: StoredInput
    remarks: tuple[str, ...]


def pack(
    stated: Mapping[str, Any],
    settings: Mapping[str, Any],
    grid: Solution,
    reader: Reader,
    store: InputStore,
    astrometry: Astrometry,
) -> Packed | None:
    """Measure and store one frame; return None if it is not on the grid.

    Parameters
    ----------
    stated : Mapping
        One of the campaign's ``images``.
    settings : Mapping
        The campaign's.
    grid : Solution
        Coordinates of the grid.
    reader : Reader
        Reads the frame.
    store : InputStore
        Where its file is put.
    astrometry : Astrometry
        Tells its coordinates.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    image = image_of(stated)
    solution = astrometry.solution(stated, image)
    window = find_window(grid, solution)
    if window is None:
        return None
    frame = reader.read(stated, image)
    seen = look(frame, settings, reader.shipped, solution)
    solved = settings["method"] == "reproject"
    if solved and solution.tables:
        raise InputError(
            f'{frame.image.label} has distortion tables, which method = "reproject" cannot be '
            "given: choose another method.",
            path=frame.image.path,
        )
    exact = transform(grid, solution, window)
    sizes = (window.nx, window.ny), (frame.image.nx, frame.image.ny)
    made = make_map(exact, *sizes)
    area, stretch = mean_scale(exact, *sizes)
    method = choose_method(
        settings["method"],
        stretch,
        frame.image.label,
        width=None if seen.seeing is None else seen.seeing / solution.scale,
        free=not settings.get("method_stated", True),
    )
    remarks = frame.remarks
    if method != settings["method"]:
        remarks = (*remarks, why_averaged(settings["method"], stretch))
    noisy = replace(frame, variance=seen.variance.plane)
    stored = store.add(lambda path: write_frame(path, noisy, made, solved=solved))
    entry = {
        "name": stated["name"],
        **asdict(window),
        **_measured(frame, seen, settings, area),
        "filter": stated["filter"],
        "sha256": stored.sha256,
        "step": made.step,
        "map_error": made.error,
        "area": area,
        "stretch": stretch,
        "method": method,
    }
    report = astrometry.report(stated)
    if report is not None:
        entry["astrometry"] = report
    return Packed(entry, stored, remarks)


def _measured(frame: Frame, seen: Seen, settings: Mapping[str, Any], area: float) -> dict[str, Any]:
    """Return the part of an entry that is of the frame itself, on a grid of pixels so large."""
    # A pixel of the grid holds the flux of `area` pixels, and their noise so many times.
    factor = area if settings["flux"] == "conserve" else 1.0
    observed = observation(frame.image)
    return {
        "noise": seen.variance.noise * factor,
        "sky": seen.sky * factor,
        "variance": _variance(seen.variance),
        "gain": _gain(settings, frame, observed.exposed.gain, seen.variance),
        "variance_scale": seen.variance.scale,
        "exposure_s": observed.exposure_s,
        "saturation": frame.saturation,
        "seeing": seen.seeing,
        "exposed": observed.exposed.plain(),
    }


def _variance(sky: SkyVariance) -> dict[str, Any]:
    """Return how the variance of the sky in a pixel is known: by a map, or the same everywhere."""
    if sky.plane is not None:
        return {"kind": "map"}
    return {"kind": "constant", "value": sky.noise**2}


def _gain(
    settings: Mapping[str, Any], frame: Frame, header: float | None, sky: SkyVariance
) -> float | None:
    """Return electrons a count: as stated, as the header or a map of variances tells, or None."""
    stated = camera(settings["ccd"], frame, "gain")
    if stated is not None:
        return stated
    return sky.gain if header is None else header
