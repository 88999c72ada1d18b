"""The assimilator of ``reprojection``: canonical outputs in, one co-added image out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

from apps.images.merge.coadd.frames import Source
from apps.images.merge.coadd.measure import Grid
from apps.images.merge.coadd.options import Options
from apps.images.merge.coadd.stack import coadd
from apps.images.merge.description import Described, describe
from apps.images.merge.image_set import ImageSet
from apps.images.merge.planes import Planes
from apps.images.merge.product import ImageProduct
from apps.images.merge.reprojected import OpenOutputs, sources_of
from apps.images.merge.statistics import Statistics
from assimilator.provenance import computed_entry
from boinc_project.campaign import Campaign
from boinc_project.outputs import Canonical, Rejected


def merge(
    campaign: Campaign,
    outputs: Sequence[Canonical],
    *,
    created_at: datetime,
    rejected: Sequence[Rejected] = (),
    jobs: int = 1,
) -> ImageProduct | ImageSet:
    """Co-add the canonical outputs of a campaign, each filter by itself; their order is nothing.

    The stack is kept in files without names below ``TMPDIR``: 18 bytes for each pixel of the grid,
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
    jobs : int
        Processors that are used.

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
    made = []
    with closing(OpenOutputs()) as opened:
        sources = [source for one in ordered for source in sources_of(campaign, one, grid, opened)]
        units = tuple(_entry(one, opened) for one in ordered)
        groups = by_filter(sources, _filters(ordered), options.filters)
        for name, group in groups:
            planes = Planes(grid, scratch)
            coadded = None
            if group:
                coadded = coadd(group, grid, options, planes, scratch=scratch, jobs=jobs)
            described = Described()
            if coadded is not None:
                described = describe(campaign, coadded, planes, several=len(groups) > 1)
            image = ImageProduct(
                campaign=campaign,
                options=options,
                coadded=coadded,
                described=described,
                planes=planes,
                statistics=Statistics.of(planes) if coadded else Statistics(0, 0, 0, 0, None),
                units=units,
                rejected=tuple(rejected),
                created_at=created_at,
                filter=name,
            )
            made.append(image)
    return made[0] if len(made) == 1 else ImageSet(tuple(made))


def by_filter(
    sources: Sequence[Source], filters: Sequence[str], how: str
) -> list[tuple[str, list[Source]]]:
    """Return the frames of each filter, in the order of the filters' names; one group if none.

    Parameters
    ----------
    sources : Sequence[Source]
        All frames.
    filters : Sequence[str]
        Of each; empty if it is not known.
    how : str
        ``apart``, or ``together`` for one group whatever the filters.
    """
    names = sorted(set(filters))
    if len(names) > 1 and how == "apart":
        return [
            (name, [one for one, its in zip(sources, filters, strict=True) if its == name])
            for name in names
        ]
    return [(names[0] if len(names) == 1 else "", list(sources))]


def _filters(outputs: Sequence[Canonical]) -> list[str]:
    return [str(f.get("filter") or "") for one in outputs for f in one.unit.settings["frames"]]


def _entry(canonical: Canonical, opened: OpenOutputs) -> dict[str, object]:
    with opened.reading(canonical.path) as output:
        counted = {"n_pixel": output.n_pixel, "frames": [frame.name for frame in output.frames]}
        return computed_entry(canonical, output, output.content_digest, counted)
