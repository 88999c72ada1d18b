"""Look at every frame of a campaign, choose the grid, compute maps, and pack.

As many frames are in memory as are looked at at once; what is kept of each is a page of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from apps.images.limits import most_frames
from apps.images.plan.astrometry import PLACES, Astrometry, refine, refines
from apps.images.plan.calibration import Masters
from apps.images.plan.entry import Packed, pack
from apps.images.plan.grid import choose_grid, surveyed
from apps.images.plan.look import Reader
from apps.images.plan.pack import (
    CALIBRATION_FILE,
    KERNEL_FILE,
    write_calibration,
    write_kernel,
)
from apps.images.plan.photometry_table import TABLE_FILE
from apps.images.plan.remarks import Remarks
from apps.images.plan.sky.reference import grid_of
from apps.images.plan.sky.solution import Solution
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore, StoredInput
from boinc_project.parallel import parallel_map

Stated = Mapping[str, Any]
"""One of a campaign's ``images``."""


def look_and_pack(
    campaign: Campaign,
    progress: Callable[[int, int], None] | None,
    store: InputStore,
    images: Sequence[Stated],
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
    reader = Reader(
        masters,
        here=any(stated.get("part", {}).get("cell") for stated in images),
        blank=settings["blank"],
        saturation=settings["ccd"].get("saturation"),
    )
    chosen_from = surveyed(settings["images"]) if settings["grid"] is None else []
    told = _Told(progress, len(chosen_from) + (1 + refines(settings)) * len(images))
    if settings["grid"] is None:
        settings["grid"], settings["chosen"] = choose_grid(
            chosen_from, settings, reader, told.next, jobs
        )
    settings.pop("cover", None)
    table = campaign.inputs.get(TABLE_FILE)
    astrometry = refine(images, settings, masters, table, told.next, jobs)
    remarks = Remarks(settings["remarks"])
    each = _packed(images, settings, reader, store, astrometry, told, jobs)
    kept = _without_copies(_on_grid(each, settings, remarks), known or {}, remarks)
    if not kept:
        raise InputError("None of the images overlaps with the reference: name another one.")
    astrometry.remark(remarks, [stated for stated, _ in kept])
    settings[PLACES] = astrometry.places()
    settings["frames"] = [packed.entry for _, packed in kept]
    settings["frames_per_unit"] = _frames_per_unit(settings)
    settings["remarks"] = remarks.lines()
    shared = _shared(settings["method"], reader.shipped, store)
    settings["shared"] = {name: stored.sha256 for name, stored in shared.items()}
    settings["calibrate"] = reader.shipped.settings()
    for key in ("images", "calibration", "skip_outside", "blank"):
        del settings[key]
    settings.pop("method_stated", None)
    is_whole = len(images) == len(campaign.settings["images"])
    n_frame = len(kept) if is_whole else len(campaign.settings["images"])
    n_unit = math.ceil(n_frame / settings["frames_per_unit"])
    files = [*(packed.stored for _, packed in kept), *shared.values()]
    return replace(
        campaign,
        settings=settings,
        files={stored.sha256: stored for stored in files},
        units_per_generation=n_unit,
        stop=replace(campaign.stop, max_units=n_unit),
    )


def _packed(
    images: Sequence[Stated],
    settings: Mapping[str, Any],
    reader: Reader,
    store: InputStore,
    astrometry: Astrometry,
    told: _Told,
    jobs: int,
) -> Iterator[tuple[Stated, Packed | None]]:
    """Yield each image, and its frame once that is stored; see `pack`."""

    def grid() -> Solution:
        stated = settings["grid"]
        return grid_of(stated["cards"], stated["nx"], stated["ny"], "the reference")

    shared = grid()

    def packed_of(stated: Stated) -> Packed | None:
        # Threads have a grid each, because nobody promises that they may share one.
        own = shared if jobs == 1 else grid()
        return pack(stated, settings, own, reader, store, astrometry)

    for stated, packed in zip(images, parallel_map(packed_of, images, jobs), strict=True):
        told.next()
        yield stated, packed


def _on_grid(
    each: Iterator[tuple[Stated, Packed | None]], settings: Mapping[str, Any], remarks: Remarks
) -> Iterator[tuple[Stated, Packed]]:
    """Yield the frames that are on the grid; refuse the others, or say that they are left out."""
    for stated, packed in each:
        if packed is not None:
            yield stated, packed
        elif settings["skip_outside"]:  # of a grid that was stated this is known before
            remarks.add(
                f"It is left out, because it is not on the grid of {settings['chosen']}.",
                stated["name"],
            )
        else:
            raise InputError(
                f"{stated['name']} does not overlap with the grid of {settings['chosen']}: leave "
                "it out, or write skip_outside = true."
            )


def _without_copies(
    each: Iterator[tuple[Stated, Packed]], known: Mapping[str, str], remarks: Remarks
) -> list[tuple[Stated, Packed]]:
    """Return the frames, of those with the same pixels the first; say what there is to say."""
    names = dict(known)
    kept = []
    for stated, packed in each:
        for sentence in packed.remarks:
            remarks.add(sentence, stated["name"])
        digest = packed.stored.sha256
        if digest in names:
            sentence = f"It is left out, because it has the same pixels as {names[digest]}."
            remarks.add(sentence, stated["name"])
            continue
        names[digest] = stated["name"]
        kept.append((stated, packed))
    return kept


def _frames_per_unit(settings: Mapping[str, Any]) -> int:
    """Return how many frames a unit has: no more than its output can hold."""
    largest = max(frame["nx"] * frame["ny"] for frame in settings["frames"])
    most = most_frames(largest, settings["output"]["kind"], settings["tile"])
    return min(int(settings["frames_per_unit"]), most)


class _Told:
    """Counts what is done, and says so."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def next(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _shared(method: str, masters: Masters, store: InputStore) -> dict[str, StoredInput]:
    """Store what units share, by its logical name."""
    shared = {}
    if method == "lanczos3":  # the others are polynomials
        shared[KERNEL_FILE] = store.add(write_kernel)
    if masters.planes:
        shared[CALIBRATION_FILE] = store.add(lambda path: write_calibration(path, masters))
    return shared
