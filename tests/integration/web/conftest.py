"""A site with an empty database, and one with somebody and something on every page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from boinc_project.states import (
    ClientState,
    Outcome,
    ServerState,
    ValidateState,
)
from server.db import Database
from server.models import AppVersion, CampaignRow, Host, Result, User, Workunit
from tests.factories import PASSWORD, VALID
from tests.web_site import Site, open_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Yield a site on SQLite."""
    with open_site(tmp_path) as opened:
        yield opened


@pytest.fixture
def both_site(tmp_path: Path, database: Database) -> Iterator[Site]:
    """Yield a site, once on SQLite and once on PostgreSQL."""
    with open_site(tmp_path / "project", database) as opened:
        yield opened


@dataclass
class People:
    """Ann, whose pages are looked at, and Ben, of whom she must see nothing."""

    ann: User
    ben: User
    ann_host: Host
    ben_host: Host
    version: AppVersion
    campaign: CampaignRow
    workunit: Workunit
    failed: Result
    other: Result


@pytest.fixture
def people(both_site: Site) -> People:
    """Fill a site: two volunteers, one campaign, tasks in several states, a product."""
    make = both_site.make
    ann = make.user("Ann", password=PASSWORD, total_credit=50.0, expavg_credit=5.0)
    ben = make.user("Benedict", password=PASSWORD)
    ann_host, ben_host = make.host(ann), make.host(ben, domain_name="bens-secret-laptop")
    app = make.app()
    version = make.app_version(app)
    make.record(ann_host, version, n_valid=7, n_error=1)
    campaign = make.campaign(app)
    for _ in range(3):
        make.valid_workunit(campaign, [ann_host, ben_host])
    workunit = make.workunit(campaign)
    failed = make.result(
        workunit,
        ann_host,
        app_version_id=version.id,
        server_state=ServerState.OVER,
        outcome=Outcome.CLIENT_ERROR,
        client_state=ClientState.COMPUTE_ERROR,
        exit_status=13,
        stderr_out="<script>alert(1)</script> & more",
    )
    other = make.result(
        workunit,
        ben_host,
        instance=1,
        app_version_id=version.id,
        **VALID | {"validate_state": ValidateState.INCONCLUSIVE},
    )
    make.event(workunit, "sent", hostid=ann_host.id, resultid=failed.id)
    make.event(workunit, "sent", hostid=ben_host.id, resultid=other.id)
    make.event(workunit, "failed", hostid=ann_host.id, resultid=failed.id)
    make.product(campaign, version=3)
    make.daemon("validator")
    for name in ("oc.png", "corner.png", "posterior.h5", "summary.json"):
        both_site.product_file("kepler-9", name, name.encode())
    return People(ann, ben, ann_host, ben_host, version, campaign, workunit, failed, other)
