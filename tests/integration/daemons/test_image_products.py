"""Images on the server: from canonical outputs to files, rows, pages and the end of a campaign."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from lxml import html
from sqlalchemy import select

from boinc_project.states import AssimilateState, CampaignState, ValidateState
from server.app import create_app
from server.daemons import assimilator, work_generator
from server.models import App, CampaignRow, Event, ProductRow, Result, Workunit
from server.project import SESSION_KEY_FILE
from server.services.products import MERGE_INTERVAL
from tests.integration.daemons.conftest import Shop
from tests.reprojected import campaign, unit_of, write_output
from tests.sky_frames import Exposure, Field
from work_generator.definition import to_definition

FIELD = Field(size=160, n_star=9, seed=3)
N_UNIT = 5


@dataclass
class ImageShop:
    """A campaign of five frames, whose outputs the validator has believed."""

    shop: Shop
    directory: Path
    workunits: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        number = self.shop.add_campaign("field")
        with self.shop.project.database.write() as session:
            session.scalars(select(App)).one().name = "reprojection"
            row = session.get_one(CampaignRow, number)
            row.definition = to_definition(campaign(160, N_UNIT))
            row.next_generation, row.merge_wanted = 1, False
        for index in range(N_UNIT):
            frame = FIELD.expose(index, Exposure(scale=1 + 0.1 * index))[0].frame
            unit = unit_of(campaign(160, N_UNIT), index, [frame])
            write_output(self.directory / f"{index}.fits", unit, [frame])
            workunit = self.shop.add_workunit(
                unit.name,
                campaign="field",
                inputs={"unit.json": unit.to_bytes()},
                min_quorum=1,
                target_nresults=1,
            )
            with self.shop.project.database.write() as session:
                session.get_one(Workunit, workunit).unit_digest = unit.digest
            self.workunits.append(workunit)
        self.shop.settle()

    def finish(self, index: int) -> None:
        """Have a unit computed, and its first result believed."""
        workunit = self.workunits[index]
        instance = self.shop.state(workunit).results[0].instance
        self.shop.send(workunit, instance)
        path = self.shop.succeed(workunit, instance)
        shutil.copyfile(self.directory / f"{index}.fits", path)
        with self.shop.project.database.write() as session:
            row = session.get_one(Workunit, workunit)
            result = session.scalars(
                select(Result).where(Result.workunitid == workunit, Result.instance == instance)
            ).one()
            result.validate_state, result.validate_reason = (
                ValidateState.VALID,
                "It agrees with itself.",
            )
            row.canonical_resultid, row.need_validate = result.id, False
            row.assimilate_state = AssimilateState.READY

    def merge(self) -> list[int]:
        """Let the assimilator work; return the units in each product so far."""
        assimilator.one_pass(self.shop.project)
        with self.shop.project.database.read() as session:
            return list(session.scalars(select(ProductRow.n_unit).order_by(ProductRow.version)))


@pytest.fixture
def work(shop: Shop, tmp_path: Path) -> ImageShop:
    directory = tmp_path / "outputs"
    directory.mkdir()
    return ImageShop(shop, directory)


def test_an_image_is_made_again_when_it_has_doubled_or_all_is_in(work: ImageShop) -> None:
    merged = []
    for index in range(N_UNIT):
        work.finish(index)
        work.shop.clock.now += MERGE_INTERVAL
        merged.append(work.merge())
    assert merged == [[1], [1, 2], [1, 2], [1, 2, 4], [1, 2, 4, 5]]


def test_the_product_is_kept_and_shown_and_ends_the_campaign(work: ImageShop) -> None:
    project = work.shop.project
    key = project.key_path(SESSION_KEY_FILE)
    key.parent.mkdir(parents=True, exist_ok=True)
    key.write_bytes(bytes(32))
    work.finish(0)
    work.merge()
    client = create_app(project.settings, database=project.database).test_client()
    page = client.get("/campaigns/field").text
    assert "all frames in: no" in page
    assert "4 of 5 units are not in the image." in page
    for index in range(1, N_UNIT):
        work.finish(index)
    assert work.merge() == [1, 5]
    directory = project.settings.path("products") / "field"
    with project.database.read() as session:
        row = session.scalars(select(ProductRow).where(ProductRow.version == 2)).one()
        (first, second) = session.scalars(
            select(Event).where(Event.kind == "merged").order_by(Event.id)
        ).all()
        assert (row.n_draw, row.converged) == (0, True)
        assert row.summary == json.loads((directory / "summary.json").read_text())
        assert first.reason == "1 outputs are merged. 4 of 5 units are not in the image."
        assert second.reason == "5 outputs are merged. All 5 frames are in the image."
    assert work_generator.one_pass(project) > 0
    with project.database.read() as session:
        ended = session.scalars(select(CampaignRow).where(CampaignRow.name == "field")).one()
        assert ended.state == CampaignState.COMPLETE.value
        assert ended.end_reason == "All 5 units are done and merged."
    _shown(client)


def _shown(client: FlaskClient) -> None:
    """Look at pages and API of the finished image."""
    page = client.get("/campaigns/field").text
    assert "All 5 frames are in the image." in page
    assert "all frames in: yes" in page
    assert "Every frame of the campaign is in." in page
    assert "converged" not in page
    assert "R-hat" not in page
    for name in ("preview.png", "coverage.png", "image.fits", "rejected.fits"):
        assert f"/product/{name}" in page
    found = client.get("/api/v1/campaigns/field").get_json()
    image = found["product"]["image"]
    assert (image["n_frame"], image["nx"], image["exposure"]) == (5, 160, 300.0)
    assert image["n_source"] == 9
    assert image["zero_point"] is None
    assert "<dt>Sources</dt><dd>9</dd>" in page
    listed = client.get("/campaigns").text
    assert "all frames in: yes" in listed
    assert '<span class="badge complete">complete</span>' in listed
    assert "The image, with north, east and a scale" in page
    assert found["judgement"] == "all frames in"
    assert found["product"]["report"]["words"][0]["holds"] is True
    (form,) = html.fromstring(page).xpath("//form[@class='cutout']")
    cut = client.get(form.get("action"), query_string={"ra": "150", "dec": "2", "size": "20"})
    assert cut.mimetype == "application/fits"
    assert (found["product_kind"], found["product"]["verdict"]) == ("image", None)
    assert found["stop_rule"] == {"max_units": 5}
    listed = client.get("/api/v1/campaigns/field/product").get_json()
    kinds = {one["name"]: one["media_type"] for one in listed["files"]}
    assert kinds["image.fits"] == "application/fits"
    assert kinds["preview.png"] == "image/png"
    assert kinds["catalogue.ecsv"].startswith("text/plain")
    picture = client.get("/api/v1/campaigns/field/product/preview.png", buffered=True)
    assert picture.data.startswith(b"\x89PNG")
