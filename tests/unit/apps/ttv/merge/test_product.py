"""The product of a real small campaign: numbers, words, files, provenance."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from apps.ttv.merge import canonical as ttv
from apps.ttv.merge.product import Product
from apps.ttv.merge.quantities import quantities, unwrapped
from apps.ttv.merge.timing import timing_curves
from apps.ttv.output import content_digest
from assimilator import provenance
from boinc_project.campaign import StopRule
from boinc_project.errors import InputError, OutputError
from boinc_project.outputs import Canonical, Rejected
from boinc_project.report import read_report
from boinc_project.unit import open_unit
from tests.unit.apps.ttv.validate import ttv_case

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
N_UNIT = 4
FILES = {
    "posterior.h5",
    "posterior.nc",
    "summary.json",
    "provenance.json",
    "oc.png",
    "corner.png",
    "rank.png",
}


@pytest.fixture(scope="session")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[Canonical]:
    directory = tmp_path_factory.mktemp("outputs")
    return [
        Canonical(
            unit=case.unit,
            path=case.write(directory, name=f"{index}.h5"),
            workunit=case.unit.name,
            app_version=100,
            platform="x86_64-pc-linux-gnu",
            result=f"{case.unit.name}_1",
            quorum="Its numbers equal those of the other result, bit for bit.",
            n_agreeing=2,
        )
        for index, case in enumerate(ttv_case.case(index, 0, 240) for index in range(N_UNIT))
    ]


@pytest.fixture(scope="session")
def product(outputs: list[Canonical]) -> Product:
    rejected = [Rejected("toy_g0_u001", "toy_g0_u001_0", "invalid", "It was wrong.")]
    return ttv.merge(ttv_case.campaign(), outputs, created_at=NOW, rejected=rejected)


@pytest.fixture(scope="session")
def written(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("products") / "toy"
    product.write(directory)
    return directory


def merge(outputs: Sequence[Canonical], **stop: Any) -> Product:
    campaign = ttv_case.campaign(stop=StopRule(**stop)) if stop else ttv_case.campaign()
    return ttv.merge(campaign, outputs, created_at=NOW)


def parameter(product: Product, name: str) -> dict[str, Any]:
    return next(one for one in product.summary()["parameters"] if one["name"] == name)


def test_the_posterior_holds_the_truth(product: Product) -> None:
    """Within 5 posterior standard deviations: chance would miss it once in 1e6."""
    for name, truth in ttv_case.TRUTH.items():
        found = parameter(product, name)
        assert abs(found["median"]["value"] - truth) < 5 * found["sd"]["value"]


def test_every_number_has_its_error(product: Product) -> None:
    for entry in product.summary()["parameters"]:
        for key in ("mean", "sd", "q05", "q16", "median", "q84", "q95"):
            assert entry[key]["mcse"] > 0, (entry["name"], key)


def test_derived_quantities_follow_their_definitions(product: Product) -> None:
    problem = Problem.from_mapping(product.campaign.settings)
    found = {one.name: one for one in quantities(problem, product.merged.draws)}
    assert list(found)[: problem.n_dim] == list(problem.parameter_names)
    e, omega = found["c.eccentricity"].values, np.radians(found["c.omega"].values)
    np.testing.assert_allclose(e * np.cos(omega), found["c.ecosw"].values, atol=1e-12)
    np.testing.assert_allclose(e * np.sin(omega), found["c.esinw"].values, atol=1e-12)
    np.testing.assert_allclose(
        found["c.mass/b.mass"].values, found["c.mass"].values / 5.0, rtol=1e-12
    )
    # One Earth mass is 3.0035e-6 solar masses.
    np.testing.assert_allclose(
        found["c.mass_ratio"].values, found["c.mass"].values * 3.0035e-6, rtol=1e-4
    )
    assert "b.eccentricity" not in found  # b's orbit is fixed to a circle


def test_angles_are_summarised_where_they_lie_not_where_the_circle_is_cut() -> None:
    angles = np.array([359.0, 1.0, 3.0, -5.0]).reshape(1, 4, 1)
    found = unwrapped(angles)
    assert np.ptp(found) == pytest.approx(8.0)
    assert 0 <= np.mean(found) < 360
    assert unwrapped(np.empty((0, 0, 0))).size == 0


def test_published_values_stand_beside_ours(product: Product) -> None:
    assert parameter(product, "c.mass")["published"] == [
        {"value": 20.0, "plus": 1.0, "minus": 2.0, "source": "A paper"}
    ]
    assert parameter(product, "b.period")["published"] == []


def test_a_strict_rule_says_exactly_what_is_missing(outputs: list[Canonical]) -> None:
    found = merge(outputs, rhat=1.0001, ess_bulk=1e5, ess_tail=1e5)
    assert not found.converged
    unmet = {row.key: row.text for row in found.verdict.rows if not row.met}
    assert unmet["rhat"].startswith("R-hat of ")
    assert "asks for at most 1.0001" in unmet["rhat"]
    assert "Bulk ESS of" in unmet["ess_bulk"]
    assert "more sub-chains like these 4" in unmet["ess_bulk"]
    assert "Tail ESS of" in unmet["ess_tail"]
    assert set(found.missing) <= set(unmet.values())
    assert found.summary()["converged"] is False
    assert found.summary()["missing"] == list(found.missing)


def test_a_lenient_rule_is_not_enough(outputs: list[Canonical]) -> None:
    """Data and model are fine; but nothing was measured before the first unit, and after it."""
    found = merge(outputs, rhat=2.0, ess_bulk=4.0, ess_tail=4.0)
    met = {row.key for row in found.verdict.rows if row.met}
    assert {"rhat", "ess_bulk", "ess_tail", "independence", "modes", "dead"} <= met
    assert {"chi2", "posterior_predictive", "worst_transit", "information"} <= met
    assert not met & {"pilot", "pilot_settled", "step", "second_opinion", "evidence"}
    assert (found.sampled, found.described, found.informative) == (False, True, True)
    assert "The second opinion has not come back yet." in found.missing
    assert found.outcome.startswith("The posterior is not sampled yet, the model describes")


def test_the_summary_holds_the_verdict(product: Product) -> None:
    summary = product.summary()
    assert summary["verdict"] == product.verdict.to_json()
    report = read_report(summary)
    assert report is not None
    assert {word.name: word.holds for word in report.words} == {
        word: summary["verdict"][word] for word in ("sampled", "described", "informative")
    }
    assert report.met is product.converged
    assert len(report.criteria) == len(product.verdict.rows)
    assert len(report.tables[0].rows) == product.problem.n_dim
    assert summary["converged"] is False
    assert {row["word"] for row in summary["verdict"]["rows"]} == {
        "sampled",
        "described",
        "informative",
    }


def test_one_sub_chain_never_converges(outputs: list[Canonical]) -> None:
    found = merge(outputs[:1], rhat=10.0, ess_bulk=1.0, ess_tail=1.0)
    assert not found.converged
    assert found.missing[0].startswith("Only 1 sub-chain is merged: agreement needs at least 4")
    assert found.summary()["rhat_max"]["value"] > 0


def test_rival_modes_never_converge(outputs: list[Canonical], tmp_path: Path) -> None:
    case = ttv_case.case(0, 0, 240)
    period = case.output.parameter_names.index("b.period")
    draws = case.output.draws.copy()
    draws[..., period] += 0.03  # far outside of its width, inside its prior
    path = case.write(tmp_path, case.changed(draws=draws))
    found = merge([replace(outputs[0], path=path), *outputs[1:]], rhat=10.0, ess_bulk=1, ess_tail=1)
    assert not found.converged
    assert any("2 separate modes of comparable probability" in one for one in found.missing)
    assert found.summary()["n_unit_merged"] in (1, 3)  # never all four
    assert np.ptp(found.draws[:, period]) < 0.02


def test_a_negligible_mode_is_reported_and_does_not_stand_in_the_way(
    outputs: list[Canonical], tmp_path: Path
) -> None:
    case = ttv_case.case(0, 0, 240)
    low = case.changed(log_prob=case.output.log_prob - 200.0)
    path = case.write(tmp_path, low)
    found = merge([replace(outputs[0], path=path), *outputs[1:]], rhat=10.0, ess_bulk=1, ess_tail=1)
    # Three good sub-chains of four are left: one too few. The mode does not stand in the way.
    met = {row.key: row.met for row in found.verdict.rows}
    assert not met["independence"]
    assert met["modes"]
    stuck = found.summary()["sub_chains"][0]
    assert stuck["merged"] is False
    assert "another mode" in stuck["remark"]


def test_no_output_gives_a_product_that_says_so(tmp_path: Path) -> None:
    found = merge([])
    assert found.missing == ("No output has been merged yet.",)
    assert found.draws.shape == (0, 5)
    found.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"summary.json", "provenance.json"}
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["n_draw"] == 0
    assert summary["rhat_max"] is None


def test_sub_chains_too_short_for_anything_are_not_merged(tmp_path: Path) -> None:
    case = ttv_case.case(0, 0, 9)
    path = case.write(tmp_path)
    found = merge([Canonical(case.unit, path, "wu")])
    assert found.n_draw == 0
    assert "could be merged" in found.missing[0]
    assert not found.converged


def test_a_hand_of_draws_gives_null_not_nan(tmp_path: Path) -> None:
    cases = [ttv_case.case(index, 0, 12) for index in range(2)]
    found = merge(
        [
            Canonical(one.unit, one.write(tmp_path, name=f"{k}.h5"), "wu")
            for k, one in enumerate(cases)
        ]
    )
    text = json.dumps(found.summary(), allow_nan=False)
    assert "NaN" not in text
    assert not found.converged
    found.write(tmp_path / "product")


def test_an_output_of_another_unit_is_refused(outputs: list[Canonical]) -> None:
    with pytest.raises(OutputError, match="is not of"):
        merge([replace(outputs[0], path=outputs[1].path)])


def test_an_output_with_other_parameters_is_refused(
    outputs: list[Canonical], tmp_path: Path
) -> None:
    case = ttv_case.case(0, 0, 240)
    path = case.write(tmp_path, case.changed(parameter_names=case.output.parameter_names[::-1]))
    with pytest.raises(OutputError, match="other parameters"):
        merge([replace(outputs[0], path=path)])


def test_all_files_are_written_and_nothing_else(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == FILES


def test_any_order_of_outputs_gives_the_same_bytes(
    outputs: list[Canonical], written: Path, product: Product, tmp_path: Path
) -> None:
    again = ttv.merge(ttv_case.campaign(), outputs[::-1], created_at=NOW, rejected=product.rejected)
    again.write(tmp_path)
    for name in sorted(FILES):
        assert _digest(tmp_path / name) == _digest(written / name), name


def test_only_the_time_of_making_changes_the_files(
    outputs: list[Canonical], product: Product
) -> None:
    later = ttv.merge(
        ttv_case.campaign(),
        outputs,
        created_at=datetime(2030, 1, 1, tzinfo=UTC),
        rejected=product.rejected,
    )
    assert later.digest == product.digest
    now, then = product.summary(), later.summary()
    assert {key for key in now if now[key] != then[key]} == {"created_at"}


def test_hdf5_holds_the_draws(product: Product, written: Path) -> None:
    with h5py.File(written / "posterior.h5") as file:
        np.testing.assert_array_equal(file["draws"][()], product.merged.draws)
        np.testing.assert_array_equal(file["log_prob"][()], product.merged.log_prob)
        assert tuple(file.attrs["parameter_names"]) == product.problem.parameter_names
        assert file.attrs["posterior_digest"] == product.digest
        assert set(file["derived"]) == {
            "c.eccentricity",
            "c.omega",
            "c.mass_ratio",
            "c.mass_over_b.mass",
        }


def test_netcdf_follows_arviz_schema(product: Product, written: Path) -> None:
    import xarray as xr

    tree = xr.open_datatree(written / "posterior.nc", engine="h5netcdf")
    assert set(tree.children) == {"posterior", "sample_stats", "observed_data"}
    posterior = tree["posterior"].to_dataset()
    n_chain, n_draw, n_walker, _ = product.merged.draws.shape
    assert dict(posterior.sizes) == {"chain": n_chain * n_walker, "draw": n_draw}
    assert posterior["c.mass"].dims == ("chain", "draw")
    # Chain 3 of sub-chain 2, all its draws in the order of time.
    chain = 2 * n_walker + 3
    assert int(posterior["sub_chain"][chain]) == 2
    assert int(posterior["walker"][chain]) == 3
    column = product.problem.parameter_names.index("c.mass")
    np.testing.assert_array_equal(posterior["c.mass"][chain], product.merged.draws[2, :, 3, column])
    np.testing.assert_array_equal(
        tree["sample_stats"]["lp"][chain], product.merged.log_prob[2, :, 3]
    )
    rate = float(tree["sample_stats"]["acceptance_rate"][chain, 0])
    assert rate == pytest.approx(ttv_case.case(2, 0, 240).output.accepted[3] / 240)
    for name in ("created_at", "inference_library", "creation_library_version"):
        assert posterior.attrs[name]
    times = tree["observed_data"]["transit_time"]
    assert times.sizes["transit"] == parse_table(ttv_case.table()).n_transit
    tree.close()


def test_arviz_computes_with_the_netcdf(written: Path) -> None:
    import xarray as xr
    from arviz_stats.base import array_stats

    tree = xr.open_datatree(written / "posterior.nc", engine="h5netcdf")
    posterior = tree["posterior"].to_dataset()
    found = array_stats.rhat_nested(
        posterior["c.mass"].values, superchain_ids=posterior["sub_chain"].values
    )
    assert 0.9 < float(found) < 1.5
    tree.close()


@pytest.mark.parametrize("name", ["oc.png", "corner.png", "rank.png"])
def test_plots_are_pictures_with_something_on_them(written: Path, name: str) -> None:
    from matplotlib.image import imread

    picture = imread(written / name)[..., :3]
    assert min(picture.shape[:2]) >= 300
    inked = (np.ptp(picture, axis=2) > 0.2).mean()
    assert 0.002 < inked < 0.5  # coloured pixels: neither blank nor flooded


def test_predicted_times_follow_the_observed_ones(product: Product) -> None:
    """Residuals in units of sigma have variance 1; 21 of them, five standard errors."""
    (curve,) = timing_curves(product.problem, product.table, product.draws)
    assert curve.planet == "b"
    assert (np.diff(curve.bands, axis=0) >= 0).all()
    scaled = curve.residuals / curve.errors
    assert np.mean(scaled**2) < 1 + 5 * np.sqrt(2 / len(scaled))


def test_provenance_names_everything(product: Product, written: Path) -> None:
    found = json.loads((written / "provenance.json").read_text())
    assert [unit["name"] for unit in found["units"]] == [f"toy_g0_u00{k}" for k in range(N_UNIT)]
    first, case = found["units"][0], ttv_case.case(0, 0, 240)
    assert first["digest"] == case.unit.digest
    assert first["seed"] == {"entropy": 11, "spawn_key": [0, 0]}
    assert first["platform"] == "x86_64-pc-linux-gnu"
    assert first["sent_app_version"] == 100
    assert first["app_version"] == case.output.app_version != 100
    assert first["n_agreeing"] == 2
    assert first["content_digest"] == content_digest(case.output)
    assert found["rejected"][0]["reason"] == "It was wrong."
    assert found["posterior_digest"] == product.digest


def test_any_unit_can_be_computed_again_from_the_provenance(written: Path, tmp_path: Path) -> None:
    directory = tmp_path / "slot"
    provenance.main([str(written / "provenance.json"), "toy_g0_u002", str(directory)])
    paths = {path.name: path for path in directory.iterdir()}
    unit = open_unit(paths)
    again = ttv_case.compute(unit, paths["transits.csv"].read_bytes())
    units = json.loads((written / "provenance.json").read_text())["units"]
    assert content_digest(again) == units[2]["content_digest"]


def test_a_unit_that_is_not_there_is_named(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="has no unit nonsense"):
        provenance.unpack_unit(written / "provenance.json", "nonsense", tmp_path)
    with pytest.raises(SystemExit):
        provenance.main([str(written / "summary.json"), "toy_g0_u000", str(tmp_path)])
    assert "is not the provenance of a product" in capsys.readouterr().err


def test_a_killed_writer_leaves_the_old_product_whole(
    product: Product, written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "toy"
    product.write(directory)
    before = {name: _digest(directory / name) for name in FILES}

    def killed(self: Product, directory: Path) -> None:
        (directory / "oc.png").write_bytes(b"half a pict")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Product, "_write_plots", killed)
        with pytest.raises(KeyboardInterrupt):
            product.write(directory)
    assert {name: _digest(directory / name) for name in FILES} == before
    assert any(path.name.startswith(".new-") for path in directory.iterdir())
    product.write(directory)
    assert {path.name for path in directory.iterdir()} == FILES


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
