"""The report of an image: the numbers of its summary, in words for people."""

from __future__ import annotations

import io
import re
from typing import Any

from rich.console import Console

from apps.images.merge.report import ALL_FRAMES, HEADLINES, image_report
from boinc_project.report import REPORT, Measured, Report, read_report
from server.cli.report_table import product_report


def summary(n_frame: int = 3, **changes: Any) -> dict[str, Any]:
    frames = [
        {
            "name": f"{number:03d}.fits",
            "exposure_s": 60.0,
            "flux_scale": {"value": 1.0 + 0.01 * number, "error": 0.002 * number},
            "n_star": 40 * number,
            "weight_share": (number + 1) / 1000,
            "astrometry": None,
            "remark": "",
        }
        for number in range(n_frame)
    ]
    for first in frames[:1]:
        first["remark"] = "The reference."
        first["astrometry"] = {"correction": 1.234, "applied": "shift"}
    told = {
        "kind": "image", "title": "A field", "converged": True, "missing": [],
        "remarks": ["Cosmic rays are still in the image."], "n_unit": n_frame,
        "n_unit_wanted": n_frame, "n_frame": n_frame, "grid": {"nx": 400, "ny": 300},
        "covered_fraction": 0.98, "exposure_s": 60.0 * n_frame, "frames_deepest": n_frame,
        "depth": 2.71, "rejected_fraction": 0.0015, "reference": "000.fits", "frames": frames,
    }  # fmt: skip
    return told | changes


def report_of(told: dict[str, Any]) -> Report:
    return image_report(told, " ".join(told["missing"]) or "All is in.", "3 frames")


def shown(told: dict[str, Any], *, every: bool = False) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    whole = {**told, REPORT: report_of(told).to_plain()}
    console.print(product_report(whole, every=every))
    return console.export_text()


def test_the_numbers_are_those_of_the_summary() -> None:
    report = report_of(summary())
    facts = {fact.label: (fact.value, fact.unit) for fact in report.facts}
    assert facts == {
        "Frames": (3, ""), "Grid": ("400 x 300", "pixels"), "Exposure": (180.0, "s"),
        "Noise of a pixel": (2.71, ""), "Grid covered": (98.0, "%"), "Values rejected": (0.15, "%"),
    }  # fmt: skip
    (table,) = report.tables
    assert "000.fits" in table.caption
    last = dict(zip(table.columns, table.rows[2], strict=True))
    assert last["Flux scale"] == Measured(1.02, 0.004, 0.004)
    assert last["Stars"] == 80
    assert [row[table.columns.index("Remark")] for row in table.rows] == ["The reference.", "", ""]
    moved = table.columns.index("Moved, arcseconds")
    assert [row[moved] for row in table.rows] == [1.234, None, None]
    assert [picture.file for picture in report.pictures] == ["preview.png", "coverage.png"]
    assert report.met
    assert read_report({REPORT: report.to_plain()}) == report


def test_what_is_missing_is_a_criterion_that_is_not_met() -> None:
    told = summary(converged=False, missing=["2 of 5 units are not in the image."], n_unit_wanted=5)
    report = report_of(told)
    (units,) = report.unmet
    assert (units.value, units.wanted, units.relation) == (3, 5, "at least")
    assert [(word.name, word.holds) for word in report.words] == [(ALL_FRAMES, False)]
    text = shown(told)
    assert "2 of 5 units are not in the image." in text
    assert f"{ALL_FRAMES}: no" in text
    assert f"{ALL_FRAMES}: yes" in shown(summary())


def test_the_terminal_shows_frames_and_remarks() -> None:
    text = shown(summary())
    for part in (
        "Grid: 400 x 300 pixels", "1.0200 +0.0040 -0.0040", "1.234",
        "Cosmic rays are still in the image.",
    ):  # fmt: skip
        assert part in text, part


def test_an_image_of_nothing_yet_names_no_reference_and_no_frames() -> None:
    told = summary(
        0, converged=False, reference=None, depth=None, missing=["No unit is in the image."]
    )
    report = report_of(told)
    assert (report.tables, report.pictures) == ((), ())
    assert "Noise of a pixel" not in [fact.label for fact in report.facts]
    assert "are those of" not in shown(told)


def test_of_many_frames_those_of_most_weight_are_shown() -> None:
    many = summary(HEADLINES + 5)
    text = shown(many)
    assert "and 5 more rows" in text
    assert text.index("024.fits") < text.index("023.fits")
    row = re.compile(r"^\s*000\.fits\s+60", re.MULTILINE)
    assert not row.search(text)
    assert row.search(shown(many, every=True))


def test_sources_and_the_zero_point_are_facts() -> None:
    point = {"value": 29.44439, "error": 0.00061, "band": "r"}
    text = shown(summary(n_source=460, seeing=3.138, zero_point=point))
    assert "Sources: 460" in text
    assert "FWHM: 3.138 arcseconds" in text
    assert "Zero point in r: 29.44439 +0.00061 -0.00061 mag" in text
    assert "Sources" not in shown(summary())
    assert "Zero point: 25 mag" in shown(summary(zero_point={"value": 25.0, "error": None}))
