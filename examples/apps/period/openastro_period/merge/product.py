"""From canonical outputs to a product."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from assimilator.reported import ReportedProduct
from boinc_project.campaign import Campaign
from boinc_project.outputs import Canonical, Rejected
from boinc_project.report import Picture
from openastro_period.compute.app import table_of
from openastro_period.curves import read_curves
from openastro_period.merge.pictures import picture
from openastro_period.merge.report import ERRORS, report
from openastro_period.merge.tables import (
    ephemeris_toml,
    period_row,
    periods_csv,
    periods_ecsv,
    spectra_csv,
)
from openastro_period.merge.target import Target, read_target
from openastro_period.output import read_output
from openastro_period.settings import Search, read_search

N_PICTURE = 24
"""Targets with a picture: those of highest power. A page with more is read by nobody."""


def merge(
    campaign: Campaign,
    outputs: Sequence[Canonical],
    *,
    created_at: datetime,
    rejected: Sequence[Rejected] = (),
) -> ReportedProduct:
    """Return the product of a campaign's outputs, in any order."""
    settings, search = campaign.settings, read_search(campaign.settings["search"])
    ordered = sorted(outputs, key=lambda output: output.unit.index)
    targets = [target for output in ordered for target in _targets(campaign, output, search)]
    rows = [period_row(target, settings) for target in targets]
    files = {
        "periods.csv": periods_csv(rows),
        "periods.ecsv": periods_ecsv(rows, [ERRORS]),
        "spectra.csv": spectra_csv(targets, search),
        "ephemeris.toml": ephemeris_toml(rows, settings["time_zero"]),
    }
    pictures = []
    best = sorted(targets, key=lambda target: (-target.power, target.name))[:N_PICTURE]
    is_magnitude = settings["value"] == "magnitude"
    for number, target in enumerate(best, 1):
        slug = re.sub(r"[^A-Za-z0-9]+", "-", target.name).strip("-")[:40]
        name = f"folded-{number:02d}-{slug}.png"
        files[name] = picture(target, search.grid, search.n_terms, is_magnitude=is_magnitude)
        pictures.append(Picture(name, f"{target.name}: spectrum, and light curve by phase"))
    return ReportedProduct(
        campaign=campaign,
        outputs=ordered,
        report=report(targets, search, settings, pictures),
        files=files,
        created_at=created_at,
        rejected=rejected,
    )


def _targets(campaign: Campaign, output: Canonical, search: Search) -> list[Target]:
    curves = read_curves(campaign.inputs[table_of(output.unit)])
    results = read_output(output.unit, output.path)
    return [
        read_target(curve, result, search) for curve, result in zip(curves, results, strict=True)
    ]
