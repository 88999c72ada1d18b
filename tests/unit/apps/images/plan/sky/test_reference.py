"""The grid: stated by a header or an image, or made for the best frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from apps.images.plan.sky.frame import find_images
from apps.images.plan.sky.reference import (
    cards_of,
    check_size,
    choose,
    grid_of,
    plain_grid,
    read_grid,
)
from apps.images.plan.sky.solution import make_solution, read_solution
from boinc_project.errors import InputError
from tests.real_images import decam, real_image
from tests.unit.apps.images.plan.sky.headers import sky, tan, write


def test_the_sharpest_of_those_that_cover_most_is_chosen() -> None:
    assert choose([0.9, 0.91, 0.5], [3.0, 2.0, 1.0]) == 1
    assert choose([0.9, 0.91], [None, None]) == 1
    assert choose([0.9, 0.91], [2.0, None]) == 0
    assert choose([1.0, 1.0], [2.0, 2.0]) == 0


@pytest.mark.parametrize("name", ["goto", "decam"])
def test_a_plain_grid_lies_on_its_frame(name: str) -> None:
    path = decam("ooi")[0] if name == "decam" else real_image("goto_virgo_1.fits")
    frame = read_solution(find_images(path)[0])
    header = plain_grid(frame)
    grid = grid_of(cards_of(header), frame.nx, frame.ny, "grid")
    middle = np.array([(frame.nx - 1) / 2]), np.array([(frame.ny - 1) / 2])
    near = middle[0] + 10, middle[1] - 10
    for place in (middle, near):
        assert np.array(frame.pixel(*grid.sky(*place))) == pytest.approx(np.array(place), abs=1e-2)
    assert not grid.distorted
    assert header["RADESYS"] == "ICRS"
    assert grid.scale == pytest.approx(frame.scale, rel=0.02)


def test_an_image_or_a_header_states_the_grid(tmp_path: Path) -> None:
    header = tan(turn=10.0)
    image = write(tmp_path / "a.fits", sky(), header)
    text = tmp_path / "a.hdr"
    header.insert(0, ("NAXIS2", 160))
    header.insert(0, ("NAXIS1", 200))
    text.write_text(header.tostring(sep="\n", endcard=True, padding=False))
    cards = tmp_path / "b.hdr"
    cards.write_text(header.tostring(padding=False))
    found = [read_grid(path) for path in (image, text, cards)]
    assert {(nx, ny) for _, nx, ny in found} == {(200, 160)}
    place = np.array([3.0]), np.array([150.0])
    expected = make_solution(header, 200, 160, "a").sky(*place)
    for found_header, nx, ny in found:
        assert grid_of(cards_of(found_header), nx, ny, "b").sky(*place) == expected


def test_a_sip_reference_keeps_its_polynomials() -> None:
    path = real_image("goto_virgo_1.fits")
    header, nx, ny = read_grid(path)
    frame = read_solution(find_images(path)[0])
    grid = grid_of(cards_of(header), nx, ny, "grid")
    place = np.array([10.0, 900.0]), np.array([1000.0, 3.0])
    assert np.array_equal(grid.sky(*place), frame.sky(*place))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no header at all", r"has no NAXIS1|has no WCS"),
        (tan().tostring(sep="\n"), "has no NAXIS1 and NAXIS2: add the size"),
        (b"\xff\xfe\x00", "neither a FITS image nor a header"),
        (None, "does not exist"),
    ],
)
def test_references_that_state_nothing(tmp_path: Path, content: object, words: str) -> None:
    path = tmp_path / "a.hdr"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
    with pytest.raises(InputError, match=words):
        read_grid(path)


def test_absurd_sizes() -> None:
    check_size(20_000, 20_000, "a.hdr")
    for nx, ny in ((0, 10), (70_000, 10), (60_000, 60_000)):
        with pytest.raises(InputError, match=r"The grid of a\.hdr has"):
            check_size(nx, ny, "a.hdr")


def test_headers_hold_nothing_but_coordinates() -> None:
    header = tan(OBSERVER="nobody", EXPTIME=3.0)
    header["COMMENT"] = "a remark"
    assert {card[:5] for card in cards_of(fits.Header(header))} >= {"COMME"}
    from apps.images.plan.sky.reference import grid_header

    assert not {"OBSERVER", "EXPTIME", "COMMENT"} & set(grid_header(header))
