"""Frames: which HDU of a FITS file is the image, and what its header says of its pixels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.io.fits.card import Undefined

from apps.images.limits import MAX_PIXELS, MAX_SIDE
from apps.images.plan.sky.failure import reason_of
from apps.images.plan.sky.header import mend_header, number_of
from boinc_project.errors import InputError, NoImageError

_TABLES = ("WCSDVARR", "D2IMARR")
"""Lookup tables of distortions lie in image extensions of these names."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """The meaning of stored integers: ``bzero + bscale * stored``; nothing is known at `blank`.

    FITS Standard 4.0, section 4.4.2.5.
    """

    bscale: float = 1.0
    bzero: float = 0.0
    blank: int | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """One image HDU of a file.

    Attributes
    ----------
    path : Path
        The file.
    hdu : int
        Number of the HDU, from 0.
    header, primary : Header
        Of that HDU, and of the file.
    nx, ny : int
        Size, pixels.
    scaling : Scaling
        Of stored integers.
    remarks : tuple[str, ...]
        Sentences about the header: what was mended, and what contradicts what.
    layers, layer : int
        Planes of a cube of colours, 1 or 3, and which of them this is, from 0.
    cell : tuple[int, int] or None
        If it is every second pixel each way of what the file has: the first column and row.
    others : int
        Images of its kind that the file has beside it, and that were not asked for.
    """

    path: Path
    hdu: int
    header: fits.Header
    primary: fits.Header
    nx: int
    ny: int
    scaling: Scaling
    remarks: tuple[str, ...] = ()
    layers: int = 1
    layer: int = 0
    cell: tuple[int, int] | None = None
    others: int = 0

    @property
    def label(self) -> str:
        """How messages call it."""
        name = str(self.header.get("EXTNAME", "")).strip()
        if self.hdu == 0:
            return str(self.path)
        return f"{self.path}[{name or self.hdu}]"

    def whole(self) -> Image:
        """Return the image as the file has it, if this is a part; its header is the part's."""
        if self.cell is None:
            return self
        ny, nx = (int(self.header[f"NAXIS{axis}"]) for axis in (2, 1))
        return replace(self, nx=nx, ny=ny, cell=None)

    def keyword(self, *names: str) -> Any:
        """Return the first of the keywords that this header or the primary one has, or None."""
        for header in (self.header, self.primary):
            for name in names:
                value = header.get(name)
                if value not in (None, "") and not isinstance(value, Undefined):
                    return value
        return None

    def number(self, *names: str) -> float | None:
        """Return the first of the keywords that is a finite number, or None."""
        for header in (self.header, self.primary):
            for name in names:
                value = number_of(header.get(name))
                if value is not None and math.isfinite(value):
                    return value
        return None

    def positive(self, *names: str) -> float | None:
        """Return what `number` does if it is above 0, else None."""
        value = self.number(*names)
        return value if value is not None and value > 0 else None


@contextmanager
def opened(path: Path) -> Iterator[fits.HDUList]:
    """Open a FITS file; whatever is wrong with it becomes one sentence.

    Raises
    ------
    InputError
        If the file is missing, no FITS file, truncated, or damaged.
    """
    try:
        with warnings.catch_warnings():
            # Odd cards are everywhere and harm nobody; a missing end is looked for below.
            warnings.simplefilter("ignore")
            with fits.open(path, memmap=False, do_not_scale_image_data=True) as hdus:
                _check_sizes(path, hdus)
                _check_length(path, hdus)
                yield hdus
    except InputError:
        raise
    except EOFError as error:
        raise InputError(_truncated(path), path=path) from error
    except Exception as error:  # each decoder that astropy calls has errors of its own
        raise InputError(
            f"{path} cannot be read as a FITS file: {reason_of(error)}.", path=path
        ) from error


def find_images(path: Path, extension: str | int | None = None) -> list[Image]:
    """Return the images of a file that a campaign means.

    Parameters
    ----------
    path : Path
        The file.
    extension : str or int, optional
        EXTNAME, of which there may be several, or number; ``"all"`` for every image; the first
        image if not given.

    Raises
    ------
    InputError
        If the file cannot be read, or has no such extension, or that one is no image.
    """
    with opened(path) as hdus:
        if extension is not None and extension != "all":
            return [_image(path, hdus, index) for index in _indices(path, hdus, extension)]
        numbers = [index for index in range(len(hdus)) if _is_image(hdus[index])]
        if not numbers:
            raise NoImageError(
                f"{path} has no image of two axes: {_listing(hdus)}. Name files with images.",
                path=path,
            )
        if extension == "all":
            return [_image(path, hdus, index) for index in numbers]
        first = numbers[0]
        same = sum(hdus[index].name == hdus[first].name for index in numbers[1:])
        # Extensions without a name may be masks or maps of the first: only their WCS tells.
        if not hdus[first].name.strip():
            same = sum("CTYPE1" in hdus[index].header for index in numbers[1:])
        return [replace(_image(path, hdus, first), others=same)]


def _check_sizes(path: Path, hdus: fits.HDUList) -> None:
    """Refuse an HDU of a negative size, from which astropy would go back and read on for ever."""
    number = 0
    while True:
        try:
            hdu = hdus[number]  # astropy reads no further than this one
        except IndexError:
            return
        if hdu.fileinfo()["datSpan"] < 0:
            raise InputError(
                f"{path} has an HDU {number} of a negative size: correct its NAXIS keywords.",
                path=path,
            )
        number += 1


def _check_length(path: Path, hdus: fits.HDUList) -> None:
    """Refuse a file that ends before its last HDU does."""
    last = hdus[len(hdus) - 1].fileinfo()
    if last["file"].compression is not None:  # by the first bytes: any name will do
        return
    size = path.stat().st_size
    end = last["datLoc"] + last["datSpan"]
    # Padding after the last pixel may be missing: some programs never write it.
    if end - size >= 2880:
        raise InputError(_truncated(path, end - size), path=path)


def _truncated(path: Path, lacking: int = 0) -> str:
    by = f": {lacking} bytes are missing" if lacking else ""
    return f"{path} is truncated{by}. Copy it again."


def _is_image(hdu: Any) -> bool:
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return False
    shape = hdu.shape
    if hdu.name.strip().upper() in _TABLES:
        return False
    if len(shape) < 2 or min(shape[-2:]) <= 1:
        return False
    return all(length == 1 for length in shape[:-2]) or _layers(hdu) == 3


def _layers(hdu: Any) -> int:
    """Return 3 for a cube of red, green and blue, else 1: three planes on no other known axis."""
    others = [length for length in hdu.shape[:-2] if length != 1]
    axis = str(hdu.header.get("CTYPE3", "")).strip().upper()
    return 3 if others == [3] and axis in ("", "RGB", "COLOR", "COLOUR", "LINEAR") else 1


def _indices(path: Path, hdus: fits.HDUList, extension: str | int) -> list[int]:
    """Return the numbers of the HDUs of a name, or the one of a number."""
    if isinstance(extension, int):
        indices = [extension] if 0 <= extension < len(hdus) else []
    else:
        wanted = extension.strip().upper()
        indices = [index for index, hdu in enumerate(hdus) if hdu.name.strip().upper() == wanted]
    if not indices:
        raise InputError(f'{path} has no extension "{extension}": {_listing(hdus)}.', path=path)
    if not all(_is_image(hdus[index]) for index in indices):
        raise InputError(
            f'The extension "{extension}" of {path} is not an image of two axes: {_listing(hdus)}.',
            path=path,
        )
    return indices


def _listing(hdus: fits.HDUList) -> str:
    """Say what a file has, for a message."""
    said = []
    for index, hdu in enumerate(hdus):
        size = " x ".join(str(length) for length in reversed(getattr(hdu, "shape", ()))) or "empty"
        if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
            size = "table"
        said.append(f"{index} {hdu.name or 'unnamed'} ({size})")
    return "it has " + ", ".join(said)


def _image(path: Path, hdus: fits.HDUList, index: int) -> Image:
    hdu = hdus[index]
    ny, nx = (int(length) for length in hdu.shape[-2:])
    header, remarks = mend_header(hdu.header)
    primary = header if index == 0 else mend_header(hdus[0].header)[0]
    image = Image(path, index, header, primary, nx, ny, Scaling(), remarks, _layers(hdu))
    if max(nx, ny) > MAX_SIDE or nx * ny > MAX_PIXELS:
        raise InputError(
            f"{image.label} claims {nx} x {ny} pixels; at most {MAX_PIXELS:,} and {MAX_SIDE:,} a "
            "side are taken.",
            path=path,
        )
    return replace(image, scaling=_scaling(image))


def _scaling(image: Image) -> Scaling:
    header = image.header
    values = {}
    for name, default in (("BSCALE", 1.0), ("BZERO", 0.0)):
        value = header.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(
                f"{image.label} has {name} = {value!r}, which is no number: correct the header.",
                path=image.path,
            )
        values[name] = float(value)
    if not all(math.isfinite(value) for value in values.values()) or values["BSCALE"] == 0:
        raise InputError(
            f"{image.label} has BSCALE = {values['BSCALE']:g} and BZERO = {values['BZERO']:g}: all "
            "its pixels would be the same or none a number; correct the header.",
            path=image.path,
        )
    blank = header.get("BLANK")
    floats = int(header.get("BITPIX", 8)) < 0
    if floats or isinstance(blank, bool) or not isinstance(blank, int):
        blank = None  # on floats the keyword means nothing
    return Scaling(values["BSCALE"], values["BZERO"], blank)
