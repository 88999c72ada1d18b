"""Images as pages and terminal show them, whatever the summary holds."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from server.cli.product_report import SHOWN, product_report
from server.services.image_view import read_image


def summary(n_frame: int = 3, **changes: Any) -> dict[str, Any]:
    frames = [
        {
            "name": f"{number:03d}.fits",
            "exposure_s": 60.0,
            "flux_scale": {"value": 1.0 + 0.01 * number, "error": 0.002 * number},
            "n_star": 40 * number,
            "weight_share": (number + 1) / 1000,
            "remark": "",
        }
        for number in range(n_frame)
    ]
    for first in frames[:1]:
        first["remark"] = "The reference."
        first["astrometry"] = {"correction": 1.234, "applied": "shift"}
    found = {
        "kind": "image", "title": "A field", "converged": True, "missing": [],
        "remarks": ["Cosmic rays are still in the image."], "n_unit": n_frame,
        "n_unit_wanted": n_frame, "n_frame": n_frame, "grid": {"nx": 400, "ny": 300},
        "covered_fraction": 0.98, "exposure_s": 60.0 * n_frame, "frames_deepest": n_frame,
        "depth": 2.71, "rejected_fraction": 0.0015, "reference": "000.fits", "frames": frames,
    }  # fmt: skip
    return found | changes


def shown(of: dict[str, Any], *, every: bool = False) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(product_report(of, every=every))
    return console.export_text()


def test_a_posterior_is_no_image() -> None:
    assert read_image({"parameters": []}) is None


def test_the_numbers_are_those_of_the_summary() -> None:
    view = read_image(summary())
    assert view is not None
    assert (view.nx, view.ny, view.n_frame, view.depth, view.covered) == (400, 300, 3, 2.71, 0.98)
    assert view.frames[2].flux_scale_error == 0.004
    assert view.frames[0].remark == "The reference."
    assert [frame.moved for frame in view.frames] == [1.234, None, None]


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"grid": 7, "frames": [3, None, {}], "missing": "no", "n_frame": "three"},
        {"depth": float("nan"), "frames": [{"flux_scale": None, "n_star": True}]},
    ],
)
def test_a_summary_of_another_form_is_read_without_an_error(odd: dict[str, Any]) -> None:
    view = read_image({"kind": "image", **odd})
    assert view is not None
    assert (view.nx, view.n_frame, view.depth, view.missing) == (0, 0, None, ())
    assert "not complete" in shown({"kind": "image", **odd})


def test_the_terminal_shows_frames_and_what_is_missing() -> None:
    text = shown(summary(converged=False, missing=["2 of 5 units are not in the image."]))
    assert "400 x 300 pixels, 3 frames" in text
    assert "1.0200 +0.0040 -0.0040" in text
    assert 'Moved, "' in text
    assert "1.234" in text
    assert "Cosmic rays are still in the image." in text
    assert "2 of 5 units are not in the image." in text
    assert "complete: all frames" not in text
    assert "complete: all frames are in the image." in shown(summary())


def test_an_image_of_nothing_yet_names_no_reference_and_no_frames() -> None:
    text = shown(summary(0, converged=False, reference=None, missing=["No unit is in the image."]))
    assert "No unit is in the image." in text
    assert "are those of" not in text
    assert "Flux scale" not in text


def test_of_many_frames_those_of_most_weight_are_shown() -> None:
    many = summary(SHOWN + 5)
    text = shown(many)
    assert "and 5 frames of less weight" in text
    assert "024.fits" in text
    row = re.compile(r"^\s*000\.fits\s+60", re.MULTILINE)
    assert not row.search(text)
    assert row.search(shown(many, every=True))


def test_the_terminal_shows_sources_and_the_zero_point() -> None:
    point = {"value": 29.44439, "error": 0.00061, "band": "r"}
    text = shown(summary(n_source=460, seeing=3.138, zero_point=point))
    assert "460 sources in the catalogue, 3.14 arcseconds FWHM" in text
    assert "zero point 29.4444 +- 0.0006 mag in r." in text
    assert "sources" not in shown(summary())
    odd = shown(summary(n_source=2, zero_point={"value": 25.0, "error": None}))
    assert "zero point 25.0000 mag." in odd
