"""A site with one campaign that has a product."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.models import CampaignRow
from tests.web_site import Site, open_site

POSTERIOR = bytes(range(256)) * 64
"""A product file of 16 kB in which every place can be told from its neighbours."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Yield a site on SQLite."""
    with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def campaign(site: Site) -> CampaignRow:
    """Make a campaign with product version 2."""
    row = site.make.campaign(site.make.app())
    site.make.product(row, version=1)
    site.make.product(row, version=2, digest="e" * 64)
    site.product_file("kepler-9", "posterior.h5", POSTERIOR)
    site.product_file("kepler-9", "summary.json", b"{}")
    return row
