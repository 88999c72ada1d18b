"""World coordinates that a solver has written beside an image, in a file of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from astropy.io.fits import Card, Header

from apps.images.plan.remarks import Remarks
from apps.images.plan.sky.frame import Image
from apps.images.plan.sky.header import mend_header
from boinc_project.errors import InputError

SUFFIX = ".wcs"
_COORDINATES = re.compile(
    r"(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA)[12]|(CD|PC|PV)[12]_\d+|(A|B|AP|BP)_(\d+_\d+|ORDER)|"
    r"WCSAXES|LONPOLE|LATPOLE|EQUINOX|RADESYS"
)


def is_sidecar(path: Path) -> bool:
    """Whether a file is named as astrometry.net and ASTAP name coordinates beside an image."""
    return path.suffix.lower() == SUFFIX


def with_sidecar(image: Image, remarks: Remarks) -> Image:
    """Return an image with the coordinates of the file beside it, if its header has none.

    Parameters
    ----------
    image : Image
        The first of its file; others have no file beside them.
    remarks : Remarks
        Told of the file.

    Raises
    ------
    InputError
        If the file beside it has no coordinates.
    """
    if image.hdu or any(str(image.header.get(f"CTYPE{axis}", "")).strip() for axis in (1, 2)):
        return image
    beside = _beside(image.path)
    if beside is None:
        return image
    stated, said = mend_header(Header(_cards(beside)))
    header = image.header.copy()
    for card in stated.cards:
        header[card.keyword] = card.value
    if "CTYPE1" not in header:
        raise InputError(f"{beside} has no coordinates for {image.label}: solve it again.")
    remarks.add("Its coordinates are those of the .wcs file beside it.", image.path.name)
    return replace(image, header=header, remarks=(*image.remarks, *said))


def _cards(path: Path) -> list[Card]:
    """Return the cards of coordinates of a header, as FITS or as text; others may be anything."""
    text = path.read_bytes().decode("latin1")
    lines = text.splitlines() if "\n" in text else re.findall(r".{80}", text)
    return [
        Card.fromstring(line.ljust(80)[:80])
        for line in lines
        if _COORDINATES.fullmatch(line[:8].strip())
    ]


def _beside(path: Path) -> Path | None:
    name = path.name
    while "." in name:
        name = name.rpartition(".")[0]
        beside = path.with_name(name + SUFFIX)
        if beside.is_file():
            return beside
    return None
