"""More images for a campaign that is issued: what is new, what is refused, and where units go."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan import units as reprojection
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.extension import Extension
from boinc_project.input_store import InputStore
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition, to_definition

TEXT = """\
[images]
files = ["night"]
gain = 2.0
read_noise = 5.0
[reference]
choose = true
[reproject]
frames_per_unit = 2
[coadd]
sigma = 2.5
"""


class Issued:
    """A campaign of three frames that is issued, and its folder."""

    def __init__(self, directory: Path, text: str = TEXT) -> None:
        self.directory = directory
        self.store = InputStore(directory / "inputs")
        self.frames = write_field(directory / "all", 6)
        for path in self.frames[:3]:
            self.take(path)
        self.file = write_campaign(directory, text)
        loaded = load_campaign(self.file)
        prepared = reprojection.prepare(loaded, None, self.store)
        self.units = reprojection.plan(prepared, Progress())
        # As the database keeps it.
        self.campaign = from_definition(to_definition(prepared))

    def take(self, path: Path) -> None:
        night = self.directory / "night"
        night.mkdir(exist_ok=True)
        (night / path.name).write_bytes(path.read_bytes())

    def extend(self, campaign: Campaign | None = None) -> Extension:
        edited = load_campaign(self.file)
        return reprojection.extend(campaign or self.campaign, edited, self.file, None, self.store)

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert text.count(old) == 1
        self.file.write_text(text.replace(old, new))


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    return Issued(tmp_path)


def test_new_images_become_further_units_on_the_old_grid(issued: Issued) -> None:
    for path in issued.frames[3:]:
        issued.take(path)
    found = issued.extend()
    assert found.added == ("frame3.fits", "frame4.fits", "frame5.fits")
    assert (found.known, found.unnamed) == (3, ())
    assert [unit.name for unit in issued.units] == ["field_g0_u000", "field_g0_u001"]
    assert [unit.name for unit in found.units] == ["field_g0_u002", "field_g0_u003"]
    for unit in found.units:
        assert unit.settings["grid"] == issued.campaign.settings["grid"]
        assert unit.inputs["kernel.fits"] == issued.units[0].inputs["kernel.fits"]
        for name, digest in unit.inputs.items():
            assert issued.store.find(digest).is_file(), name
            assert digest in found.campaign.files
    whole = found.campaign
    assert whole.settings["frames"][:3] == issued.campaign.settings["frames"]
    assert (whole.stop.max_units, whole.units_per_generation) == (4, 4)
    assert whole.files.items() >= issued.campaign.files.items()
    assert whole.source == issued.file.read_text()
    # The file's own list, so that issuing it again is nothing new.
    assert whole.inputs == load_campaign(issued.file).inputs
    assert from_definition(to_definition(whole)) == from_definition(to_definition(whole))


def test_only_new_pixels_are_looked_at(issued: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.images.plan import astrometry as reprojection_astrometry
    from apps.images.plan import look as reprojection_look

    issued.take(issued.frames[4])
    looked: list[str] = []

    def count(module, name):
        read = getattr(module, name)

        def counted(stated, *rest):
            looked.append(stated["name"])
            return read(stated, *rest)

        monkeypatch.setattr(module, name, counted)

    count(reprojection_astrometry, "read_pixels")
    count(reprojection_look, "read_frame")
    issued.extend()
    assert looked == ["frame4.fits", "frame4.fits"]


def test_an_extension_of_an_extension_counts_on(issued: Issued) -> None:
    issued.take(issued.frames[3])
    first = issued.extend()
    issued.take(issued.frames[4])
    second = issued.extend(first.campaign)
    assert second.added == ("frame4.fits",)
    assert [unit.index for unit in (*first.units, *second.units)] == [2, 3]
    assert second.campaign.stop.max_units == 4


def test_nothing_new_is_nothing_to_do(issued: Issued) -> None:
    # Comments and order are no change.
    issued.edit('files = ["night"]', '# all of it\nfiles = ["night/*.fits"]')
    found = issued.extend()
    assert (found.units, found.added, found.known) == ((), (), 3)
    assert found.campaign is issued.campaign


def test_what_the_file_does_not_name_stays(issued: Issued) -> None:
    issued.take(issued.frames[3])
    issued.edit('files = ["night"]', 'files = ["night/frame3.fits", "night/frame1.fits"]')
    found = issued.extend()
    assert found.added == ("frame3.fits",)
    assert found.unnamed == ("frame0.fits", "frame2.fits")
    names = [one["name"] for one in json.loads(found.campaign.inputs["frames.json"])["frames"]]
    assert names == ["frame1.fits", "frame3.fits", "frame0.fits", "frame2.fits"]
    # Named again, they are known again.
    issued.edit('files = ["night/frame3.fits", "night/frame1.fits"]', 'files = ["night"]')
    again = issued.extend(found.campaign)
    assert (again.known, again.units, again.unnamed) == (4, (), ())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sigma = 2.5", "sigma = 3.0", r"campaign.toml:16: \[coadd\] sigma was 2.5 when"),
        ("[coadd]\nsigma = 2.5\n", "", r"campaign.toml:1: \[coadd\] this section was \{"),
        ("gain = 2.0", "gain = 2", r":9: \[images\] gain was 2.0 when the campaign was issued"),
        ("gain = 2.0\nread_noise = 5.0", "gain = 2.0", r":7: \[images\] read_noise was 5.0 when"),
        ("frames_per_unit = 2", 'frames_per_unit = 2\nflux = "conserve"', "flux was not there"),
        ("[coadd]", "[quorum]\nmin_quorum = 3\n[coadd]", r"\[quorum\] this section was not there"),
        ("seed = 7", "seed = 8", r"\[campaign\] seed was 7 when"),
        ("choose = true", 'image = "night/frame1.fits"', r"\[reference\] image was not there"),
    ],
)
def test_anything_else_that_is_changed_is_named(
    issued: Issued, old: str, new: str, words: str
) -> None:
    issued.take(issued.frames[3])
    issued.edit(old, new)
    with pytest.raises(InputError, match=words) as caught:
        issued.extend()
    assert caught.value.message.endswith(
        "an extension adds images to [images] and changes nothing else."
    )
    assert "\n" not in caught.value.message


def test_other_pixels_under_a_known_name_are_refused(issued: Issued) -> None:
    path = issued.directory / "night" / "frame1.fits"
    fits.PrimaryHDU(fits.getdata(path) + 1, fits.getheader(path)).writeto(path, overwrite=True)
    with pytest.raises(InputError, match=r":8: \[images\] frame1.fits is in the campaign with oth"):
        issued.extend()


def _write_mask(path: Path, bad: tuple[int, int]) -> None:
    mask = np.zeros((160, 200), np.uint8)
    mask[bad] = 1
    fits.PrimaryHDU(mask).writeto(path, overwrite=True)


def test_another_mask_is_another_image_and_new_masks_are_listed_with_theirs(
    tmp_path: Path,
) -> None:
    (tmp_path / "masks").mkdir()
    for number in range(4):
        _write_mask(tmp_path / "masks" / f"mask{number}.fits", (number, 5))
    names = ", ".join(f'"masks/mask{number}.fits"' for number in range(3))
    text = TEXT.replace("gain = 2.0", f"mask = {{ files = [{names}] }}\ngain = 2.0")
    issued = Issued(tmp_path, text)
    issued.take(issued.frames[3])
    issued.edit(names, f'{names}, "masks/mask3.fits"')
    assert issued.extend().added == ("frame3.fits",)
    _write_mask(tmp_path / "masks" / "mask1.fits", (50, 5))
    with pytest.raises(InputError, match=r"frame1.fits is in the campaign with another mask"):
        issued.extend()


def _write_flat(path: Path, most: float) -> None:
    values = np.linspace(0.9, most, 160 * 200, dtype=np.float32).reshape(160, 200)
    fits.PrimaryHDU(values).writeto(path, overwrite=True)


@pytest.mark.parametrize("which", ["reference", "calibration"])
def test_a_file_that_was_changed_under_its_name_is_refused(tmp_path: Path, which: str) -> None:
    grid, flat = tmp_path / "grid.fits", tmp_path / "flat.fits"
    write_field(tmp_path / "of-the-grid", 2)[0].rename(grid)
    _write_flat(flat, 1.1)
    text = TEXT.replace("choose = true", 'image = "grid.fits"')
    issued = Issued(tmp_path, f'{text}[calibration]\nflat = "flat.fits"\n')
    issued.take(issued.frames[3])
    assert issued.extend().added == ("frame3.fits",)
    if which == "reference":
        (tmp_path / "of-the-grid" / "frame1.fits").rename(grid)
        words = r"\[reference\] this is another grid"
    else:
        _write_flat(flat, 1.2)
        words = r"\[calibration\] flat is another file"
    with pytest.raises(InputError, match=words):
        issued.extend()


def test_new_images_beside_the_grid(issued: Issued) -> None:
    path = write_field(issued.directory / "far", 1)[0]
    header = fits.getheader(path)
    header["CRVAL1"] = 200.0
    fits.PrimaryHDU(fits.getdata(path), header).writeto(issued.directory / "night" / "far.fits")
    assert issued.extend().added == ()
    assert any(
        "far.fits: It is left out" in one for one in load_campaign(issued.file).settings["remarks"]
    )


def test_units_that_would_be_computed_otherwise_are_not_mixed(
    issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.images.plan import pack as reprojection_pack

    issued.take(issued.frames[3])
    monkeypatch.setattr(reprojection_pack, "LANCZOS_PHASES", 512)
    with pytest.raises(InputError, match=r"another version of this software.*'shared'"):
        issued.extend()
