"""Campaigns of images on the server: files of single units, and none of them in memory at once."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy import select

from apps.images.plan import units as reprojection
from boinc_project.campaign import Progress
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore, StoredInput, describe
from boinc_project.unit import open_unit
from server.models import App, CampaignRow, Workunit
from server.services import campaign_issue, campaigns
from server.services.files import DownloadStore
from tests.integration.daemons.conftest import Shop
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition

TEXT = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n[reproject]\nframes_per_unit = 2\n'


@pytest.fixture
def campaign_file(tmp_path: Path, shop: Shop) -> Path:
    with shop.project.database.write() as session:
        session.scalars(select(App)).one().name = "reprojection"
    write_field(tmp_path / "field" / "night")
    return write_campaign(tmp_path / "field", TEXT)


def test_units_get_their_own_files_and_share_the_rest(shop: Shop, campaign_file: Path) -> None:
    done = campaigns.issue(shop.project, load_campaign(campaign_file))
    assert (done.n_unit, done.existed) == (2, False)
    with shop.project.database.read() as session:
        rows = session.scalars(select(Workunit).order_by(Workunit.id)).all()
        names = [[file.open_name for file in row.files] for row in rows]
        assert names == [
            ["unit.json", "frame_00.fits", "frame_01.fits", "kernel.fits"],
            ["unit.json", "frame_00.fits", "kernel.fits"],
        ]
        assert rows[0].files[3].name == rows[1].files[2].name
        assert rows[0].files[1].name != rows[1].files[1].name
        for row in rows:
            paths = {}
            for file in row.files:
                path = shop.project.downloads.path(file.name)
                known = describe(path)
                assert (file.nbytes, file.md5, file.sha256) == (
                    known.nbytes, known.md5, known.sha256,
                )  # fmt: skip
                assert path.stat().st_mode & 0o444 == 0o444  # a web server reads them
                paths[file.open_name] = path
            assert open_unit(paths).digest == row.unit_digest
        definition = session.scalars(select(CampaignRow)).one().definition
    size = sum(
        path.stat().st_size for path in shop.project.settings.path("download").rglob("*.fits")
    )
    assert len(definition) < 20_000 < size
    assert from_definition(definition).stop.max_units == 2


def test_no_image_rests_on_one_computers_word(shop: Shop, campaign_file: Path) -> None:
    """A chain may, if the campaign says so: `adaptive` is not taken for what is another app's."""
    campaign_file.write_text(campaign_file.read_text() + "\n[quorum]\nadaptive = true\n")
    campaigns.issue(shop.project, load_campaign(campaign_file))
    with shop.project.database.read() as session:
        rows = session.scalars(select(Workunit)).all()
    assert {(row.min_quorum, row.full_quorum) for row in rows} == {(2, 2)}


def test_nothing_is_left_of_the_packing(shop: Shop, campaign_file: Path) -> None:
    campaigns.issue(shop.project, load_campaign(campaign_file))
    root = shop.project.settings.path("download")
    assert not [path for path in root.rglob("*") if path.name.startswith(".")]
    # Frames have one name; the bytes were not copied but given another name, and that one is left.
    assert {path.stat().st_nlink for path in root.rglob("frame_*.fits")} == {1}


def test_issuing_again_does_nothing_and_reads_no_pixels(
    shop: Shop, campaign_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaigns.issue(shop.project, load_campaign(campaign_file))
    monkeypatch.setattr(reprojection, "prepare", None)
    assert campaigns.issue(shop.project, load_campaign(campaign_file)).existed


def test_other_pixels_are_another_campaign(shop: Shop, campaign_file: Path) -> None:
    campaigns.issue(shop.project, load_campaign(campaign_file))
    path = campaign_file.parent / "night" / "frame0.fits"
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="another campaign named field"):
        campaigns.issue(shop.project, load_campaign(campaign_file))


def test_two_campaigns_of_the_same_images_share_files(shop: Shop, campaign_file: Path) -> None:
    campaigns.issue(shop.project, load_campaign(campaign_file))
    root = shop.project.settings.path("download")
    before = {path.name for path in root.rglob("*.fits")}
    other = campaign_file.with_name("other.toml")
    other.write_text(campaign_file.read_text().replace('name = "field"', 'name = "other"'))
    campaigns.issue(shop.project, load_campaign(other))
    assert {path.name for path in root.rglob("*.fits")} == before


def test_without_their_bytes_units_are_not_issued(shop: Shop, campaign_file: Path) -> None:
    store = InputStore(campaign_file.parent / "inputs")
    prepared = reprojection.prepare(load_campaign(campaign_file), None, store)
    units = reprojection.plan(prepared, Progress())
    with pytest.raises(InputError, match=r"has no input file frame_00\.fits"):
        campaign_issue.stage(shop.project.downloads, prepared, units)
    store.find(units[0].inputs["frame_00.fits"]).unlink()
    with pytest.raises(InputError, match="plan the campaign again"):
        campaign_issue.stage(shop.project.downloads, prepared, units, store)


def test_the_independent_reference_is_not_for_volunteers(shop: Shop, campaign_file: Path) -> None:
    campaign_file.write_text(campaign_file.read_text() + 'method = "reproject"\n')
    with pytest.raises(InputError, match=r"cannot be issued: method = .*run-local"):
        campaigns.issue(shop.project, load_campaign(campaign_file))


def test_large_files_are_never_in_memory(tmp_path: Path) -> None:
    def write(path: Path) -> None:
        with path.open("wb") as stream:
            stream.truncate(100_000_000)

    downloads = DownloadStore(tmp_path / "download", 1024)
    tracemalloc.start()
    try:
        store = InputStore(tmp_path / "inputs")
        stored: StoredInput = store.add(write)
        found = downloads.add_file("frame_a.fits", store.find(stored.sha256), stored)
        assert downloads.add_file("frame_a.fits", tmp_path / "not read", stored) == found
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert found.path.stat().st_size == 100_000_000
    wrong = StoredInput(stored.sha256, stored.md5, 3)
    with pytest.raises(InputError, match="published before with other bytes"):
        downloads.add_file("frame_a.fits", store.find(stored.sha256), wrong)
