"""The catalogue of a stack: its sources on the sky, their magnitudes, and its two files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.header import ImageHeaders, unit_card
from apps.images.merge.sky_grid import SkyGrid, read_sky_grid
from apps.images.merge.sources import FLAGS, Sources
from apps.images.merge.zero_point import (
    FEWEST_STARS,
    LEAST_SNR,
    Standards,
    ZeroPoint,
    fit_zero_point,
    match,
)
from boinc_project.errors import OutputError
from boinc_project.fits.cards import Card, card
from boinc_project.fits.writing import create_fits

ECSV_FILE, FITS_FILE = "catalogue.ecsv", "catalogue.fits"
LEAST_RADIUS = 1.0
"""Arcseconds within which a source and a star of a table are one, however good the seeing."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Sources on the sky.

    Attributes
    ----------
    sources : Sources
        As they are on the grid.
    ra, dec : ndarray
        ICRS, degrees, float64 (n).
    scale : float
        Side of a pixel at the middle of the grid, arcseconds.
    zero_point : ZeroPoint or None
        None if there is no table of stars, or too few of them are here.
    remark : str
        Why there is no zero point although there is a table; else empty.
    """

    sources: Sources
    ra: Doubles
    dec: Doubles
    scale: float
    zero_point: ZeroPoint | None
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Where a grid is: its world coordinates, and the side of a pixel at its middle, arcseconds."""

    grid: SkyGrid
    scale: float

    @classmethod
    def of(cls, cards: Iterable[str], nx: int, ny: int) -> Footprint:
        """Read a grid's cards.

        Raises
        ------
        OutputError
            If they are not of the sky.
        """
        grid = read_sky_grid(cards)
        scale = grid.scale((nx - 1) / 2, (ny - 1) / 2)
        if not math.isfinite(scale):
            raise OutputError("The middle of the grid is not on the sky.")
        return cls(grid, scale)


def make_catalogue(
    sources: Sources, footprint: Footprint, standards: Standards | None
) -> Catalogue:
    """Put sources on the sky, and measure the zero point if there are stars of known magnitude."""
    ra, dec = footprint.grid.sky(sources.x, sources.y)
    scale = footprint.scale
    if standards is None:
        return Catalogue(sources, ra, dec, scale, None)
    zero_point, remark = _zero_point(sources, ra, dec, scale, standards)
    return Catalogue(sources, ra, dec, scale, zero_point, remark)


def _zero_point(
    sources: Sources, ra: Doubles, dec: Doubles, scale: float, stars: Standards
) -> tuple[ZeroPoint | None, str]:
    good = (sources.flags == 0) & (sources.flux > LEAST_SNR * sources.flux_error)
    good &= np.isfinite(ra)
    radius = stars.radius or max(LEAST_RADIUS, scale * (sources.seeing or 0.0))
    mine, theirs = match(ra[good], dec[good], stars.ra, stars.dec, radius)
    flux, error = sources.flux[good][mine], sources.flux_error[good][mine]
    fit = fit_zero_point(flux, error, stars.magnitude[theirs], stars.error[theirs])
    if fit is None:
        return None, (
            f"The zero point was not measured: {len(mine)} good sources are stars of the table "
            f"within {radius:.2g} arcseconds, and {FEWEST_STARS} that agree are needed."
        )
    value, spread, scatter, kept = fit
    n_star = int(kept.sum())
    return ZeroPoint(
        value, spread, scatter, n_star, len(mine) - n_star, stars.band, sources.radius
    ), ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a catalogue's files.

    Attributes
    ----------
    name, unit, description : str
        For the headers; `unit` may be empty.
    values : ndarray
        (n).
    digits : int
        Places after the point that mean something; below 0: so many figures in all.
    """

    name: str
    unit: str
    description: str
    values: NDArray[Any]
    digits: int = 0

    @property
    def rounded(self) -> NDArray[Any]:
        """The values with the digits that mean something: as text they are half as long."""
        if self.values.dtype.kind != "f":
            return self.values
        if self.digits >= 0:
            return np.round(self.values, self.digits)
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.floor(np.log10(np.abs(self.values)))
        unit = 10.0 ** (np.nan_to_num(size, nan=0.0, posinf=0.0, neginf=0.0) + 1 + self.digits)
        return np.round(self.values / unit) * unit


def write_catalogue(directory: Path, catalogue: Catalogue, headers: ImageHeaders) -> None:
    """Write the catalogue as ECSV and as FITS.

    Parameters
    ----------
    directory : Path
        Where to.
    catalogue : Catalogue
        What.
    headers : ImageHeaders
        Those of the image.
    """
    unit = str(unit_card(headers.seen).value)
    columns = columns_of(catalogue, unit)
    own: list[Card] = [card("APERRAD", catalogue.sources.radius, "px, radius of the aperture")]
    own += [card(f"FLAG{bit}", meaning) for bit, meaning in FLAGS.items()]
    about = [*headers.product, *headers.observation]
    _write_ecsv(directory / ECSV_FILE, columns, [*about, *own])
    with create_fits(directory / FITS_FILE) as file:
        file.primary([card("EXTEND", True), *about])
        rows = np.empty(len(catalogue.ra), [(each.name, each.values.dtype) for each in columns])
        for each in columns:
            rows[each.name] = each.values
        units = [
            card(f"TUNIT{place}", each.unit) for place, each in enumerate(columns, 1) if each.unit
        ]
        notes = [card(f"TCOMM{place}", each.description) for place, each in enumerate(columns, 1)]
        file.table("CATALOG", rows, [*units, *notes, *own])


def _write_ecsv(path: Path, columns: Sequence[Column], cards: Sequence[Card]) -> None:
    from astropy.table import Table

    table = Table(meta={each.keyword: each.value for each in cards if each.value is not None})
    for each in columns:
        table[each.name] = each.values[:0]
        table[each.name].description = each.description
        if each.unit:
            table[each.name].unit = each.unit
    with warnings.catch_warnings(action="ignore"):  # of units that astropy does not know
        table.write(path, format="ascii.ecsv", overwrite=True)
    # Numbers have no blanks to be quoted, and astropy takes twenty times as long for their rows.
    texts = [map(repr, each.rounded.tolist()) for each in columns]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{' '.join(row)}\n" for row in zip(*texts, strict=True))


def columns_of(catalogue: Catalogue, unit: str) -> list[Column]:
    """Return the columns of a catalogue; `unit` is that of a pixel of the image."""
    sources, arcsec = catalogue.sources, catalogue.scale
    number = np.arange(1, len(sources) + 1, dtype=np.int32)
    return [
        Column("id", "", "number, the brightest first", number),
        Column("ra", "deg", "right ascension, ICRS", catalogue.ra, 8),
        Column("dec", "deg", "declination, ICRS", catalogue.dec, 8),
        Column("x", "pix", "column, 1 is the middle of the first", sources.x + 1, 4),
        Column("y", "pix", "row, 1 is the middle of the first", sources.y + 1, 4),
        Column("flux", unit, "in the circular aperture of APERRAD", sources.flux, -7),
        Column("flux_error", unit, "standard error", sources.flux_error, -4),
        Column("flux_kron", unit, "in the ellipse of Kron", sources.flux_kron, -7),
        Column("flux_kron_error", unit, "standard error", sources.flux_kron_error, -4),
        Column("fwhm", "arcsec", "twice the half-light radius", sources.fwhm * arcsec, 4),
        Column("a", "arcsec", "standard deviation, longer axis", sources.a * arcsec, 4),
        Column("b", "arcsec", "standard deviation, shorter axis", sources.b * arcsec, 4),
        Column("theta", "deg", "longer axis, from columns to rows", sources.theta, 2),
        Column("peak", unit, "highest value above the background", sources.peak, -6),
        Column("flags", "", "sum of the bits FLAGn", sources.flags),
        *_magnitudes(catalogue),
    ]


def _magnitudes(catalogue: Catalogue) -> list[Column]:
    point, sources = catalogue.zero_point, catalogue.sources
    if point is None:
        return []
    positive = sources.flux > 0
    flux = np.where(positive, sources.flux, np.nan)
    magnitude = point.value - 2.5 * np.log10(flux)
    error = 2.5 / math.log(10.0) * sources.flux_error / flux
    return [
        Column("mag", "mag", "of flux, in the band MAGZPBND", magnitude, 4),
        Column("mag_error", "mag", "standard error, without the zero point's", error, 4),
    ]
