"""What a stack is of: its exposures taken together, its place on the sky, and its sources."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from apps.images.merge.catalogue import Catalogue, Footprint, make_catalogue, write_catalogue
from apps.images.merge.coadd.measure import Grid
from apps.images.merge.coadd.stack import Coadded
from apps.images.merge.coverage_moc import MOC_FILE, write_moc
from apps.images.merge.header import ImageHeaders
from apps.images.merge.observation import StackObservation, observe
from apps.images.merge.picture_marks import Marks
from apps.images.merge.planes import Planes
from apps.images.merge.sources import find_sources
from apps.images.merge.zero_point import TABLE_FILE, Standards, ZeroPoint
from boinc_project.campaign import Campaign
from boinc_project.errors import OutputError

CONSERVES_FLUX = "conserve"
"""The setting ``flux`` of a campaign whose pixels hold fluxes."""


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What is known of a stack beside its pixels; nothing, if there are no frames.

    Attributes
    ----------
    seen : StackObservation or None
        Its exposures taken together.
    footprint : Footprint or None
        None if the grid is not on the sky.
    catalogue : Catalogue or None
        None if it was not to be made, or could not be.
    remarks : tuple[str, ...]
        What should be known of these; one sentence each.
    """

    seen: StackObservation | None = None
    footprint: Footprint | None = None
    catalogue: Catalogue | None = None
    remarks: tuple[str, ...] = ()

    @property
    def zero_point(self) -> ZeroPoint | None:
        """The photometric zero point; None if it was not measured."""
        return None if self.catalogue is None else self.catalogue.zero_point

    def summary(self) -> dict[str, Any]:
        """Return the entries of a summary, as plain JSON values."""
        point, catalogue = self.zero_point, self.catalogue
        sources = None if catalogue is None else catalogue.sources
        seeing = None if sources is None else sources.seeing
        return {
            "observation": None if self.seen is None else asdict(self.seen),
            "pixel_scale": None if self.footprint is None else self.footprint.scale,
            "n_source": None if sources is None else len(sources),
            "seeing": None if seeing is None or catalogue is None else seeing * catalogue.scale,
            "zero_point": None if point is None else point.as_json(),
        }

    def marks(self, grid: Grid) -> Marks | None:
        """Return what the picture of a grid is labelled with; None if it is not on the sky."""
        if self.footprint is None:
            return None
        x, y = (grid.nx - 1) / 2, (grid.ny - 1) / 2
        sky = self.footprint.grid
        ra, dec = sky.sky(np.array([x]), np.array([y]))
        north, east = sky.north_and_east(x, y)
        return Marks(north, east, grid.nx * self.footprint.scale, float(ra[0]), float(dec[0]))

    def write(self, directory: Path, planes: Planes, headers: ImageHeaders) -> None:
        """Write the catalogue and the footprint, as far as there are any."""
        if self.catalogue is not None:
            write_catalogue(directory, self.catalogue, headers)
        if self.footprint is not None:
            size = (planes.grid.nx, planes.grid.ny)
            counts = planes.rows("count")
            scale = self.footprint.scale
            write_moc(directory / MOC_FILE, counts, size, self.footprint.grid, scale)


def describe(
    campaign: Campaign, coadded: Coadded, planes: Planes, *, several: bool = False
) -> Described:
    """Return what is known of a stack.

    Parameters
    ----------
    campaign : Campaign
        Its setting ``catalogue`` says whether sources are looked for; its input ``photometry.json``
        has stars of known magnitude.
    coadded : Coadded
        The frames.
    planes : Planes
        The stack.
    several : bool
        Whether the campaign has images of several filters: stars of known magnitude are then those
        of the image whose filter is called as their band.
    """
    matched = coadded.matched
    conserves = campaign.settings.get("flux", CONSERVES_FLUX) == CONSERVES_FLUX
    seen = observe(
        coadded.sources, matched.weight, matched.scale, matched.reference, conserves_flux=conserves
    )
    grid = campaign.settings["grid"]
    try:
        footprint = Footprint.of(grid.get("cards", ()), int(grid["nx"]), int(grid["ny"]))
    except OutputError as error:
        return Described(seen, remarks=(f"{error.message} There is no catalogue.",))
    if not campaign.settings.get("catalogue", True):
        return Described(seen, footprint)
    try:
        sources = find_sources(planes, gain=seen.gain, saturation=seen.saturation)
    except ValueError as error:
        return Described(seen, footprint, remarks=(f"There is no catalogue: {error}.",))
    stars = _standards(campaign, seen.filter if several else None)
    catalogue = make_catalogue(sources, footprint, stars)
    remarks = (catalogue.remark,) if catalogue.remark else ()
    return Described(seen, footprint, catalogue, remarks)


def _standards(campaign: Campaign, of_filter: str | None) -> Standards | None:
    """Return the campaign's stars of known magnitude, if they are of this filter or it has one."""
    table = campaign.inputs.get(TABLE_FILE)
    if table is None:
        return None
    stars = Standards.read(table)
    return stars if of_filter in (None, stars.band) else None
