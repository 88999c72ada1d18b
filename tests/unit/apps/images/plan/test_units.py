"""Planning campaigns of images: what units hold, and what is said of bad input."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan import units as reprojection
from apps.images.plan.sky.pixel_map import interpolate
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from boinc_project.unit import seal
from tests.real_images import decam, real_image
from tests.unit.apps.images.plan.image_campaign import write_campaign, write_field
from tests.unit.apps.images.plan.sky.headers import sky, tan, write
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition, to_definition

CHOOSE = '[images]\nfiles = ["night"]\n[reference]\nchoose = true\n'


@pytest.fixture
def field(tmp_path: Path) -> Path:
    write_field(tmp_path / "night")
    return tmp_path


def prepared(path: Path) -> tuple[Campaign, InputStore]:
    store = InputStore(path.parent / "inputs")
    return reprojection.prepare(load_campaign(path), None, store), store


def test_a_folder_becomes_units_of_frames(field: Path) -> None:
    path = write_campaign(field, CHOOSE + "[reproject]\nframes_per_unit = 2\n")
    campaign = load_campaign(path)
    assert (campaign.stop.max_units, campaign.stop.all_units) == (2, True)
    done, store = prepared(path)
    first, second = reprojection.plan(done, Progress())
    assert [len(unit.settings["frames"]) for unit in (first, second)] == [2, 1]
    assert sorted(first.inputs) == ["frame_00.fits", "frame_01.fits", "kernel.fits"]
    seal(first, {name: store.find(digest) for name, digest in first.inputs.items()}, field / "slot")
    assert reprojection.plan(done, Progress(issued=(2,))) == []
    assert from_definition(to_definition(done)) == done
    again, _ = prepared(path)
    assert [unit.digest for unit in reprojection.plan(again, Progress())] == [
        unit.digest for unit in (first, second)
    ]


def test_the_sharpest_frame_gives_the_grid(field: Path) -> None:
    done, _ = prepared(write_campaign(field, CHOOSE))
    assert done.settings["chosen"] == "frame1.fits"
    assert (done.settings["grid"]["nx"], done.settings["grid"]["ny"]) == (200, 160)
    assert done.settings["frames"][1]["nx"] == 200


def test_what_a_unit_says_of_a_frame(field: Path) -> None:
    done, _ = prepared(write_campaign(field, CHOOSE))
    (unit,) = reprojection.plan(done, Progress())
    frame = unit.settings["frames"][0]
    assert frame["name"] == "frame0.fits"
    assert frame["noise"] == pytest.approx(5.0, rel=0.1)
    assert frame["sky"] == pytest.approx(100.0, rel=0.01)
    assert frame["variance"]["value"] == pytest.approx(frame["noise"] ** 2, rel=1e-3)
    assert (frame["exposure_s"], frame["filter"], frame["saturation"]) == (30.0, "r", None)
    assert unit.settings["output"] == {"kind": "steps", "step_sigma": 0.25}
    assert all(len(card) == 80 for card in unit.settings["grid"]["cards"])
    # Nothing of this machine goes out.
    assert str(field) not in unit.to_bytes().decode()
    assert str(field) not in to_definition(replace(done, source="")).decode()


def test_a_frame_file_holds_the_cameras_pixels_and_the_map(field: Path) -> None:
    data = (sky() * 100).astype(np.uint16)
    write(field / "night" / "frame3.fits", data, tan(150.001, 2.001, turn=40.0))
    done, store = prepared(write_campaign(field, CHOOSE))
    (unit,) = reprojection.plan(done, Progress())
    path = store.find(unit.inputs["frame_03.fits"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == unit.inputs["frame_03.fits"]
    with fits.open(path) as hdus:  # astropy reads it, too
        assert np.array_equal(hdus["PIXELS"].data, data)
        nodes, header = hdus["MAP"].data, hdus["MAP"].header
    assert nodes.dtype.itemsize == 8
    step, nx, ny = header["STEP"], header["NX"], header["NY"]
    frame = unit.settings["frames"][3]
    assert (nx, ny) == (frame["nx"], frame["ny"])
    assert nodes.shape[0] == 2
    grid = fits.Header([fits.Card.fromstring(card) for card in unit.settings["grid"]["cards"]])
    from astropy.wcs import WCS

    x, y = np.array([10.0, 100.0]), np.array([90.0, 20.0])
    there = WCS(grid).pixel_to_world(x + frame["x0"], y + frame["y0"])
    expected = WCS(tan(150.001, 2.001, turn=40.0)).world_to_pixel(there)
    found = interpolate(nodes.astype(float), step, x, y)
    assert np.array(found) == pytest.approx(np.array(expected), abs=1e-4)


def find_gain(path: Path) -> float:
    with fits.open(path) as hdus:
        return next(float(hdu.header["GAINA"]) for hdu in hdus if "GAINA" in hdu.header)


def test_weights_of_their_own_files_become_variances(tmp_path: Path) -> None:
    """Stars leave hardly an empty place in it, and yet the weights are not taken for wrong.

    They hold the stars' light, which is taken out and tells the gain: that of the header within a
    tenth.
    """
    folder = decam("ooi")[0].parent
    text = f"""[images]
files = ["{folder}/*_ooi_r_*.fits"]
weight = {{ replace = ["_ooi_", "_oow_"] }}
saturation = "SATURATE"
[reference]
choose = true
"""
    done, store = prepared(write_campaign(tmp_path, text))
    (unit,) = reprojection.plan(done, Progress())
    frame, seen = unit.settings["frames"][0], done.settings["frames"][0]
    assert frame["variance"] == {"kind": "map"}
    assert frame["saturation"] > 10_000
    with fits.open(store.find(unit.inputs["frame_00.fits"])) as hdus:
        variance = hdus["VARIANCE"].data
        bad = hdus["MASK"].data != 0 if "MASK" in hdus else np.zeros_like(variance, bool)
    weights = fits.getdata(decam("oow")[1])
    assert np.array_equal(bad, weights == 0)
    assert np.isfinite(variance).all()
    assert seen["variance_scale"] == 1.0
    assert seen["gain"] == pytest.approx(find_gain(decam("ooi")[1]), rel=0.1)
    ratio = variance[~bad] * weights[~bad]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    assert ratio.max() < 1.3
    image = fits.getdata(decam("ooi")[1])[~bad]
    brightest = image > np.percentile(image, 98)
    assert np.median(ratio[brightest]) < 0.5


def test_noise_and_sky_are_those_of_the_output(field: Path) -> None:
    """A pixel of the grid that covers four of the frame holds four times their flux."""
    header = tan(scale=2.0, nx=100, ny=80)
    header.update({"NAXIS1": 100, "NAXIS2": 80})
    (field / "coarse.hdr").write_text(header.tostring(sep="\n"))
    text = CHOOSE.replace("choose = true", 'header = "coarse.hdr"')
    flux = prepared(write_campaign(field, text))[0].settings["frames"][0]
    bright = text + '[reproject]\nflux = "surface_brightness"\n'
    surface = prepared(write_campaign(field, bright))[0].settings["frames"][0]
    assert flux["area"] == pytest.approx(4.0, rel=1e-3)
    assert flux["noise"] / surface["noise"] == pytest.approx(4.0, rel=1e-3)
    assert flux["sky"] / surface["sky"] == pytest.approx(4.0, rel=1e-3)
    assert flux["variance"] == surface["variance"]  # of pixels of the frame


def test_the_pair_of_two_projections_goes_on_one_grid(tmp_path: Path) -> None:
    one, other = real_image("gc_2mass_k.fits"), real_image("gc_msx_e.fits")
    text = f'[images]\nfiles = ["{one}", "{other}"]\n[reference]\nimage = "{one}"\n'
    done, _ = prepared(write_campaign(tmp_path, text))
    assert [frame["name"] for frame in done.settings["frames"]] == [one.name, other.name]
    assert max(frame["map_error"] for frame in done.settings["frames"]) < 1e-4
    grid = done.settings["grid"]
    assert (done.settings["frames"][0]["nx"], grid["nx"]) == (721, 721)


def test_masks_of_extensions(tmp_path: Path) -> None:
    mask = np.zeros((160, 200), np.int16)
    mask[5:9, 7] = 4
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(sky(), tan(), name="SCI"),
        fits.ImageHDU(mask, name="DQ"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    text = '[images]\nfiles = ["a.fits"]\nmask = { extension = "DQ" }\n[reference]\nchoose = true\n'
    done, store = prepared(write_campaign(tmp_path, text))
    (unit,) = reprojection.plan(done, Progress())
    with fits.open(store.find(unit.inputs["frame_00.fits"])) as packed:
        assert np.array_equal(packed["MASK"].data, (mask != 0).astype(np.uint8))


def test_cameras_of_several_chips_have_several_images(tmp_path: Path) -> None:
    """Masks belong to the chip of their EXTVER, whatever their order in the file."""
    chips = [
        fits.ImageHDU(sky(seed=ver), tan(dec=2.0 + 0.01 * ver), name="SCI", ver=ver)
        for ver in (1, 2)
    ]
    masks = [fits.ImageHDU(np.full((160, 200), 0, np.int16), name="DQ", ver=ver) for ver in (2, 1)]
    masks[0].data[10, 20] = 1
    fits.HDUList([fits.PrimaryHDU(), *chips, *masks]).writeto(tmp_path / "a.fits")
    text = (
        '[images]\nfiles = ["a.fits"]\nextension = "SCI"\nmask = { extension = "DQ" }\n'
        "[reference]\nchoose = true\n"
    )
    done, store = prepared(write_campaign(tmp_path, text))
    (unit,) = reprojection.plan(done, Progress())
    assert [one["name"] for one in done.settings["frames"]] == ["a.fits[SCI1]", "a.fits[SCI2]"]
    with fits.open(store.find(unit.inputs["frame_00.fits"])) as packed:
        assert "MASK" not in packed
    with fits.open(store.find(unit.inputs["frame_01.fits"])) as packed:
        assert packed["MASK"].data[10, 20] == 1


def test_a_night_is_never_in_memory(tmp_path: Path) -> None:
    """The peak is that of one frame: twenty of them, held, are twice that of the work on one."""
    peaks = []
    for n_frame in (1, 1, 20):  # the first time, imports and caches are counted
        night = tmp_path / str(n_frame)
        if not night.exists():
            write_field(night, n_frame)
        path = write_campaign(tmp_path, CHOOSE.replace("night", str(n_frame)))
        tracemalloc.start()
        try:
            prepared(path)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < 1.2 * peaks[1]


def test_raw_frames_are_measured_after_calibration(tmp_path: Path) -> None:
    """A flat of a half makes noise twice as large; a bias of columns is no noise.

    The flat is 2 in a quarter of the frame, whose noise is the quietest: 1.25.
    """
    bias = np.tile(np.arange(200, dtype=np.float32) * 10, (160, 1))
    light = np.where(np.arange(200) < 50, 100.0, 50.0)
    write(tmp_path / "a.fits", (sky() - 100) * 0.5 + light + bias, tan(EXPTIME=10.0))
    write(tmp_path / "bias.fits", bias)
    flat = np.full((160, 200), 3.0, np.float32)
    flat[:, :50] = 6.0
    flat[0, 0] = 0.0
    write(tmp_path / "flat.fits", flat)
    text = (
        '[images]\nfiles = ["a.fits"]\n[calibration]\nbias = "bias.fits"\nflat = "flat.fits"\n'
        "[reference]\nchoose = true\n"
    )
    done, store = prepared(write_campaign(tmp_path, text))
    (unit,) = reprojection.plan(done, Progress())
    assert unit.settings["frames"][0]["noise"] == pytest.approx(1.25, rel=0.05)
    assert unit.settings["calibrate"]["bias"] is True
    assert unit.settings["calibrate"]["dark"] is False
    with fits.open(store.find(unit.inputs["calibration.fits"])) as packed:
        assert np.array_equal(packed["BIAS"].data, bias)
        assert np.nanmedian(packed["FLAT"].data) == 1.0
        assert np.isnan(packed["FLAT"].data[0, 0])


def test_costs_follow_from_pixels_and_bytes(field: Path) -> None:
    done, store = prepared(write_campaign(field, CHOOSE))
    (unit,) = reprojection.plan(done, Progress())
    cost = reprojection.cost(done, unit)
    assert cost.n_call == sum(one["nx"] * one["ny"] for one in unit.settings["frames"])
    frames = [digest for name, digest in unit.inputs.items() if name.startswith("frame")]
    size = sum(store.find(digest).stat().st_size for digest in frames)
    assert cost.bytes_down == size + len(unit.to_bytes())
    assert cost.max_nbytes > 4 * cost.n_call  # pixels that nothing compresses may come back


def test_a_plan_packs_the_first_unit_alone(field: Path) -> None:
    path = write_campaign(field, CHOOSE + "[reproject]\nframes_per_unit = 1\n")
    campaign = reprojection.prepare(load_campaign(path))
    assert len(campaign.settings["frames"]) == 1
    assert campaign.stop.max_units == 3


def test_the_files_digests_are_the_campaigns(field: Path) -> None:
    path = write_campaign(field, CHOOSE)
    before = load_campaign(path).inputs
    frames = json.loads(before["frames.json"])["frames"]
    assert [one["name"] for one in frames] == ["frame0.fits", "frame1.fits", "frame2.fits"]
    data = bytearray((field / "night" / "frame2.fits").read_bytes())
    data[-3000] ^= 1
    (field / "night" / "frame2.fits").write_bytes(data)
    assert load_campaign(path).inputs != before


FAR = tan(10.0, -40.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[images]\nfiles = ["no/*.fits"]\n[reference]\nchoose = true\n', "no file matches"),
        ("[reference]\nchoose = true\n", r"images is missing: write \[images\] with files"),
        (CHOOSE.replace("choose = true", ""), "write one of choose = true"),
        (CHOOSE + 'image = "night/frame0.fits"\n', "write one of choose = true"),
        (CHOOSE + "[units]\nmax_units = 3\n", "the number of units follows from the data"),
        (CHOOSE + "[stop]\nrhat = 1.1\n", "ends when all are done"),
        (CHOOSE + '[reproject]\nmethod = "near"\n', 'no method "near": write one of lanczos3'),
        (CHOOSE + "[reproject]\nstep_sigma = 5.0\n", "step_sigma = 5 is out of range"),
        (CHOOSE + '[reproject]\noutput = "float"\nstep_sigma = 0.1\n', "remove it"),
        (CHOOSE + "[reproject]\ntile = 100\n", "multiple of 64: write 64"),
        (CHOOSE + '[coadd]\nbackground = "sky"\n', 'no background "sky"'),
        (CHOOSE + '[calibration]\nbias = "b.fits"\n', "does not exist"),
        (CHOOSE + '[coadd]\nreference = "frame.fits"\n',
         r'toml:12: \[coadd\] there is no image "frame\.fits": write .* "frame\d\.fits"'),
        (CHOOSE.replace("[reference]", 'skip_outside = "no"\n[reference]'), "true or false"),
        (CHOOSE.replace("[reference]", 'mask = { replace = ["f", "../f"] }\n[reference]'),
         "gives no name of a file"),
        (CHOOSE.replace("choose = true", 'header = "odd.hdr"'), r"odd\.hdr is no header: .*NAXIS1"),
        (CHOOSE.replace("choose = true", 'image = "far.fits"\nextension = 1.5'),
         r"^[^:]*toml:11: \[reference\] extension must be a name or a number"),
        (
            CHOOSE.replace("[reference]", 'extension = "SCI"\n[reference]'),
            r'frame0\.fits has no extension "SCI": it has 0 PRIMARY \(200 x 160\)',
        ),
        (
            CHOOSE.replace("[reference]", 'mask = { extension = "DQ" }\n[reference]'),
            r'no extension "DQ"',
        ),
        (
            CHOOSE.replace("[reference]", 'weight = { replace = ["x", "y"] }\n[reference]'),
            'has no "x" to replace',
        ),
        (
            CHOOSE.replace("[reference]", 'weight = { replace = ["frame", "w"] }\n[reference]'),
            r"w0\.fits cannot be read",
        ),
        (CHOOSE.replace("[reference]", "read_noise = 5.0\n[reference]"), "needs gain"),
        (CHOOSE.replace("choose = true", 'header = "huge.hdr"'), "60000 x 60000 pixels"),
        (CHOOSE.replace("choose = true", 'image = "far.fits"'), "none of the images overlaps"),
        (CHOOSE.replace("choose = true", 'image = "no.fits"'), r"no\.fits does not exist"),
        (CHOOSE.replace('"night"', '"night", "far.fits"').replace(
            "[reference]\nchoose = true",
            'skip_outside = false\n[reference]\nimage = "night/frame0.fits"',
        ), r"1 of 4 images do not overlap .*far\.fits.*skip_outside = true"),
        (CHOOSE.replace('"night"', '"bare.fits"'), r"bare\.fits has no WCS"),
        (CHOOSE.replace('"night"', '"singular.fits"'), r"singular CD matrix"),
        (CHOOSE.replace('"night"', '"short.fits"'), r"short\.fits is truncated"),
        (CHOOSE.replace('"night"', '"scaled.fits"'), r"BSCALE = 0"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence_with_file_and_line(field: Path, text: str, words: str) -> None:
    write(field / "far.fits", sky(), FAR)
    write(field / "bare.fits", sky())
    write(field / "singular.fits", sky(), tan(CD1_1=0.0, CD1_2=0.0))
    short = write(field / "short.fits", sky(), tan())
    short.write_bytes(short.read_bytes()[:20_000])
    scaled = write(field / "scaled.fits", (sky() * 100).astype(np.uint16), tan())
    data = scaled.read_bytes()
    at = data.index(b"BSCALE  =")
    scaled.write_bytes(data[:at] + b"BSCALE  =                  0.0".ljust(80) + data[at + 80 :])
    header = tan()
    header.update({"NAXIS1": 60_000, "NAXIS2": 60_000})
    (field / "huge.hdr").write_text(header.tostring(sep="\n"))
    (field / "odd.hdr").write_text("NAXIS1  = 1.2.3\nNAXIS2  = 100\n")
    path = write_campaign(field, text)
    with pytest.raises(InputError, match=words) as caught:
        load_campaign(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    assert message.endswith(".")


@pytest.mark.parametrize(("value", "words"), [(np.nan, "no finite pixel"), (7.0, "the same value")])
def test_images_that_say_nothing_are_found_before_anything_is_issued(
    field: Path, value: float, words: str
) -> None:
    write(field / "night" / "empty.fits", np.full((160, 200), value, np.float32), tan())
    with pytest.raises(InputError, match=words):
        prepared(write_campaign(field, CHOOSE))


THREE = ["frame0.fits", "frame1.fits", "frame2.fits"]


@pytest.mark.parametrize(
    ("reference", "where"),
    [
        ('image = "night/frame0.fits"', "the reference"),
        ("choose = true", "the field of the others"),
    ],
)
def test_images_of_another_field_are_left_out_with_a_sentence(
    field: Path, reference: str, where: str
) -> None:
    # It cannot be read: only its header is looked at.
    far = write(field / "night" / "far.fits", sky(), FAR)
    far.write_bytes(far.read_bytes()[:-2880] + b"?" * 2880)
    path = write_campaign(field, f'[images]\nfiles = ["night"]\n[reference]\n{reference}\n')
    done, _ = prepared(path)
    assert [one["name"] for one in done.settings["frames"]] == THREE
    sentence = f"far.fits: It is left out, because it does not overlap with {where}."
    assert sentence in done.settings["remarks"]
    assert sentence in reprojection.describe(done)
    path.write_text(path.read_text().replace("[reference]", "skip_outside = false\n[reference]"))
    with pytest.raises(InputError, match=r"1 of 4 images do not overlap with .*far\.fits"):
        load_campaign(path)


def test_images_of_two_fields_of_equal_size_need_a_reference(field: Path) -> None:
    (field / "night" / "frame2.fits").unlink()
    for number in range(2):
        write(field / "night" / f"far{number}.fits", sky(seed=number), FAR)
    with pytest.raises(InputError, match="of several fields, none of which has most of them"):
        load_campaign(write_campaign(field, CHOOSE))


def test_masters_that_leave_no_pixel_are_refused(field: Path) -> None:
    write(field / "bias.fits", np.full((160, 200), np.nan, np.float32))
    text = CHOOSE.replace("[reference]", "noise = 5.0\n[reference]")
    path = write_campaign(field, text + '[calibration]\nbias = "bias.fits"\n')
    with pytest.raises(InputError, match=r"no finite pixel after calibration"):
        prepared(path)


def test_unprepared_campaigns_are_not_planned(field: Path) -> None:
    with pytest.raises(InputError, match="not prepared"):
        reprojection.plan(load_campaign(write_campaign(field, CHOOSE)), Progress())
