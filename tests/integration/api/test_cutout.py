"""Squares of an image, asked of a server and of a directory."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from astropy.io import fits

from apps.images.merge.canonical import merge
from server.cli import main
from server.models import CampaignRow
from tests.reprojected import campaign as made_campaign
from tests.reprojected import canonicals
from tests.sky_frames import Exposure, Field
from tests.web_site import Site, served

ADDRESS = "/api/v1/campaigns/kepler-9/cutout"
SCALE = 3600 * 3e-4
PLACE = "ra=150&dec=2"


@pytest.fixture
def image(site: Site, campaign: CampaignRow, tmp_path: Path) -> Path:
    """Put the files of an image where the campaign's product is."""
    of = made_campaign(200, 1)
    frame = Field(size=200, n_star=9, seed=4).expose(0, Exposure())[0].frame
    directory = site.settings.path("products") / "kepler-9"
    merge(of, canonicals(of, tmp_path, [frame]), created_at=datetime(2026, 1, 1, tzinfo=UTC)).write(
        directory
    )
    return directory


def test_a_square_of_the_image_is_a_fits_file(site: Site, image: Path) -> None:
    answer = site.browser().get(f"{ADDRESS}?{PLACE}&size={11 * SCALE}")
    assert (answer.status_code, answer.mimetype) == (200, "application/fits")
    assert "kepler-9-image-150.00000+2.00000.fits" in answer.headers["Content-Disposition"]
    with fits.open(io.BytesIO(answer.data)) as cut, fits.open(image / "image.fits") as whole:
        assert (cut["SCI"].data == whole["SCI"].data[122:133, 122:133]).all()
    weight = site.browser().get(f"{ADDRESS}?{PLACE}&plane=weight")
    assert fits.getheader(io.BytesIO(weight.data), 1)["EXTNAME"] == "WEIGHT"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "Write ra and dec in degrees"),
        ("ra=1e3&dec=2", 400, "Write ra and dec in degrees"),
        ("ra=nan&dec=2", 400, "Write ra and dec in degrees"),
        ("ra=150&dec=92", 400, "dec from -90 to 90"),
        ("ra=150&dec=2&size=0", 400, "above 0"),
        ("ra=150&dec=2&size=99999", 400, "at most 4096 are given"),
        ("ra=150&dec=2&plane=..%2Fsummary", 400, "There is no such plane"),
        ("ra=150&dec=2&plane=flags-r", 400, "has no flags-r.fits"),
        ("ra=210&dec=2", 404, "does not reach the place 210, 2"),
    ],
)
def test_what_cannot_be_given_is_one_sentence(
    site: Site, image: Path, query: str, status: int, words: str
) -> None:
    answer = site.browser().get(f"{ADDRESS}?{query}")
    assert answer.status_code == status
    assert words in answer.get_json()["error"]["message"]


def test_a_campaign_without_an_image_has_no_cut_outs(site: Site, campaign: CampaignRow) -> None:
    answer = site.browser().get(f"{ADDRESS}?{PLACE}")
    assert (answer.status_code, answer.get_json()["error"]["status"]) == (400, 400)
    assert site.browser().get(f"/api/v1/campaigns/nothing/cutout?{PLACE}").status_code == 404


def test_the_command_line_cuts_here_and_there_alike(
    site: Site, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    near, far = tmp_path / "near.fits", tmp_path / "far.fits"
    place = ["--ra", "150", "--dec", "2", "--size", "20"]

    def run(*arguments: str) -> int:
        try:
            main(["results", "cutout", *arguments])
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    assert run(str(image), *place, "--out", str(near)) == 0
    with served(site.app) as url:
        assert run("kepler-9", *place, "--out", str(far), "--url", url) == 0
        assert run("kepler-9", "--ra", "0", "--dec", "0", "--url", url) == 2
    assert "does not reach the place" in capsys.readouterr().err
    assert near.read_bytes() == far.read_bytes()
