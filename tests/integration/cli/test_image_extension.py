"""``openastro campaign extend``: what an admin reads, and what a mistake costs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import select

from server.models import App, CampaignRow, Workunit
from server.project import Project, open_project
from tests.integration.cli.conftest import openastro
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field

TEXT = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n[reproject]\nframes_per_unit = 2\n'


@pytest.fixture
def field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a campaign of three frames of five, issued in a project there."""
    monkeypatch.chdir(tmp_path)
    for path in write_field(tmp_path / "all", 5)[:3]:
        take(tmp_path, path.name)
    write_campaign(tmp_path, TEXT)
    assert openastro("--project", "project", "init").returncode == 0
    with project(tmp_path).database.write() as session:
        session.add(App(name="reprojection", user_friendly_name="R", create_time=time.time()))
    done = openastro("--project", "project", "campaign", "issue", "campaign.toml")
    assert done.returncode == 0, done.stderr
    return tmp_path


def project(directory: Path) -> Project:
    return open_project(directory / "project")


def take(directory: Path, name: str) -> Path:
    (directory / "night").mkdir(exist_ok=True)
    path = directory / "night" / name
    path.write_bytes((directory / "all" / name).read_bytes())
    return path


def extend(name: str = "field", file: str = "campaign.toml") -> subprocess.CompletedProcess[str]:
    return openastro("--project", "project", "campaign", "extend", name, file)


def units(directory: Path) -> list[str]:
    with project(directory).database.read() as session:
        return list(session.scalars(select(Workunit.name).order_by(Workunit.id)))


def test_it_says_what_is_new_and_what_was_there(field: Path) -> None:
    take(field, "frame3.fits")
    done = extend()
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "field is extended: 1 image in 1 workunit; 3 of campaign.toml were in it before.\n"
    )
    assert units(field) == ["field_g0_u000", "field_g0_u001", "field_g0_u002"]
    again = extend()
    assert (again.returncode, again.stdout) == (
        0, "field has all 4 images of campaign.toml: nothing to add.\n",
    )  # fmt: skip
    path = field / "campaign.toml"
    path.write_text(path.read_text().replace('["night"]', '["all/frame4.fits"]'))
    with project(field).database.write() as session:
        session.scalars(select(CampaignRow)).one().state = "complete"
    done = extend()
    assert done.stdout == (
        "field is extended: 1 image in 1 workunit; 0 of campaign.toml were in it before.\n"
        "4 images of it not named in campaign.toml stay in it.\n"
        "field was complete, and is active again.\n"
    )
    assert len(units(field)) == 4


def _other_pixels(directory: Path) -> None:
    path = directory / "night" / "frame0.fits"
    data, header = fits.getdata(path), fits.getheader(path)
    fits.PrimaryHDU(data + np.float32(1), header).writeto(path, overwrite=True)


def _cancelled(directory: Path) -> None:
    openastro("--project", "project", "campaign", "cancel", "field")


def _edited(old: str, new: str) -> Callable[[Path], None]:
    def edit(directory: Path) -> None:
        path = directory / "campaign.toml"
        path.write_text(path.read_text().replace(old, new))

    return edit


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_other_pixels, "campaign.toml:8: [images] frame0.fits is in the campaign with other b"),
        (_cancelled, "The campaign field was cancelled"),
        (_edited("frames_per_unit = 2", "frames_per_unit = 3"), "campaign.toml:12: [reproject] fr"),
        (_edited('"night"', '"nigth"'), "no file matches"),
        (_edited('name = "field"', 'name = "other"'), "describes the campaign other, not field"),
        (_edited("[images]", "[images"), "campaign.toml:7: this is not valid TOML"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    field: Path, spoil: Callable[[Path], None], words: str
) -> None:
    take(field, "frame3.fits")
    spoil(field)
    done = extend()
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert units(field) == ["field_g0_u000", "field_g0_u001"]
    assert not list((field / "project" / "download").rglob(".inputs-*"))


def test_no_campaign_and_no_file_are_named(field: Path) -> None:
    done = extend("virgo")
    assert (done.returncode, "not virgo" in done.stderr) == (2, True)
    done = extend("field", "virgo.toml")
    assert (done.returncode, "virgo.toml" in done.stderr) == (2, True)
