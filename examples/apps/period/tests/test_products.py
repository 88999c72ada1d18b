"""Whole campaigns: published variables and simulated transits, from a file to a product."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from PIL import Image

from openastro_period.example import PERIODS, write_example

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DATA = Path(__file__).parent / "data"
PUBLISHED = {"4099": 0.641754351271, "27887": 0.31149403602}
"""Days: Sesar et al. 2010, ApJ 708, 717, table 2."""
STARS = """\
[campaign]
name = "stripe-82"
title = "Two RR Lyrae stars of Stripe 82"
app = "period"
seed = 1

[light_curves]
files = ["*.csv"]
magnitude = "mag"
error = "magerr"
band = "band"
time_zero = 2400000.5

[search]
min_period = 0.2
max_period = 1.25
oversampling = 5
n_terms = 2
bands = ["g", "r"]
bootstrap = 10
false_alarm = 0.1
"""


def rows_of(product: Any) -> dict[str, dict[str, str]]:
    text = product.files["periods.csv"].decode()
    return {row["target"]: row for row in csv.DictReader(io.StringIO(text))}


def test_published_periods_are_recovered(tmp_path: Path, compute: Callable[..., Any]) -> None:
    for name in PUBLISHED:
        shutil.copy(DATA / f"{name}.csv", tmp_path)
    (tmp_path / "stars.toml").write_text(STARS, encoding="utf-8")
    made = compute(tmp_path / "stars.toml")
    for output in made.outputs:
        assert made.app.check(output.unit, output.path, made.inputs(output.unit)).is_valid
    rows = rows_of(made.app.merge(made.campaign, made.outputs, created_at=NOW))
    for name, published in PUBLISHED.items():
        period, error = float(rows[name]["period"]), float(rows[name]["period_error"])
        # The paper fits templates to five bands; two harmonics in two differ by a part in 10^5.
        assert abs(period - published) < max(5 * error, 1e-5 * published)
        assert error < 1e-5
        assert (rows[name]["fap"], rows[name]["fap_is_bound"]) == ("0.1", "True")
        assert rows[name]["fap_baluev"] == ""
        assert "1/d" in rows[name]["aliases"]
        # Stars are seen at the same hour of their own day: the window has power there.
        assert any(
            abs(float(peak.split()[0]) - 1.0027) < 0.001
            for peak in rows[name]["window"].split("; ")
        )


def test_the_example_goes_from_a_file_to_a_product(
    tmp_path: Path, compute: Callable[..., Any]
) -> None:
    (tmp_path / "example").mkdir()
    file = write_example(tmp_path / "example")
    file.write_text(
        file.read_text("utf-8").replace("bootstrap = 200", "bootstrap = 20\nfalse_alarm = 0.05"),
        "utf-8",
    )
    made = compute(file)
    product = made.app.merge(made.campaign, made.outputs, created_at=NOW)
    assert product.converged
    rows = rows_of(product)
    for number, period in enumerate(PERIODS, 1):
        row = rows[f"star-{number}"]
        if period is None:
            assert float(row["fap_baluev"]) > 0.001
            assert row["fap_is_bound"] == "False"
        else:
            assert abs(float(row["period"]) - period) < 5 * float(row["period_error"])
            assert (row["fap"], row["fap_is_bound"]) == ("0.05", "True")
    table = Table.read(product.files["periods.ecsv"].decode(), format="ascii.ecsv")
    assert list(table["period"]) == [float(row["period"]) for row in rows.values()]
    assert str(table["period"].unit) == "d"
    for picture in product.report.pictures:
        with Image.open(io.BytesIO(product.files[picture.file])) as image:
            colours = image.getcolors(image.width * image.height)
            assert colours is not None
            assert len(colours) >= 5, "paper, ink, frame, spectrum and points"
    json.dumps(product.summary(), allow_nan=False)
    assert any("below 1/20" in remark for remark in product.report.remarks)


def test_the_order_of_outputs_does_not_matter_and_missing_ones_are_told(
    tmp_path: Path, compute: Callable[..., Any]
) -> None:
    (tmp_path / "example").mkdir()
    file = write_example(tmp_path / "example")
    file.write_text(file.read_text("utf-8").replace("bootstrap = 200", "bootstrap = 0"), "utf-8")
    made = compute(file)
    whole = made.app.merge(made.campaign, made.outputs, created_at=NOW)
    other = made.app.merge(made.campaign, made.outputs[::-1], created_at=NOW)
    assert whole.digest == other.digest
    assert whole.report == other.report
    part = made.app.merge(made.campaign, made.outputs[1:], created_at=NOW)
    assert not part.converged
    assert "2 targets are missing." in part.missing
    none = made.app.merge(made.campaign, [], created_at=NOW)
    assert none.report.criteria[0].value == 0.0
    assert not none.report.met


def test_the_spectra_have_the_best_power(tmp_path: Path, compute: Callable[..., Any]) -> None:
    (tmp_path / "example").mkdir()
    file = write_example(tmp_path / "example")
    file.write_text(file.read_text("utf-8").replace("bootstrap = 200", "bootstrap = 0"), "utf-8")
    made = compute(file)
    product = made.app.merge(made.campaign, made.outputs, created_at=NOW)
    spectra = Table.read(product.files["spectra.csv"].decode(), format="ascii.csv")
    for name, row in rows_of(product).items():
        assert max(spectra[name]) == pytest.approx(float(row["power"]), abs=1e-6)
        near = spectra["frequency_from"][int(np.argmax(spectra[name]))]
        assert abs(near - float(row["frequency"])) < 20.0 / 512 * 2


def write_transits(folder: Path, period: float, t0: float, depth: float) -> Path:
    rng = np.random.default_rng(20261130)
    time = np.sort(rng.uniform(0.0, 30.0, 1500))
    phase = np.abs(np.mod(time - t0 + 0.5 * period, period) - 0.5 * period)
    flux = 1.0 - depth * (phase < 0.1) + 0.001 * rng.normal(size=len(time))
    rows = (f"{t!r},{f!r},0.001" for t, f in zip(time.tolist(), flux.tolist(), strict=True))
    (folder / "planet.csv").write_text("time,flux,error\n" + "\n".join(rows) + "\n", "utf-8")
    path = folder / "planet.toml"
    path.write_text(
        '[campaign]\nname = "planet"\ntitle = "A planet"\napp = "period"\nseed = 1\n'
        '[light_curves]\nfiles = ["planet.csv"]\nflux = "flux"\nerror = "error"\n'
        "time_zero = 2454833.0\n[search]\nmin_period = 1.0\nmax_period = 10.0\n"
        "[search.bls]\ndurations = [0.1, 0.2]\nmin_period = 1.0\nmax_period = 10.0\n",
        encoding="utf-8",
    )
    return path


def test_transits_are_found_and_begin_a_timing_campaign(
    tmp_path: Path, compute: Callable[..., Any]
) -> None:
    period, t0, depth = 3.217, 1.34, 0.005
    made = compute(write_transits(tmp_path, period, t0, depth))
    output = made.outputs[0]
    assert made.app.check(output.unit, output.path, made.inputs(output.unit)).is_valid
    product = made.app.merge(made.campaign, made.outputs, created_at=NOW)
    row = rows_of(product)["planet"]
    # The last transit is nine periods away and 0.2 d long.
    assert float(row["transit_period"]) == pytest.approx(period, abs=0.02)
    assert abs(math.remainder(float(row["transit_t0"]) - t0, period)) < 0.05
    assert abs(float(row["transit_depth"]) - depth) < 5 * float(row["transit_depth_error"])
    (planet,) = tomllib.loads(product.files["ephemeris.toml"].decode())["planets"]
    assert planet["period"]["low"] < float(row["transit_period"]) < planet["period"]["high"]
    assert planet["t0"]["low"] < float(row["transit_t0"]) < planet["t0"]["high"]


def test_the_ephemeris_is_what_a_timing_campaign_reads(
    tmp_path: Path, compute: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planets that are written, with a table of transits, are a campaign of ``ttv_mcmc``."""
    from importlib.metadata import EntryPoint

    from boinc_project import application
    from work_generator.campaign_file import load_campaign

    made = compute(write_transits(tmp_path, 3.217, 1.34, 0.005))
    product = made.app.merge(made.campaign, made.outputs, created_at=NOW)
    entry = EntryPoint("ttv_mcmc", "apps.ttv.application:TtvMcmc", "openastro.apps")
    monkeypatch.setattr(application, "entry_points", lambda group: [entry])
    application.get.cache_clear()
    times = "".join(f"b,{n},{1.34 + 3.217 * n},0.001\n" for n in range(9))
    (tmp_path / "times.csv").write_text("planet,epoch,bkjd,sigma_days\n" + times, "utf-8")
    head = (
        '[campaign]\nname = "timing"\ntitle = "Timing"\napp = "ttv_mcmc"\nseed = 1\n'
        '[star]\nmass = { value = 1.0, unit = "Msun" }\n[data]\ntable = "times.csv"\n'
    )
    path = tmp_path / "timing.toml"
    unseen = (
        '[[planets]]\nname = "c"\nobserved = false\n'
        'mass = { prior = "log_uniform", low = 1.0, high = 300.0, unit = "Mearth" }\n'
        'period = { prior = "uniform", low = 6.0, high = 8.0, unit = "days" }\n'
        "eccentricity = { value = 0.0 }\n"
        't0 = { prior = "uniform", low = 0.0, high = 8.0, unit = "BKJD" }\n'
    )
    text = head + product.files["ephemeris.toml"].decode() + unseen
    path.write_text(text, encoding="utf-8")
    campaign = load_campaign(path)
    priors = {entry["name"]: entry.get("prior") for entry in campaign.settings["parameters"]}
    assert priors["b.period"]["low"] < 3.217 < priors["b.period"]["high"]
    assert campaign.settings["model"]["planets"][0] == {"name": "b", "observed": True}
    application.get.cache_clear()
