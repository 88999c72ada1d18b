"""Mosaics and cubes: each colour is an image whose pixels lie where the sensor had them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan.sky.colour import Part, colours_of, looks_mosaic, part_from, part_of
from apps.images.plan.sky.frame import Image, find_images
from apps.images.plan.sky.pixels import read_raw
from apps.images.plan.sky.solution import read_solution
from boinc_project.errors import InputError
from tests.unit.apps.images.plan.sky.headers import sky, tan, write

SIP = {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 3, "B_ORDER": 3,
       "A_2_0": 2e-5,
       "B_0_2": -1e-5, "A_1_1": 3e-5, "A_3_0": 1e-7, "B_1_2": -2e-7, "A_0_1": 1e-3}  # fmt: skip
TPV = {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_1": 1.0, "PV1_4": 1e-3, "PV1_7": 0.5,
       "PV2_1": 1.0, "PV2_5": 2e-3}  # fmt: skip


def one(path: Path) -> Image:
    (image,) = find_images(path)
    return image


def matrixless() -> fits.Header:
    header = tan()
    for name in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        del header[name]
    header.update({"CDELT1": -1 / 3600, "CDELT2": 1 / 3600, "CROTA2": 20.0})
    return header


@pytest.mark.parametrize(
    "header",
    [tan(turn=30.0), tan(**SIP), tan(**TPV), matrixless()],
    ids=["CD", "SIP", "TPV", "CROTA"],
)
@pytest.mark.parametrize("shape", [(160, 200), (161, 201)])
def test_pixels_of_a_site_lie_where_the_sensor_had_them(
    tmp_path: Path, header: fits.Header, shape: tuple[int, int]
) -> None:
    data = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    header["BAYERPAT"] = "RGGB"
    image = one(write(tmp_path / "a.fits", data, header))
    whole = read_solution(image)
    parts = colours_of(image)
    assert [(part.name, part.cell) for part in parts] == [
        ("R", (0, 0)), ("G1", (1, 0)), ("G2", (0, 1)), ("B", (1, 1)),
    ]  # fmt: skip
    seen = []
    for part in parts:
        site = part_of(image, part)
        raw = read_raw(site)
        assert raw.shape == (site.ny, site.nx)
        y, x = np.divmod(raw.astype(float), shape[1])
        rows, columns = np.mgrid[0 : site.ny, 0 : site.nx].astype(float)
        ra, dec = read_solution(site).sky(columns, rows)
        expected = whole.sky(x, y)
        assert np.abs(np.subtract((ra, dec), expected)).max() * 3600 < 1e-7
        seen.append(raw.ravel())
    assert np.array_equal(np.sort(np.concatenate(seen)), data.ravel())


@pytest.mark.parametrize(
    ("cards", "red"),
    [
        ({"BAYERPAT": "RGGB"}, (0, 0)),
        ({"BAYERPAT": "bggr "}, (1, 1)),
        ({"COLORTYP": "GRBG"}, (1, 0)),
        ({"BAYERPAT": "GBRG"}, (0, 1)),
        ({"BAYERPAT": "RGGB", "XBAYROFF": 1}, (1, 0)),
        ({"BAYERPAT": "RGGB", "YBAYROFF": 1}, (0, 1)),
        ({"BAYERPAT": "RGGB", "XBAYROFF": 0, "YBAYROFF": 0, "ROWORDER": "TOP-DOWN"}, (0, 0)),
        # The first row of the file is the last of the sensor, whose 160 rows are even.
        ({"BAYERPAT": "RGGB", "ROWORDER": "BOTTOM-UP"}, (0, 1)),
    ],
)
def test_patterns(tmp_path: Path, cards: dict[str, Any], red: tuple[int, int]) -> None:
    parts = colours_of(one(write(tmp_path / "a.fits", sky(), tan(**cards))))
    assert [part.cell for part in parts if part.name == "R"] == [red]
    assert sorted(part.filter for part in parts) == ["B", "G", "G", "R"]
    assert [part_from(part.plain()) for part in parts] == list(parts)


@pytest.mark.parametrize("word", ["", "NONE", "mono", "N/A"])
def test_grey_cameras(tmp_path: Path, word: str) -> None:
    assert colours_of(one(write(tmp_path / "a.fits", sky(), tan(BAYERPAT=word)))) == ()


def test_mosaics_that_are_not_known_or_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"XTRANS, that is not known.*colour = .grey"):
        colours_of(one(write(tmp_path / "a.fits", sky(), tan(BAYERPAT="XTRANS"))))
    image = one(write(tmp_path / "b.fits", sky(), tan(BAYERPAT="RGGB", CPDIS1="LOOKUP")))
    with pytest.raises(InputError, match="distortion tables, which cannot be split"):
        part_of(image, colours_of(image)[0])


def test_planes_of_a_cube_are_three_images(tmp_path: Path) -> None:
    data = np.stack([sky(seed=number) for number in range(3)])
    # Programs leave the pattern of the sensor in the header of what they have debayered.
    image = one(write(tmp_path / "a.fits", data, tan(BAYERPAT="RGGB")))
    parts = colours_of(image)
    assert [(part.name, part.layer) for part in parts] == [("R", 0), ("G", 1), ("B", 2)]
    for part in parts:
        layer = part_of(image, part)
        assert np.array_equal(read_raw(layer), data[part.layer])
        assert read_solution(layer).sky(np.array([3.0]), np.array([4.0])) == read_solution(
            image
        ).sky(np.array([3.0]), np.array([4.0]))
    assert part_from(Part("G", 1).plain()) == Part("G", 1)


@pytest.mark.parametrize("axis", ["FREQ", "STOKES", "WAVE"])
def test_other_cubes_are_no_colours(tmp_path: Path, axis: str) -> None:
    cards = {"CTYPE3": axis, "CRPIX3": 1.0, "CRVAL3": 1.0, "CDELT3": 1.0}
    path = write(tmp_path / "a.fits", np.stack([sky()] * 3), tan(**cards))
    with pytest.raises(InputError, match="has no image of two axes"):
        find_images(path)


def level(*levels: float, quantised: bool = False, noise: float = 3.0) -> np.ndarray:
    """Return a sky with a level in each of the four sites."""
    data = np.random.default_rng(5).normal(0.0, noise, (200, 200))
    for number, one in enumerate(levels):
        data[number // 2 :: 2, number % 2 :: 2] += one
    return (data.round() if quantised else data).astype(np.float32)


@pytest.mark.parametrize("quantised", [True, False])
def test_a_mosaic_that_no_header_states_shows_in_its_sky(quantised: bool) -> None:
    assert looks_mosaic(level(60, 100, 100, 40, quantised=quantised))
    assert looks_mosaic(level(100, 103, 103, 102, quantised=quantised))
    assert not looks_mosaic(level(100, 100, 100, 100, quantised=quantised))
    # Levels near the edge of rounding: medians of integers differ by one.
    assert not looks_mosaic(level(100.49, 100.51, 100.5, 100.5, quantised=quantised, noise=0.4))


def test_a_pattern_can_be_stated(tmp_path: Path) -> None:
    image = one(write(tmp_path / "a.fits", sky(), tan(BAYERPAT="RGGB", ROWORDER="BOTTOM-UP")))
    parts = colours_of(image, "GBRG")
    assert [part.cell for part in parts if part.name == "R"] == [(0, 1)]
