"""The assimilator of ``reprojection``: canonical outputs in, one co-added image out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from assimilator.coadd.measure import Grid
from assimilator.coadd.options import Options
from assimilator.coadd.stack import Coadded, coadd
from assimilator.image_description import Described, describe
from assimilator.image_planes import Planes
from assimilator.image_product import ImageProduct, Statistics
from assimilator.outputs import Canonical, Rejected
from assimilator.provenance import computed_entry
from assimilator.reprojected import OpenOutputs, sources_of
from boinc_project.campaign import Campaign


def merge(
    campaign: Campaign,
    outputs: Sequence[Canonical],
    *,
    created_at: datetime,
    rejected: Sequence[Rejected] = (),
) -> ImageProduct:
    """Co-add the canonical outputs of a campaign; their order does not matter.

    The stack is kept in files without names below ``TMPDIR``: 16 bytes for each pixel of the grid,
    and while it is made 8 bytes for each pixel of one row of tiles of all frames.

    Parameters
    ----------
    campaign : Campaign
        Prepared: its settings are those of its units.
    outputs : Sequence[Canonical]
        Any number, also none; one for each unit.
    created_at : datetime
        Aware; written into the product, and the only thing that may differ between two merges.
    rejected : Sequence[Rejected]
        For the provenance.

    Raises
    ------
    OutputError
        If an output cannot be read, is not of its unit, or has no pixels.
    UnitError
        If the campaign's settings are not usable.
    """
    options = Options.from_mapping(campaign.settings.get("coadd", {}))
    size = campaign.settings["grid"]
    grid = Grid(int(size["nx"]), int(size["ny"]))
    ordered = sorted(outputs, key=lambda one: (one.unit.generation, one.unit.index))
    scratch = Path(tempfile.gettempdir())
    planes = Planes(grid, scratch)
    coadded: Coadded | None = None
    described = Described()
    with closing(OpenOutputs()) as opened:
        sources = [source for one in ordered for source in sources_of(campaign, one, grid, opened)]
        units = tuple(_entry(one, opened) for one in ordered)
        if sources:
            coadded = coadd(sources, grid, options, planes, scratch=scratch)
            described = describe(campaign, coadded, planes)
    return ImageProduct(
        campaign=campaign,
        options=options,
        coadded=coadded,
        described=described,
        planes=planes,
        statistics=Statistics.of(planes) if coadded else Statistics(0, 0, 0, 0, None),
        units=units,
        rejected=tuple(rejected),
        created_at=created_at,
    )


def _entry(canonical: Canonical, opened: OpenOutputs) -> dict[str, object]:
    output = opened.get(canonical.path)
    counted = {"n_pixel": output.n_pixel, "frames": [frame.name for frame in output.frames]}
    return computed_entry(canonical, output, output.content_digest, counted)
