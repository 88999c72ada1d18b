"""Which of the listed images are taken: each content once, and those of one field of the sky."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from apps.images.plan.file_search import UNREADABLE, is_packed, unpacked
from apps.images.plan.image_list import Listed
from apps.images.plan.remarks import Remarks
from apps.images.plan.sky.directions import angles, circles
from apps.images.plan.sky.failure import reason_of
from apps.images.plan.sky.observation import same_filter
from apps.images.plan.sky.solution import Solution
from boinc_project.errors import InputError
from boinc_project.unit import file_digest

UNKNOWN_FILTER = ""


def content_digest(path: Path, digest: str) -> str:
    """Return the SHA-256 of what is in a file, decompressed if it is compressed as a whole.

    Parameters
    ----------
    path : Path
        The file.
    digest : str
        That of its bytes, which is the answer for most files.

    Raises
    ------
    InputError
        If it cannot be decompressed to its end.
    """
    if not is_packed(path):
        return digest
    sha = hashlib.sha256()
    try:
        with unpacked(path) as stream:
            while block := stream.read(2**20):
                sha.update(block)
    except UNREADABLE as error:
        raise InputError(
            f"{path} cannot be decompressed: {reason_of(error)}. Copy it again.", path=path
        ) from error
    return sha.hexdigest()


def without_copies(
    listed: Sequence[Listed], remarks: Remarks, digest: Callable[[Path], str] = file_digest
) -> list[int]:
    """Return the numbers of the images, of those with the same content the first.

    Parameters
    ----------
    listed : Sequence[Listed]
        All images.
    remarks : Remarks
        Told what is left out, and which images look like one exposure that was reduced twice.
    digest : Callable
        Returns the SHA-256 of a file; one that remembers saves reading files again.

    Raises
    ------
    InputError
        If a file is damaged.
    """
    contents: dict[Path, str] = {}
    first: dict[Hashable, str] = {}
    exposures: dict[Hashable, str] = {}
    kept = []
    for number, entry in enumerate(listed):
        path = entry.whole.path
        if path not in contents:
            contents[path] = content_digest(path, digest(path))
        content = contents[path], entry.whole.hdu, entry.image.layer, entry.image.cell
        if content in first:
            remarks.add(
                f"It is left out, because it has the same content as {first[content]}.", entry.name
            )
            continue
        first[content] = entry.name
        kept.append(number)
        exposure = _exposure(entry)
        if exposure is not None and exposures.setdefault(exposure, entry.name) != entry.name:
            remarks.add(
                f"It has the date, the exposure time and the place of {exposures[exposure]}: if "
                "both are one exposure, leave one of them out, because noise is counted as two.",
                entry.name,
            )
    return kept


def _exposure(entry: Listed) -> Hashable | None:
    """Return what is the same for two reductions of one exposure; None if that is not known."""
    seen, header = entry.seen, entry.whole.header
    if seen.exposed.begin is None or not seen.exposure_s:
        return None
    begin = round(seen.exposed.begin, 8)  # days: to a millisecond, in whatever form it is stated
    if begin.is_integer():  # programs write midnight that know the date of the night alone
        return None
    chip = [
        str(header.get(key, "")) for key in ("EXTNAME", "EXTVER", "CCDNUM", "CHIPID", "DETECTOR")
    ]
    place = [round(float(header.get(f"CRVAL{axis}", 0.0)), 2) for axis in (1, 2)]
    part = None if entry.part is None else entry.part.name
    return (begin, seen.exposure_s, same_filter(seen.filter), seen.exposed.instrument, part,
            entry.whole.nx, entry.whole.ny, *chip, *place)  # fmt: skip


def one_field(solutions: Sequence[Solution]) -> list[int] | None:
    """Return the numbers of the images of the field that most of them show.

    Two images are of one field if circles around them meet, or if others between them join them.
    The circles hold the whole images, so that no image is left out that overlaps with another.

    Returns
    -------
    list[int] or None
        None if no field has more images than each other one.
    """
    centres, radii = circles(solutions)
    left = np.ones(len(solutions), dtype=bool)
    fields: list[list[int]] = []
    while left.any():
        queue = [int(np.argmax(left))]
        left[queue[0]] = False
        members = []
        while queue:
            here = queue.pop()
            members.append(here)
            apart = angles(centres[left], centres[here])
            near = np.flatnonzero(left)[apart <= radii[left] + radii[here]]
            left[near] = False
            queue += [int(number) for number in near]
        fields.append(sorted(members))
    fields.sort(key=len, reverse=True)
    if len(fields) > 1 and len(fields[0]) == len(fields[1]):
        return None
    return fields[0]


def group_filters(listed: Sequence[Listed], remarks: Remarks, *, together: bool) -> list[str]:
    """Return the filter of each image, all spellings of one as the first of them has it.

    Parameters
    ----------
    listed : Sequence[Listed]
        All images that are taken.
    remarks : Remarks
        Told of images that do not say their filter, and of several filters.
    together : bool
        Whether all images make one image whatever their filters.
    """
    spelled: dict[str, str] = {}
    names = [
        spelled.setdefault(same_filter(entry.filter), entry.filter)
        if entry.filter
        else UNKNOWN_FILTER
        for entry in listed
    ]
    known = sorted(spelled.values())
    silent = [entry.name for entry, name in zip(listed, names, strict=True) if not name]
    if len(known) == 1 and silent and len(silent) < len(listed):
        remarks.add(f"It does not say its filter, and is taken to be of {known[0]}.", *silent)
        names = known * len(listed)
    elif len(known) > 1 and silent:
        remarks.add("It does not say its filter, and is taken as a filter of its own.", *silent)
    if len(known) > 1 and together:
        remarks.add(f"Images of {len(known)} filters are averaged: {', '.join(known)}.")
    elif len(known) > 1:
        remarks.add(f"There are {len(known)} filters, each of which has an image of its own: "
                    f"{', '.join(known)}.")  # fmt: skip
    return names
