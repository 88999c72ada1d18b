"""Which images a campaign has, and the masks, weights and variances that belong to them."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boinc_project.errors import InputError
from work_generator.sky.frame import Image, find_images
from work_generator.toml_source import TomlTable

PLANES = ("mask", "weight", "variance")
SUFFIXES = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz", ".fz")
MOST_IMAGES = 100_000
_MOST_NAME = 60


@dataclass(frozen=True, slots=True)
class Listed:
    """An image of a campaign, and what it is called there."""

    image: Image
    name: str


def list_images(table: TomlTable, directory: Path) -> list[Listed]:
    """Return the images that ``files`` and ``extension`` name, sorted by path and HDU.

    Raises
    ------
    InputError
        If a pattern finds nothing, or a file is no FITS file with such an image.
    """
    paths: dict[Path, None] = {}
    for pattern in table.texts("files", example='["night/*.fits"]'):
        found = _matching(directory, pattern)
        if not found:
            table.fail("files", f'no file matches "{directory / pattern}": correct the path')
        paths.update(dict.fromkeys(found))
    extension = read_extension(table)
    listed = []
    for path in sorted(paths):
        try:
            images = find_images(path, extension)
        except InputError as error:
            table.fail("extension" if "extension" in table else "files", error.message.rstrip("."))
        listed += [Listed(image, _name(image, len(images) > 1)) for image in images]
    if len(listed) > MOST_IMAGES:
        table.fail("files", f"{len(listed)} images are more than {MOST_IMAGES}: make two campaigns")
    return listed


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
    if "weight" in table and "variance" in table:
        table.fail("weight", "a weight is one over a variance: write weight or variance, not both")
    found = {}
    for plane in PLANES:
        if plane in table:
            example = f'{plane} = {{ extension = "DQ" }}'
            stated = table.table(plane, ("extension", "replace", "files"), example=example)
            found[plane] = _plane(stated, directory, listed)
    return found


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
    found = []
    for one, path in zip(listed, paths, strict=True):
        try:
            images = find_images(path, one.image.hdu if extension is None else extension)
        except InputError as error:
            table.fail(None, error.message.rstrip("."))
        image = _of_the_same_version(images, one.image)
        if image is None:
            table.fail(
                None,
                f"{path} has {len(images)} extensions of that name, and none of them has the "
                f"EXTVER of {one.image.label}: name one, or correct the file",
            )
        if (image.nx, image.ny) != (one.image.nx, one.image.ny):
            table.fail(
                None,
                f"{image.label} has {image.nx} x {image.ny} pixels, its image {one.name} "
                f"{one.image.nx} x {one.image.ny}: name the right file or extension",
            )
        found.append({"path": str(image.path), "hdu": image.hdu})
    return found


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
        for one in listed:
            if old not in one.image.path.name:
                table.fail("replace", f'the name of {one.image.path} has no "{old}" to replace')
        if "/" in new or any(one.image.path.name == old and not new for one in listed):
            table.fail("replace", f'"{new}" for "{old}" gives no name of a file: correct it')
        return [one.image.path.with_name(one.image.path.name.replace(old, new)) for one in listed]
    if "files" in table:
        patterns = table.texts("files", example='["masks/*.fits"]')
        paths = sorted({path for pattern in patterns for path in _matching(directory, pattern)})
        if len(paths) != len(listed):
            table.fail(
                "files",
                f"there are {len(paths)} files here for {len(listed)} images: name one each",
            )
        return paths
    if "extension" not in table:
        table.fail(None, 'write where it is, for example { extension = "DQ" }')
    return [one.image.path for one in listed]


def _matching(directory: Path, pattern: str) -> list[Path]:
    """Return the files of a pattern, or of a folder."""
    path = directory / pattern
    if path.is_dir():
        return sorted(one for one in path.iterdir() if one.name.lower().endswith(SUFFIXES))
    if path.is_file():
        return [path]
    # Path.glob takes no absolute patterns.
    matches = glob.glob(pattern, root_dir=directory, recursive=True)  # noqa: PTH207
    return sorted(directory / one for one in matches if (directory / one).is_file())


def _name(image: Image, several: bool) -> str:
    """Return what people see: the file's name, and the extension if the file has several."""
    name = image.path.name
    if several:
        name += f"[{image.header.get('EXTNAME') or ''}{image.hdu}]"
    plain = (one if one.isascii() and one.isprintable() and one != "'" else "?" for one in name)
    return "".join(plain)[-_MOST_NAME:]
