"""Which images a campaign has, and the masks, weights, variances and errors that belong to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.images.plan.file_search import matching
from apps.images.plan.remarks import Remarks
from apps.images.plan.sidecar import is_sidecar, with_sidecar
from apps.images.plan.sky.colour import PATTERNS, Part, colours_of, mosaic_pattern, part_of
from apps.images.plan.sky.frame import Image, find_images
from apps.images.plan.sky.observation import Observation, observation
from boinc_project.errors import InputError, NoImageError
from boinc_project.toml_source import TomlTable

PLANES = ("mask", "weight", "variance", "error")
COLOURS = ("split", "grey")
MOST_IMAGES = 100_000
_MOST_NAME = 60


@dataclass(frozen=True, slots=True)
class Listed:
    """An image of a campaign, and what it is called there.

    Attributes
    ----------
    image : Image
        Of one colour, if the file has several.
    name : str
        For people.
    seen : Observation
        What its header says.
    part : Part or None
        Which colour it is.
    whole : Image
        The image as the file has it, of all colours.
    """

    image: Image
    name: str
    seen: Observation
    part: Part | None
    whole: Image

    @property
    def filter(self) -> str:
        """The filter, or the colour of a file of several."""
        return self.seen.filter if self.part is None else self.part.filter


def list_images(table: TomlTable, directory: Path, remarks: Remarks) -> list[Listed]:
    """Return the images that ``files`` and ``extension`` name, sorted by path and HDU.

    Parameters
    ----------
    table : TomlTable
        ``[images]``.
    directory : Path
        Patterns are relative to it.
    remarks : Remarks
        Told what is left out, and what headers say that is odd.

    Raises
    ------
    InputError
        If a pattern finds nothing, or a file is no FITS file with such an image.
    """
    extension = read_extension(table)
    colour = table.text("colour", example="split", default="split")
    if colour not in (*COLOURS, *PATTERNS):
        known = ", ".join((*COLOURS, *PATTERNS))
        table.fail("colour", f'there is no colour "{colour}": write one of {known}')
    filter_key = table.text("filter", example="FILTER", default="")
    listed = []
    paths = _paths(table, directory, remarks)
    for path, chosen in sorted(paths.items()):
        if is_sidecar(path) and not chosen:
            remarks.add("It is left out, because it has coordinates and no image.", path.name)
            continue
        try:
            images = find_images(path, extension)
            for image in images:
                solved = with_sidecar(image, remarks)
                listed += _listed(solved, len(images) > 1, colour, filter_key, remarks)
        except NoImageError as error:
            if chosen:
                table.fail("files", error.message.rstrip("."))
            remarks.add("It is left out, because it has no image of two axes.", path.name)
        except InputError as error:
            table.fail("extension" if "extension" in table else "files", error.message.rstrip("."))
    if filter_key and listed and not any(image.seen.filter for image in listed):
        table.fail("filter", f"no image has {filter_key} in its header: correct the keyword")
    if not listed:
        table.fail("files", "none of the files has an image of the sky: name others")
    if len(listed) > MOST_IMAGES:
        table.fail("files", f"{len(listed)} images are more than {MOST_IMAGES}: make two campaigns")
    return listed


def _paths(table: TomlTable, directory: Path, remarks: Remarks) -> dict[Path, bool]:
    """Return the files, and whether each was named by more than its folder."""
    paths: dict[Path, bool] = {}
    for pattern in table.texts("files", example='["night/*.fits"]'):
        matched = matching(directory, pattern, remarks)
        if not matched:
            table.fail("files", f'no file matches "{directory / pattern}": correct the path')
        for path in matched:
            paths[path] = paths.get(path, False) or not (directory / pattern).is_dir()
    return paths


def _listed(
    image: Image, several: bool, colour: str, filter_key: str, remarks: Remarks
) -> list[Listed]:
    """Return an image as the campaign has it: by its colours, or not at all."""
    name = _name(image, several)
    seen = observation(image, filter_key)
    if seen.kind:
        remarks.add(f"It is left out, because it is no image of the sky but: {seen.kind}.", name)
        return []
    for sentence in image.remarks:
        remarks.add(sentence, name)
    if image.others and not several:
        remarks.add(
            'The first of several images is taken; write extension = "all", or a name of theirs, '
            "for more.",
            name,
        )
    if colour == "grey" and image.layers == 1:
        if mosaic_pattern(image):
            remarks.add("A mosaic of colours is taken as grey.", name)
        return [Listed(image, name, seen, None, image)]
    parts = colours_of(image, colour if colour in PATTERNS else "")
    if not parts:
        return [Listed(image, name, seen, None, image)]
    into = "planes" if image.layers > 1 else "a mosaic of colours, each site an image of its own"
    remarks.add(f"Its colours are taken apart: {into}.", name)
    return [
        Listed(part_of(image, part), f"{name[: _MOST_NAME - 4]}[{part.name}]", seen, part, image)
        for part in parts
    ]


def read_planes(
    table: TomlTable, directory: Path, listed: Sequence[Listed]
) -> dict[str, list[dict[str, Any]]]:
    """Return for each kind of plane that the table names where each image's is: path and HDU.

    A plane is stated in one of three ways: ``{ extension = "DQ" }`` of the same file,
    ``{ replace = ["_ooi_", "_oow_"] }`` in the file's name, or ``{ files = [...] }``, sorted as the
    images are. With ``replace`` and ``files``, ``extension`` says which; else it is that of the
    image.

    Raises
    ------
    InputError
        If one is missing, or has another size than its image.
    """
    spreads = [plane for plane in ("weight", "variance", "error") if plane in table]
    if len(spreads) > 1:
        table.fail(
            spreads[0],
            "a weight is one over a variance, and that is the square of an error: write one of "
            "weight, variance and error",
        )
    planes = {}
    for plane in PLANES:
        if plane in table:
            example = f'{plane} = {{ extension = "DQ" }}'
            stated = table.table(plane, ("extension", "replace", "files"), example=example)
            planes[plane] = _plane(stated, directory, listed)
    return planes


def read_extension(table: TomlTable, *, example: str = "SCI") -> str | int | None:
    """Return which extension a table names: an EXTNAME, a number, or None."""
    value = table.values.get("extension")
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        table.fail(
            "extension", f'extension must be a name or a number: write extension = "{example}"'
        )
    return value


def _plane(table: TomlTable, directory: Path, listed: Sequence[Listed]) -> list[dict[str, Any]]:
    paths = _plane_paths(table, directory, listed)
    extension = read_extension(table, example="DQ")
    stated = []
    for entry, path in zip(listed, paths, strict=True):
        try:
            images = find_images(path, entry.whole.hdu if extension is None else extension)
        except InputError as error:
            table.fail(None, error.message.rstrip("."))
        image = _of_the_same_version(images, entry.whole)
        if image is None:
            table.fail(
                None,
                f"{path} has {len(images)} extensions of that name, and none of them has the "
                f"EXTVER of {entry.whole.label}: name one, or correct the file",
            )
        if (image.nx, image.ny) != (entry.whole.nx, entry.whole.ny):
            table.fail(
                None,
                f"{image.label} has {image.nx} x {image.ny} pixels, its image {entry.name} "
                f"{entry.whole.nx} x {entry.whole.ny}: name the right file or extension",
            )
        stated.append({"path": str(image.path), "hdu": image.hdu})
    return stated


def _of_the_same_version(images: Sequence[Image], wanted: Image) -> Image | None:
    """Return the one of several extensions of a name that belongs to an image, by its EXTVER."""
    if len(images) == 1:
        return images[0]
    version = wanted.header.get("EXTVER", 1)
    same = [image for image in images if image.header.get("EXTVER", 1) == version]
    return same[0] if len(same) == 1 else None


def _plane_paths(table: TomlTable, directory: Path, listed: Sequence[Listed]) -> list[Path]:
    if "replace" in table and "files" in table:
        table.fail("files", "write replace or files, not both")
    if "replace" in table:
        pair = table.texts("replace", example='["_ooi_", "_oow_"]')
        if len(pair) != 2 or not pair[0]:
            table.fail("replace", 'replace must be two texts: write replace = ["_ooi_", "_oow_"]')
        old, new = pair
        for entry in listed:
            if old not in entry.whole.path.name:
                table.fail("replace", f'the name of {entry.whole.path} has no "{old}" to replace')
        if "/" in new or any(entry.whole.path.name == old and not new for entry in listed):
            table.fail("replace", f'"{new}" for "{old}" gives no name of a file: correct it')
        return [
            entry.whole.path.with_name(entry.whole.path.name.replace(old, new)) for entry in listed
        ]
    if "files" in table:
        patterns = table.texts("files", example='["masks/*.fits"]')
        paths = sorted(
            {path for pattern in patterns for path in matching(directory, pattern, Remarks())}
        )
        # The colours of one file share its planes.
        wholes = list(dict.fromkeys((entry.whole.path, entry.whole.hdu) for entry in listed))
        if len(paths) != len(wholes):
            table.fail(
                "files",
                f"there are {len(paths)} files here for {len(wholes)} images: name one each",
            )
        of = dict(zip(wholes, paths, strict=True))
        return [of[entry.whole.path, entry.whole.hdu] for entry in listed]
    if "extension" not in table:
        table.fail(None, 'write where it is, for example { extension = "DQ" }')
    return [entry.whole.path for entry in listed]


def _name(image: Image, several: bool) -> str:
    """Return what people see: the file's name, and the extension if the file has several."""
    name = image.path.name
    if several:
        name += f"[{image.header.get('EXTNAME') or ''}{image.hdu}]"
    plain = (
        letter if letter.isascii() and letter.isprintable() and letter != "'" else "?"
        for letter in name
    )
    return "".join(plain)[-_MOST_NAME:]
