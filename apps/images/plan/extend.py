"""More images for a campaign that is issued: which of them are new, and those on the old grid.

What is in the campaign stays as it is, so that nothing of it is computed again: the grid, also one
that was chosen; the settings; the frames and their units. New frames become further units. The
product is a function of the set of frames, so that it comes out as that of a campaign which had
them all from the start, on the same grid.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apps.images.plan.astrometry import HEADER, PLACES
from apps.images.plan.campaign_file import FRAMES_FILE
from apps.images.plan.image_list import PLANES
from apps.images.plan.prepare import look_and_pack
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from boinc_project.toml_lines import KeyPath
from boinc_project.toml_source import TomlSource
from boinc_project.unit import canonical_json

MAY_GROW: frozenset[KeyPath] = frozenset(
    {("images", "files"), *(("images", plane, "files") for plane in PLANES)}
)
"""Keys of a campaign file that an extension changes."""
_KEPT = (
    "ccd", "method", "pixfrac", "flux", "tile", "output", "digest_only", "coadd", "shared",
    "calibrate",
)  # fmt: skip
"""Settings that must come out of the same file as they did before."""
_BEFORE = {"pixfrac": 1.0}
"""Settings that campaigns of before do not have, as they were."""
_RULE = "an extension adds images to [images] and changes nothing else"


@dataclass(frozen=True, slots=True)
class NewImages:
    """What an edited campaign file has that its campaign has not.

    Attributes
    ----------
    images : list[dict]
        The new ones, as in ``settings["images"]``.
    known : int
        Images of the file that are in the campaign.
    unnamed : tuple[str, ...]
        Images of the campaign that the file does not name; they stay in it.
    entries : list[dict]
        What ``frames.json`` says of all, those of the file first.
    """

    images: list[dict[str, Any]]
    known: int
    unnamed: tuple[str, ...]
    entries: list[dict[str, Any]]


def find_new(campaign: Campaign, edited: Campaign, path: Path) -> NewImages:
    """Compare a campaign with its edited file.

    Parameters
    ----------
    campaign : Campaign
        Prepared, as it was issued or last extended.
    edited : Campaign
        As the file says now; not prepared.
    path : Path
        The file, for errors.

    Raises
    ------
    InputError
        If anything but the images is another, or an image of the same name is.
    """
    source = TomlSource(path, edited.source)
    _need_same_text(campaign, source)
    before, now = (json.loads(one.inputs[FRAMES_FILE]) for one in (campaign, edited))
    _need_same_files(campaign, edited, source, before["calibration"], now["calibration"])
    there: dict[str, list[dict[str, Any]]] = {}
    for entry in before["frames"]:
        there.setdefault(entry["name"], []).append(entry)
    new = []
    for image, entry in zip(edited.settings["images"], now["frames"], strict=True):
        same_name = there.get(entry["name"], [])
        if entry in same_name:
            continue
        if same_name:
            what = _difference(same_name[0], entry)
            _refuse(
                source,
                ("images", "files"),
                f"{entry['name']} is in the campaign with {what}: give the new image a name of its "
                "own, for a frame that volunteers have computed is not replaced",
            )
        new.append(image)
    unnamed = [entry for entry in before["frames"] if entry not in now["frames"]]
    return NewImages(
        images=new,
        known=len(now["frames"]) - len(new),
        unnamed=tuple(entry["name"] for entry in unnamed),
        entries=[*now["frames"], *unnamed],
    )


def with_new(
    campaign: Campaign,
    edited: Campaign,
    found: NewImages,
    progress: Callable[[int, int], None] | None,
    store: InputStore,
) -> Campaign:
    """Look at the new images alone, and return the campaign with them, on its grid.

    Raises
    ------
    InputError
        If an image cannot be used, or this version would compute them otherwise than the old ones.
    """
    old = campaign.settings
    stated = {
        **edited.settings,
        "images": found.images,
        "grid": old["grid"],
        "chosen": old.get("chosen", "the campaign"),
        "frames_per_unit": old["frames_per_unit"],
        "astrometry": old.get("astrometry", HEADER),
        PLACES: old.get(PLACES),
    }
    known = {frame["sha256"]: frame["name"] for frame in old["frames"]}
    packed = look_and_pack(replace(edited, settings=stated), progress, store, found.images, known)
    for key in _KEPT:
        if canonical_json(packed.settings[key]) != canonical_json(old.get(key, _BEFORE.get(key))):
            raise InputError(
                f"The campaign {campaign.name} was issued by another version of this software, "
                f"which had another {key!r}: issue a new campaign with all images.",
                name=campaign.name,
            )
    frames = packed.settings["frames"]
    size = packed.settings["frames_per_unit"]  # fewer where the new windows are larger
    n_unit = campaign.stop.max_units + math.ceil(len(frames) / size)
    content = {**json.loads(edited.inputs[FRAMES_FILE]), "frames": found.entries}
    return replace(
        campaign,
        settings={
            **old,
            "frames": [*old["frames"], *frames],
            "frames_per_unit": size,
            "remarks": list(dict.fromkeys([*old.get("remarks", ()), *packed.settings["remarks"]])),
        },
        inputs={**campaign.inputs, FRAMES_FILE: canonical_json(content)},
        files={**campaign.files, **packed.files},
        source=edited.source,
        units_per_generation=n_unit,
        stop=replace(campaign.stop, max_units=n_unit),
    )


def _need_same_text(campaign: Campaign, source: TomlSource) -> None:
    """Refuse a file that says anything else but of images."""
    changed = _changed(tomllib.loads(campaign.source), source.values)
    if changed is None:
        return
    key, before = changed
    was = "was not there" if before is None else f"was {_shown(before)}"
    _refuse(source, key, f"{_last(key)} {was} when the campaign was issued: {_RULE}")


def _changed(
    before: Mapping[str, Any], now: Mapping[str, Any], path: KeyPath = ()
) -> tuple[KeyPath, Any] | None:
    """Return the first key that is not as it was, and what it was."""
    for key in [*now, *(key for key in before if key not in now)]:
        here = (*path, key)
        if here in MAY_GROW:
            continue
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found = _changed(old, new, here)
            if found is not None:
                return found
        elif old != new or type(old) is not type(new):
            return here, old
    return None


def _need_same_files(
    campaign: Campaign,
    edited: Campaign,
    source: TomlSource,
    before: Mapping[str, str],
    now: Mapping[str, str],
) -> None:
    """Refuse a reference or a master frame that has been changed under its name."""
    grid = edited.settings["grid"]
    if grid is not None and canonical_json(grid) != canonical_json(campaign.settings["grid"]):
        _refuse(source, ("reference",), f"this is another grid than that of the campaign: {_RULE}")
    for name, digest in now.items():
        if before.get(name) != digest:
            _refuse(
                source,
                ("calibration", name),
                f"{name} is another file than when the campaign was issued: {_RULE}",
            )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if before["sha256"] != now["sha256"]:
        return "other bytes"
    plane = next((one for one in PLANES if before.get(one) != now.get(one)), "extension")
    return f"another {plane}"


def _refuse(source: TomlSource, key: KeyPath, message: str) -> None:
    table = ".".join(str(part) for part in (key[:-1] or key))
    line = source.line(key)
    raise InputError(
        f"{source.path}:{line}: [{table}] {message}.", path=source.path, line=line, key=key[-1]
    )


def _last(key: KeyPath) -> str:
    return str(key[-1]) if len(key) > 1 else "this section"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
