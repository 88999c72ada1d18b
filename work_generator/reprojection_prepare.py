"""Look at every frame of a campaign, choose the grid, compute maps, and pack.

As many frames are in memory as are looked at at once; what is kept of each is a page of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore, StoredInput
from boinc_project.parallel import parallel_map
from boinc_project.reprojection_limits import most_frames
from work_generator.photometry_table import TABLE_FILE
from work_generator.remarks import Remarks
from work_generator.reprojection_astrometry import PLACES, Astrometry, refine, refines
from work_generator.reprojection_calibration import Masters
from work_generator.reprojection_method import choose_method, why_averaged
from work_generator.reprojection_pack import (
    CALIBRATION_FILE,
    KERNEL_FILE,
    Frame,
    image_of,
    read_frame,
    write_calibration,
    write_frame,
    write_kernel,
)
from work_generator.reprojection_saturation import saturation_of
from work_generator.sky.frame import Image, Scaling
from work_generator.sky.gain import electrons_per_count
from work_generator.sky.noise import median
from work_generator.sky.observation import observation
from work_generator.sky.pixel_map import make_map
from work_generator.sky.quality import seeing
from work_generator.sky.reference import cards_of, check_size, choose, grid_of, plain_grid
from work_generator.sky.rows import Rows, Sample
from work_generator.sky.solution import Solution, read_solution
from work_generator.sky.union import UNION, union_grid
from work_generator.sky.variance import SkyVariance, sky_variance
from work_generator.sky.variance_map import rows_without_light
from work_generator.sky.window import coverage, find_window, mean_scale, transform

_SURVEYED = 50
"""Frames that are looked at to choose a reference; of more, so many at equal distances."""


def look_and_pack(
    campaign: Campaign,
    progress: Callable[[int, int], None] | None,
    store: InputStore,
    images: Sequence[Mapping[str, Any]],
    known: Mapping[str, str] | None = None,
    jobs: int = 1,
) -> Campaign:
    """Return the campaign with its grid, its frames and their files.

    Parameters
    ----------
    campaign : Campaign
        As it was read.
    progress : Callable, optional
        Told how many frames are done, of how many.
    store : InputStore
        Where files are put.
    images : Sequence[Mapping]
        Those of the campaign's images that are packed.
    known : Mapping[str, str], optional
        Names of frames that the campaign has already, by the digest of their files.
    jobs : int
        Frames that are looked at at once.

    Raises
    ------
    InputError
        If a frame cannot be used.
    """
    settings = dict(campaign.settings)
    masters = Masters.read(settings["calibration"])
    # Volunteers get one calibration for all frames of a unit; sites of a mosaic need one each.
    reader = _Reader(
        masters,
        here=any(stated.get("part", {}).get("cell") for stated in images),
        blank=settings["blank"],
        saturation=settings["ccd"].get("saturation"),
    )
    surveyed = _surveyed(settings["images"]) if settings["grid"] is None else []
    told = _Told(progress, len(surveyed) + (1 + refines(settings)) * len(images))
    if settings["grid"] is None:
        settings["grid"], settings["chosen"] = _choose(surveyed, settings, reader, told, jobs)
    settings.pop("cover", None)
    grid = _grid(settings["grid"])
    table = campaign.inputs.get(TABLE_FILE)
    astrometry = refine(images, settings, masters, table, told.next, jobs)
    files: dict[str, StoredInput] = {}
    frames, kept = [], []
    names = dict(known or {})
    remarks = Remarks(settings["remarks"])

    def pack(stated: Mapping[str, Any]) -> _Packed | None:
        # Threads have a grid each, because nobody promises that they may share one.
        own = grid if jobs == 1 else _grid(settings["grid"])
        return _pack(stated, settings, own, reader, store, astrometry)

    for stated, packed in zip(images, parallel_map(pack, images, jobs), strict=True):
        told.next()
        if packed is None:  # of a grid that was stated this is known before
            if settings["skip_outside"]:
                remarks.add(
                    f"It is left out, because it is not on the grid of {settings['chosen']}.",
                    stated["name"],
                )
                continue
            raise InputError(
                f"{stated['name']} does not overlap with the grid of {settings['chosen']}: leave "
                "it out, or write skip_outside = true."
            )
        for sentence in packed.remarks:
            remarks.add(sentence, stated["name"])
        entry, stored = packed.entry, packed.stored
        if stored.sha256 in names:
            same = names[stored.sha256]
            remarks.add(f"It is left out, because it has the same pixels as {same}.", entry["name"])
            continue
        names[stored.sha256] = entry["name"]
        files[stored.sha256] = stored
        frames.append(entry)
        kept.append(stated)
    if not frames:
        raise InputError("None of the images overlaps with the reference: name another one.")
    astrometry.remark(remarks, kept)
    settings[PLACES] = astrometry.places()
    settings["frames"] = frames
    settings["frames_per_unit"] = _frames_per_unit(settings)
    settings["remarks"] = remarks.lines()
    settings["shared"] = _shared(settings["method"], reader.shipped, store, files)
    settings["calibrate"] = reader.shipped.settings()
    del settings["images"], settings["calibration"], settings["skip_outside"], settings["blank"]
    settings.pop("method_stated", None)
    n_unit = math.ceil(len(frames) / settings["frames_per_unit"])
    if len(images) < len(campaign.settings["images"]):
        n_unit = math.ceil(len(campaign.settings["images"]) / settings["frames_per_unit"])
    return replace(
        campaign,
        settings=settings,
        files=files,
        units_per_generation=n_unit,
        stop=replace(campaign.stop, max_units=n_unit),
    )


def _frames_per_unit(settings: Mapping[str, Any]) -> int:
    """Return how many frames a unit has: no more than its output can hold."""
    largest = max(frame["nx"] * frame["ny"] for frame in settings["frames"])
    most = most_frames(largest, settings["output"]["kind"], settings["tile"])
    return min(int(settings["frames_per_unit"]), most)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame that was looked at: its coordinates, sky and noise, and FWHM in arcseconds."""

    solution: Solution
    sky: float
    variance: SkyVariance
    seeing: float | None


@dataclass(frozen=True, slots=True)
class _Packed:
    """A frame that is stored: its entry in the campaign's settings, its file, and remarks."""

    entry: dict[str, Any]
    stored: StoredInput
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads frames, and calibrates them here if volunteers cannot."""

    masters: Masters
    here: bool
    blank: float | None
    saturation: float | str | None

    @property
    def shipped(self) -> Masters:
        """The master frames that are still to be applied."""
        return Masters() if self.here else self.masters

    def read(self, stated: Mapping[str, Any], image: Image | None = None) -> Frame:
        """Return a frame, calibrated if it is calibrated here; of an image if that is known."""
        frame = read_frame(stated, self.blank, image)
        asked = _camera({"saturation": self.saturation}, frame, "saturation")
        by_keyword = isinstance(self.saturation, str)
        limit, sentences = saturation_of(frame, asked, by_keyword=by_keyword)
        frame = replace(frame, saturation=limit, remarks=(*frame.remarks, *sentences))
        if not self.here or not self.masters.planes:
            return frame
        counts = frame.values()
        values = self.masters.apply(counts, frame.image)
        if limit is not None:  # it is stated in counts of before
            values = np.where(counts >= limit, np.float32(np.nan), values)
        image = replace(frame.image, scaling=Scaling())
        return replace(frame, image=image, raw=np.ascontiguousarray(values, np.float32))


class _Told:
    """Counts what is done, and says so."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def next(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _surveyed(images: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if len(images) <= _SURVEYED:
        return list(images)
    chosen = np.linspace(0, len(images) - 1, _SURVEYED).round().astype(int)
    return [images[number] for number in chosen]


def _choose(
    images: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    reader: _Reader,
    told: _Told,
    jobs: int,
) -> tuple[dict[str, Any], str]:
    """Return the grid of the best image, and that image's name."""

    def look(stated: Mapping[str, Any]) -> _Seen:
        frame = reader.read(stated)
        return _look(frame, settings, reader.shipped, read_solution(frame.image))

    looks = []
    for seen in parallel_map(look, images, jobs):
        looks.append(seen)
        told.next()
    solutions = [look.solution for look in looks]
    if settings.get("cover") == UNION:
        best = choose([1.0] * len(looks), [look.seeing for look in looks])
        every = [read_solution(image_of(stated)) for stated in settings["images"]]
        header, nx, ny = union_grid(solutions[best], every)
        name = f"all images, with the scale of {images[best]['name']}"
        return {"nx": nx, "ny": ny, "cards": cards_of(header)}, name
    coverages = [
        math.fsum(coverage(look, other) for other in solutions) / len(solutions)
        for look in solutions
    ]
    best = choose(coverages, [look.seeing for look in looks])
    solution = solutions[best]
    check_size(solution.nx, solution.ny, solution.label)
    cards = cards_of(plain_grid(solution))
    return {"nx": solution.nx, "ny": solution.ny, "cards": cards}, str(images[best]["name"])


def _look(frame: Frame, settings: Mapping[str, Any], masters: Masters, solution: Solution) -> _Seen:
    masters.check(frame.image)
    sample = frame.sample()
    values = masters.sampled(sample).apply(sample.take(frame.rows()), frame.image)
    if not np.isfinite(values).any():
        raise InputError(
            f"{frame.image.label} has no finite pixel after calibration: correct the master "
            "frames, or leave it out.",
            path=frame.image.path,
        )
    variance = _sky_variance(settings, frame, values, masters, sample)
    if variance is None:
        raise InputError(
            f"The noise of {frame.image.label} cannot be measured: write noise = ... in [images].",
            path=frame.image.path,
        )
    limit = math.inf if frame.saturation is None else frame.saturation
    width = seeing(values, variance.noise, saturation=limit)
    sky = median(values)
    assert sky is not None  # some pixel is finite
    return _Seen(solution, sky, variance, None if width is None else width * solution.scale)


def _sky_variance(
    settings: Mapping[str, Any],
    frame: Frame,
    values: NDArray[np.float32],
    masters: Masters,
    sample: Sample,
) -> SkyVariance | None:
    """Return how noisy a frame's sky is: as it is stated, or as it is measured in a sample."""
    noise = settings["ccd"].get("noise")
    if noise is not None:
        return SkyVariance(float(noise), cast(Any, frame.variance))
    given = None if frame.variance is None else sample.take(frame.variance)
    flat = masters.sampled(sample).planes.get("flat")
    measured = sky_variance(values, stated=given, flat=flat)
    if measured is None or measured.plane is None or not sample.rows:
        return measured
    scale = np.float32(measured.scale)
    if isinstance(frame.variance, Rows):
        plane = frame.variance
        if measured.light is not None:
            calibrated = masters.rows_of(frame.rows(), frame.image)
            plane = rows_without_light(measured.light, calibrated, plane)
        plane = plane.map(lambda rows: rows * scale, np.float32)
    else:
        plane = sample.spread(measured.plane, (frame.image.ny, frame.image.nx))
    # Rows are written as an array is.
    return replace(measured, plane=cast(Any, plane))


def _pack(
    stated: Mapping[str, Any],
    settings: Mapping[str, Any],
    grid: Solution,
    reader: _Reader,
    store: InputStore,
    astrometry: Astrometry,
) -> _Packed | None:
    """Measure and store one frame; None if it is not on the grid."""
    image = image_of(stated)
    solution = astrometry.solution(stated, image)
    window = find_window(grid, solution)
    if window is None:
        return None
    frame = reader.read(stated, image)
    seen = _look(frame, settings, reader.shipped, solution)
    exact = transform(grid, solution, window)
    made = make_map(exact, (window.nx, window.ny), (frame.image.nx, frame.image.ny))
    solved = settings["method"] == "reproject"
    if solved and seen.solution.tables:
        raise InputError(
            f'{frame.image.label} has distortion tables, which method = "reproject" cannot be '
            "given: choose another method.",
            path=frame.image.path,
        )
    noisy = replace(frame, variance=seen.variance.plane)
    stored = store.add(lambda path: write_frame(path, noisy, made, solved=solved))
    area, stretch = mean_scale(exact, (window.nx, window.ny), (frame.image.nx, frame.image.ny))
    method = choose_method(
        settings["method"],
        stretch,
        frame.image.label,
        width=None if seen.seeing is None else seen.seeing / seen.solution.scale,
        free=not settings.get("method_stated", True),
    )
    remarks = frame.remarks
    if method != settings["method"]:
        remarks = (*remarks, why_averaged(settings["method"], stretch))
    # A pixel of the grid holds the flux of `area` pixels, and their noise so many times.
    factor = area if settings["flux"] == "conserve" else 1.0
    observed = observation(frame.image)
    entry = {
        "name": stated["name"],
        "x0": window.x0,
        "y0": window.y0,
        "nx": window.nx,
        "ny": window.ny,
        "noise": seen.variance.noise * factor,
        "sky": seen.sky * factor,
        "variance": _variance(seen.variance),
        "gain": _gain(settings, frame, observed.exposed.gain, seen.variance),
        "variance_scale": seen.variance.scale,
        "exposure_s": observed.exposure_s,
        "filter": stated["filter"],
        "saturation": frame.saturation,
        "sha256": stored.sha256,
        "step": made.step,
        "map_error": made.error,
        "seeing": seen.seeing,
        "area": area,
        "stretch": stretch,
        "method": method,
        "exposed": observed.exposed.plain(),
    }
    report = astrometry.report(stated)
    if report is not None:
        entry["astrometry"] = report
    return _Packed(entry, stored, remarks)


def _variance(sky: SkyVariance) -> dict[str, Any]:
    """Return how the variance of the sky in a pixel is known: by a map, or the same everywhere."""
    if sky.plane is not None:
        return {"kind": "map"}
    return {"kind": "constant", "value": sky.noise**2}


def _gain(
    settings: Mapping[str, Any], frame: Frame, header: float | None, sky: SkyVariance
) -> float | None:
    """Return electrons a count: as stated, as the header or a map of variances tells, or None."""
    stated = _camera(settings["ccd"], frame, "gain")
    if stated is not None:
        return stated
    return sky.gain if header is None else header


def _camera(ccd: Mapping[str, Any], frame: Frame, key: str) -> float | None:
    """Return a number of the camera, stated or from a keyword that is stated; None if neither."""
    stated = ccd.get(key)
    if not isinstance(stated, str):
        return None if stated is None else float(stated)
    value, _ = electrons_per_count(frame.image, stated)
    if value is None or value < 0 or (value == 0 and key != "read_noise"):
        raise InputError(
            f"{frame.image.label} has no usable {stated} in its header: write {key} as a number.",
            path=frame.image.path,
        )
    return value


def _shared(
    method: str, masters: Masters, store: InputStore, files: dict[str, StoredInput]
) -> dict[str, str]:
    """Store what units share; return digests by logical name."""
    shared = {}
    if method == "lanczos3":  # the others are polynomials
        shared[KERNEL_FILE] = store.add(write_kernel)
    if masters.planes:
        shared[CALIBRATION_FILE] = store.add(lambda path: write_calibration(path, masters))
    files.update({stored.sha256: stored for stored in shared.values()})
    return {name: stored.sha256 for name, stored in shared.items()}


def _grid(stated: Mapping[str, Any]) -> Solution:
    return grid_of(stated["cards"], stated["nx"], stated["ny"], "the reference")
