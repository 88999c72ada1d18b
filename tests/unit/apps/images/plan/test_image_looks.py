"""What a campaign takes of the images it names, and what it says of them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan import units as reprojection
from apps.images.plan.pack import read_frame
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from tests.unit.apps.images.plan.image_campaign import star_field, write_campaign, write_field
from tests.unit.apps.images.plan.sky.headers import sky, tan, write
from work_generator.campaign_file import load_campaign

TEXT = '[images]\nfiles = ["night"]\n[reference]\nimage = "night/frame0.fits"\n'


@pytest.fixture
def field(tmp_path: Path) -> Path:
    write_field(tmp_path / "night", 3)
    return tmp_path


def load(field: Path, text: str = TEXT) -> Campaign:
    return load_campaign(write_campaign(field, text))


def prepare(field: Path, text: str = TEXT) -> Campaign:
    return reprojection.prepare(load(field, text), None, InputStore(field / "inputs"))


def names(campaign: Campaign) -> list[str]:
    settings = campaign.settings
    return [one["name"] for one in settings.get("frames", settings.get("images"))]


def said(campaign: Campaign) -> str:
    return "\n".join(campaign.settings["remarks"])


def test_files_of_the_same_content_are_one_image(field: Path) -> None:
    first = field / "night" / "frame1.fits"
    (field / "night" / "a copy.fit").write_bytes(first.read_bytes())
    (field / "night" / "packed.fits.gz").write_bytes(gzip.compress(first.read_bytes()))
    campaign = load(field)
    assert names(campaign) == ["a copy.fit", "frame0.fits", "frame2.fits"]
    line = "frame1.fits, packed.fits.gz: It is left out, because it has the same content as "
    line += "a copy.fit."
    assert line in campaign.settings["remarks"]
    assert line in reprojection.describe(campaign)


@pytest.mark.parametrize("name", ["a.fits.gz", "a.fits.xz", "a.fits.bz2", "a.zip"])
def test_a_damaged_archive_is_one_sentence(field: Path, name: str) -> None:
    content = (field / "night" / "frame1.fits").read_bytes()
    packers = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
    path = field / "night" / name
    if name == "a.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.fits", content)
    else:
        path.write_bytes(packers[path.suffix](content))
    whole = path.read_bytes()
    places = [len(whole) - 6, len(whole) // 2, len(whole) // 4]
    for place in places if name != "a.zip" else places[1:]:  # it ends with a comment's length
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with pytest.raises(InputError, match=rf"campaign.toml:8: \[images\] .*{name} cannot be"):
            load(field)


def test_the_same_pixels_in_another_file_are_found_when_pixels_are_read(field: Path) -> None:
    path = field / "night" / "frame1.fits"
    data, header = fits.getdata(path), fits.getheader(path)
    header["HISTORY"] = "compressed"
    hdu = fits.CompImageHDU(data, header, compression_type="GZIP_1", quantize_level=0)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(field / "night" / "other.fits.fz")
    campaign = prepare(field)
    assert names(campaign) == ["frame0.fits", "frame1.fits", "frame2.fits"]
    assert "other.fits.fz: It is left out, because it has the same pixels as frame1.fits." in said(
        campaign
    )


def test_two_reductions_of_one_exposure_are_said(field: Path) -> None:
    path = field / "night" / "frame1.fits"
    header = fits.getheader(path)
    header["DATE-OBS"] = "2024-01-01T22:10:11.5"
    data = fits.getdata(path)
    path.unlink()
    for name, values in (("raw.fits", data), ("reduced.fits", data / 2)):
        write(field / "night" / name, values, header)
    campaign = load(field)
    assert len(names(campaign)) == 4
    assert "reduced.fits: It has the date, the exposure time and the place of raw.fits" in said(
        campaign
    )


@pytest.mark.parametrize("cards", [{"EXTNAME": "ccd1"}, {"INSTRUME": "other"}, {"FILTER": "g"}, {}])
def test_two_cameras_at_once_are_two_exposures(field: Path, cards: dict[str, Any]) -> None:
    for number, name in enumerate(("one.fits", "two.fits")):
        extra = cards if number else {"DATE-OBS": "2024-01-01"}
        header = tan(EXPTIME=30.0, FILTER="r")
        header.update({"DATE-OBS": "2024-01-01T22:10:11.5"} | extra)
        write(field / "night" / name, star_field(tan(), seed=number + 8), header)
    assert "the exposure time and the place" not in said(load(field))


def test_filters_are_apart_and_silent_images_are_said(field: Path) -> None:
    for number, name in enumerate(("H-alpha", "Ha", "")):
        header = tan(150.0 + 0.001 * number, EXPTIME=30.0)
        if name:
            header["FILTER"] = name
        write(field / "night" / f"n{number}.fits", star_field(header, seed=20 + number), header)
    campaign = load(field)
    images = campaign.settings["images"]
    assert [one["filter"] for one in images] == ["r", "r", "r", "H-alpha", "H-alpha", ""]
    assert "n2.fits: It does not say its filter, and is taken as a filter of its own." in said(
        campaign
    )
    assert "There are 2 filters, each of which has an image of its own: H-alpha, r." in said(
        campaign
    )
    units = reprojection.plan(prepare(field), Progress())
    stated = [frame["filter"] for unit in units for frame in unit.settings["frames"]]
    assert stated == ["r", "r", "r", "H-alpha", "H-alpha", ""]
    together = load(field, TEXT + '[coadd]\nfilters = "together"\n')
    assert "Images of 2 filters are averaged: H-alpha, r." in said(together)


def test_one_silent_image_is_of_the_filter_of_the_others(field: Path) -> None:
    header = tan(EXPTIME=30.0)
    write(field / "night" / "n.fits", star_field(header, seed=20), header)
    campaign = load(field)
    assert {one["filter"] for one in campaign.settings["images"]} == {"r"}
    assert "n.fits: It does not say its filter, and is taken to be of r." in said(campaign)


def test_calibration_frames_and_tables_of_a_folder_are_left_out(field: Path) -> None:
    write(field / "night" / "dark.fits", sky(), tan(IMAGETYP="Dark Frame"))
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(3.0))])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(field / "night" / "stars.fits")
    campaign = load(field)
    assert names(campaign) == ["frame0.fits", "frame1.fits", "frame2.fits"]
    assert "dark.fits: It is left out, because it is no image of the sky but: Dark Frame." in said(
        campaign
    )
    assert "stars.fits: It is left out, because it has no image of two axes." in said(campaign)
    with pytest.raises(InputError, match=r"stars\.fits has no image of two axes"):
        load(field, TEXT.replace('["night"]', '["night/*.fits"]'))
    for path in field.glob("night/frame*"):
        path.unlink()
    with pytest.raises(InputError, match="none of the files has an image of the sky"):
        load(field)


def test_further_images_of_a_file_are_said(field: Path) -> None:
    chips = [fits.ImageHDU(star_field(tan(), seed=n), tan(), "SCI", ver=n) for n in (1, 2)]
    masks = [fits.ImageHDU(np.zeros((160, 200), np.int16), name="DQ", ver=n) for n in (1, 2)]
    fits.HDUList([fits.PrimaryHDU(), chips[0], masks[0], chips[1], masks[1]]).writeto(
        field / "night" / "flc.fits"
    )
    assert "flc.fits: The first of several images is taken" in said(load(field))
    one = fits.HDUList([fits.PrimaryHDU(), chips[0], masks[0]])
    one.writeto(field / "night" / "flc.fits", overwrite=True)
    assert "The first of several images" not in said(load(field))


def test_borders_overscan_and_blank_values_are_masked(field: Path) -> None:
    path = field / "night" / "frame1.fits"
    data, header = fits.getdata(path), fits.getheader(path)
    data[:, :9], data[50, 60], data[51, 61] = 0, 0, -99
    header["TRIMSEC"] = "[1:190,1:160]"
    write(path, data, header)
    campaign = prepare(field, TEXT.replace("[reference]", "blank = -99\n[reference]"))
    assert "frame1.fits: What is outside of TRIMSEC (overscan) is left out." in said(campaign)
    assert "frame1.fits: Its border of 0 is taken as pixels that saw nothing." in said(campaign)
    bad = read_frame({"path": str(path), "hdu": 0}, -99.0).bad
    assert bad is not None
    expected = np.zeros((160, 200), bool)
    expected[:, :9] = expected[:, 190:] = expected[51, 61] = True
    assert np.array_equal(bad, expected)


def mosaic(
    field: Path, name: str, *, seed: int = 3, gain: tuple[float, float, float] = (0.6, 1, 0.4)
) -> Path:
    header = tan(BAYERPAT="RGGB", EXPTIME=30.0, FILTER="L")
    data = star_field(header, seed=seed)
    red, green, blue = gain
    data[0::2, 0::2] *= red
    data[0::2, 1::2] *= green
    data[1::2, 0::2] *= green
    data[1::2, 1::2] *= blue
    return write(field / name, data.round().astype(np.uint16), header)


def test_a_mosaic_is_four_frames_in_three_filters(field: Path) -> None:
    mosaic(field, "osc.fits")
    text = TEXT.replace('"night"', '"osc.fits"')
    campaign = prepare(field, text)
    frames = campaign.settings["frames"]
    assert names(campaign) == ["osc.fits[R]", "osc.fits[G1]", "osc.fits[G2]", "osc.fits[B]"]
    assert [one["filter"] for one in frames] == ["R", "G", "G", "B"]
    assert [one["sky"] for one in frames] == pytest.approx(
        [60 / 4, 100 / 4, 100 / 4, 40 / 4], rel=0.03
    )
    assert "osc.fits: Its colours are taken apart: a mosaic of colours" in said(campaign)
    grey = prepare(field, text.replace("[reference]", 'colour = "grey"\n[reference]'))
    assert names(grey) == ["osc.fits"]
    assert "osc.fits: A mosaic of colours is taken as grey." in said(grey)


def test_a_mosaic_has_one_mask_and_one_flat_for_all_its_colours(field: Path) -> None:
    path = mosaic(field, "osc.fits")
    mask = np.zeros((160, 200), np.uint8)
    mask[21, 31] = 1
    write(field / "mask.fits", mask)
    # A lamp that is red: each colour keeps its level.
    flat = np.linspace(0.8, 1.2, 200 * 160, dtype=np.float32).reshape(160, 200)
    flat[0::2, 0::2] *= 3
    write(field / "flat.fits", flat)
    write(field / "bias.fits", sky() * 0 + np.float32(10))
    text = TEXT.replace('"night"', '"osc.fits"').replace(
        "[reference]", 'mask = { files = ["mask.fits"] }\n[reference]'
    )
    campaign = prepare(field, text + '[calibration]\nflat = "flat.fits"\n')
    frames = campaign.settings["frames"]
    assert [one["sky"] for one in frames] == pytest.approx([60 / 4, 25, 25, 40 / 4], rel=0.05)
    # Volunteers have nothing left to calibrate.
    assert campaign.settings["calibrate"] is None
    stated = {"path": str(path), "hdu": 0, "mask": {"path": str(field / "mask.fits"), "hdu": 0}}
    for name, cell, is_bad in (("B", [1, 1], True), ("R", [0, 0], False)):
        part = {"name": name, "layer": 0, "cell": cell}
        bad = read_frame({**stated, "part": part}).bad
        assert bad is not None
        assert bad[10, 15] == is_bad
        assert bad.sum() == is_bad


def test_a_cube_of_colours_is_three_frames(field: Path) -> None:
    data = np.stack([star_field(tan(), seed=5) * factor for factor in (1, 2, 3)])
    write(field / "rgb.fits", data, tan(EXPTIME=30.0))
    campaign = prepare(field, TEXT.replace('"night"', '"rgb.fits"'))
    frames = campaign.settings["frames"]
    assert [one["filter"] for one in frames] == ["R", "G", "B"]
    assert [one["sky"] for one in frames] == pytest.approx([100, 200, 300], rel=0.02)


def test_a_mosaic_without_a_word_is_asked_about_and_can_be_stated(field: Path) -> None:
    path = mosaic(field, "osc.fits")
    header = fits.getheader(path)
    del header["BAYERPAT"]
    write(path, fits.getdata(path), header)
    text = TEXT.replace('"night"', '"osc.fits"')
    assert "osc.fits: Even and odd pixels have unlike levels of the sky" in said(
        prepare(field, text)
    )
    stated = prepare(field, text.replace("[reference]", 'colour = "RGGB"\n[reference]'))
    assert [one["filter"] for one in stated.settings["frames"]] == ["R", "G", "G", "B"]
    assert "Even and odd pixels" not in said(stated)
    with pytest.raises(
        InputError, match=r"there is no colour .red.: write one of split, grey, RGGB"
    ):
        load(field, text.replace("[reference]", 'colour = "red"\n[reference]'))


def test_calibrating_twice_is_said(field: Path) -> None:
    header = tan(EXPTIME=30.0, FILTER="r", CALSTAT="BDF")
    write(field / "night" / "n.fits", star_field(header, seed=4), header)
    write(field / "flat.fits", sky(), tan())
    campaign = load(field, TEXT + '[calibration]\nflat = "flat.fits"\n')
    assert "n.fits: CALSTAT says that it has been calibrated; flat is applied again." in said(
        campaign
    )


def test_a_keyword_of_the_filter_that_no_image_has_is_refused(field: Path) -> None:
    text = TEXT.replace("[reference]", 'filter = "FILTRE"\n[reference]')
    with pytest.raises(InputError, match=r"campaign.toml:9: \[images\] no image has FILTRE"):
        load(field, text)


def test_a_read_noise_is_said_to_change_nothing(field: Path) -> None:
    text = TEXT.replace("[reference]", "gain = 2.0\nread_noise = 5.0\n[reference]")
    assert "read_noise changes nothing" in said(load(field, text))
    assert "read_noise" not in said(load(field))


def test_an_image_of_a_union_without_coordinates_is_one_sentence(field: Path) -> None:
    write(field / "night" / "raw.fits", sky())
    text = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\ngrid = "union"\n'
    with pytest.raises(InputError, match=r"campaign.toml:8: \[images\] .*raw.fits has no WCS"):
        load(field, text)
