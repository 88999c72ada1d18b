"""Planning nested runs: campaign files, units, costs."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.nested.compute.app import NestedRuns
from apps.nested.compute.settings import NestedUnit
from apps.nested.plan import units as nested
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.population.settings import is_population
from apps.ttv.compute.search.mode import Mode
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import parse_table
from apps.ttv.compute.whitening import Whitening
from apps.ttv.plan.campaign_file import posterior_of
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from tests.prepared_by_hand import POPULATION, whitened_covariance
from tests.unit.apps.nested.validate import nested_case
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition, to_definition
from work_generator.stop import rule_text

EXAMPLE = Path(__file__).parents[5] / "examples" / "kepler-307-nested.toml"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    data = (EXAMPLE.parent / "data").as_posix()
    path = tmp_path / "c.toml"
    path.write_text(text.replace(old, new).replace('"data/', f'"{data}/'), encoding="utf-8")
    return path


def test_the_example_is_read() -> None:
    campaign = load_campaign(EXAMPLE)
    assert campaign.app == "ttv_nested"
    assert campaign.stop.logz_error is not None
    assert not nested.is_prepared(campaign)
    assert from_definition(to_definition(campaign)) == campaign
    assert "log Z" in rule_text(campaign.stop)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("n_live = 10", "n_live = 10 is too few for 10 free parameters: write 44 or more"),
        ("n_live = 10\nproposal_share = 0", "n_live = 10 is too few for 10 .*: write 40 or more"),
        ("proposal_share = 1.0", "is not a part: write a number from 0"),
        ("proposal_share = -0.1", "is not a part: write a number from 0"),
        ("dlogz = 5.0", "write 1 or less"),
        ("dlogz = 0", "greater than 0"),
        ('method = "slice"', "write one of rwalk"),
        ("walks = 1", "out of range"),
        ("batch = 1000", "out of range"),
        ("segment = 0", "out of range"),
        ("n_walker = 40", "n_walker is not a known key"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, line: str, sentence: str) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    section = text[text.index("[sampler]") : text.index("[stop]")]
    with pytest.raises(InputError, match=sentence):
        load_campaign(changed(tmp_path, section, f"[sampler]\n{line}\n\n"))


@pytest.mark.parametrize("line", ["rhat = 1.01", "logz_error = 0", "ess = -1"])
def test_the_stop_rule_is_one_of_nested_runs(tmp_path: Path, line: str) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    section = text[text.index("[stop]") : text.index("[units]")]
    with pytest.raises(InputError, match=line.split()[0]):
        load_campaign(changed(tmp_path, section, f"[stop]\n{line}\n\n"))


def test_runs_differ_in_nothing_but_their_seeds() -> None:
    campaign = nested_case.campaign()
    *first, other = nested.plan(campaign, Progress())
    second = nested.plan(campaign, Progress(issued=(4,), draws=np.zeros((5, 4))))
    units = first + second
    assert is_population(other.settings)
    assert other.name == "toy-nested_g0_u1000001"
    assert 0 < nested.cost(campaign, other).n_call <= POPULATION["calls"]
    assert [unit.name for unit in units][3:5] == ["toy-nested_g0_u003", "toy-nested_g1_u000"]
    assert all(unit.settings == units[0].settings for unit in units)
    assert len({unit.seed.spawn_key for unit in units}) == 8
    settings = NestedUnit.from_mapping(units[0].settings)
    # Twice 15 + log(1 / dlogz) e-folds, and 20 more, of 80 points each in segments of 40.
    assert settings.sampler.max_segments == math.ceil((2 * (15 - math.log(0.1)) + 20) * 2)


def test_the_last_generation_ends_with_the_budget() -> None:
    assert len(nested.plan(nested_case.campaign(), Progress(issued=(4, 4, 4, 1)))) == 3


def test_an_unprepared_campaign_is_not_planned() -> None:
    with pytest.raises(InputError, match="not prepared"):
        nested.plan(load_campaign(EXAMPLE), Progress())


def test_the_expected_length_is_that_of_a_gaussian() -> None:
    """Log(L_max / Z) by the volume of a Gaussian: prior density and covariance of one mode."""
    problem = Problem.from_mapping(
        {"model": nested_case.MODEL, "parameters": nested_case.PARAMETERS}
    )
    posterior = Posterior(problem, parse_table(nested_case.campaign().inputs["transits.csv"]))
    point = np.array([10.0, 4.0, 20.0, 7.0])
    widths = np.array([1e-4, 1e-3, 1.0, 0.1])
    coords = Whitening(problem).whiten(point[np.newaxis])[0]
    mode = Mode(point, coords, 30.0, whitened_covariance(problem, point, widths), 1)
    density = 1 / 0.2 / 0.2 / (20 * math.log(80 / 5)) / 2.0
    volume = math.prod(widths * math.sqrt(2 * math.pi))
    expected = -math.log(density * volume)
    assert nested.expected_e_folds([mode], posterior) == pytest.approx(expected, abs=1e-3)
    # A second mode as good makes the posterior twice as large.
    two = [mode, mode]
    assert nested.expected_e_folds(two, posterior) == pytest.approx(
        expected - math.log(2), abs=1e-3
    )


def test_costs_follow_from_the_expected_length() -> None:
    campaign = nested_case.campaign()
    unit = nested.plan(campaign, Progress())[0]
    cost = nested.cost(campaign, unit)
    actual = nested_case.case().output.n_likelihood
    assert actual / 2 < cost.n_call < actual * 2
    sampler = {**campaign.settings["sampler"], "n_live": 160, "segment": 80, "batch": 20}
    larger = replace(campaign, settings={**campaign.settings, "sampler": sampler})
    assert nested.cost(larger, nested.plan(larger, Progress())[0]).n_call == pytest.approx(
        2 * cost.n_call, rel=1e-3
    )
    assert nested.fitting(campaign, 1.0).startswith("n_live = 32")


def proposed_campaign() -> Campaign:
    """Return the small campaign, prepared with a proposal."""
    campaign = nested_case.campaign()
    return replace(
        campaign,
        settings={
            **campaign.settings,
            "sampler": {**campaign.settings["sampler"], "proposal_share": 0.8},
            "proposal": nested_case.proposal(),
        },
    )


def test_units_have_the_proposal_that_the_campaign_was_prepared_with() -> None:
    campaign = proposed_campaign()
    unit = nested.plan(campaign, Progress())[0]
    settings = NestedUnit.from_mapping(unit.settings)
    assert settings.sampler.proposal is not None
    assert settings.sampler.proposal.share == 0.8
    assert unit.min_app_version == NestedRuns.version
    # One coordinate more of every point comes back.
    plain = nested.cost(nested_case.campaign(), nested.plan(nested_case.campaign(), Progress())[0])
    points = settings.sampler.max_dead + settings.sampler.n_live
    assert nested.cost(campaign, unit).bytes_up == plain.bytes_up + 8 * points
    assert "80% of the points, a fit" in nested.describe(campaign)[1]
    assert nested.describe(nested_case.campaign())[1].endswith("from the prior.")


def test_the_expected_length_with_a_proposal_is_that_of_the_runs() -> None:
    """Random points of the cube see less of L*'s peak than runs do, and not much less."""
    posterior = posterior_of(nested_case.campaign().settings, nested_case.campaign().inputs)
    rng = np.random.default_rng(1)
    raw = {**nested_case.proposal(), "share": 0.3}
    found = nested.e_folds_from_cube(posterior, raw, 15.0, rng)
    output = nested_case.compute(nested_case.make_unit(proposal=raw))
    length = len(output.dead_logl) / len(output.live_logl)
    assert length / 2 < found - math.log(0.1) < length + 0.5
    # A proposal that is nowhere near is no help, and no hindrance beyond its share.
    center = [*raw["shear"]["center"][:-1], 1e3]
    useless = {**raw, "shear": {**raw["shear"], "center": center}}
    assert nested.e_folds_from_cube(posterior, useless, 15.0, rng) == 15.0 - math.log(0.7)


def test_what_it_computes_is_said() -> None:
    campaign = nested_case.campaign()
    assert "80 live points" in nested.describe(campaign)[1]
    assert "Expected length" in nested.preparation(campaign)[2]
