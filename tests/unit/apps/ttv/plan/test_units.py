from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apps.ttv.compute.model import TimingModel
from apps.ttv.compute.population.settings import PopulationUnit, is_population
from apps.ttv.compute.search.mode import Mode, log_laplace
from apps.ttv.compute.settings import Problem, TtvSettings
from apps.ttv.compute.whitening import Whitening
from apps.ttv.plan import units as ttv
from apps.ttv.plan.campaign_file import posterior_of
from apps.ttv.plan.lines import preparation
from apps.ttv.plan.second_opinion import (
    FEW_POINTS,
    MANY_POINTS,
    SECOND_OPINION,
    SHARE,
    expected_calls,
    for_search,
    points_of_second_opinion,
    second_opinion,
)
from boinc_project.campaign import Campaign, Progress
from boinc_project.errors import InputError
from boinc_project.unit import Unit
from tests.prepared_by_hand import prepared_by_hand
from work_generator.campaign_file import load_campaign
from work_generator.definition import from_definition, to_definition

TRUTH = [12.0, 10.0, 0.01, 0.02, 101.0, 20.0, 20.3, 102.5]
"""b: mass, period, ecosw, esinw, t0; c (circular): mass, period, t0."""


@pytest.fixture
def campaign(write: Callable[..., Path]) -> Campaign:
    """A campaign whose table was computed from `TRUTH`, without noise."""
    span = ("value = 0.5", "value = 0.5")
    model = load_campaign(write(span)).settings
    problem = Problem.from_mapping({**model, "model": {**model["model"], "end": 460.0}})
    times = TimingModel(problem).transit_times(TRUTH)[0]
    rows = [f"b,{number},{time:.9f},0.0005" for number, time in enumerate(times[:34])]
    table = "planet,epoch,bkjd,sigma_days\n" + "\n".join(rows) + "\n"
    return load_campaign(write(span, table=table))


@pytest.fixture
def prepared(campaign: Campaign) -> Campaign:
    """The campaign, prepared by hand: the mode is known."""
    widths = np.array([0.5, 1e-5, 1e-3, 1e-3, 1e-3, 0.5, 1e-3, 1e-3])
    wide = np.random.default_rng(1).multivariate_normal(TRUTH, 2.0 * np.diag(widths**2), 500)
    problem = posterior_of(campaign.settings, campaign.inputs).problem
    settings = prepared_by_hand(campaign.settings, problem, np.array(TRUTH), widths, wide)
    return replace(campaign, settings=settings)


def heavier(points: list[list[float]]) -> list[list[float]]:
    """Return the points with b four Earth masses heavier."""
    return [[mass + 4.0, *others] for mass, *others in points]


def chains(units: list[Unit]) -> list[Unit]:
    """Return the units that are no second opinion."""
    return [unit for unit in units if not is_population(unit.settings)]


def test_every_generation_starts_at_wide_draws(prepared: Campaign) -> None:
    known = {tuple(point) for point in prepared.settings["wide"]}
    later = Progress(issued=(3,), draws=draws_around(TRUTH))
    for number, progress in enumerate((Progress(), later)):
        units = chains(ttv.plan(prepared, progress))
        assert [unit.generation for unit in units] == [number] * 3
        for unit in units:
            start = {tuple(point) for point in unit.settings["start"]}
            assert start <= known
            assert len(start) == 24
        assert units[0].settings["start"] != units[1].settings["start"]


def test_the_second_opinion_is_one_more_unit_of_the_first_generation(prepared: Campaign) -> None:
    units = ttv.plan(prepared, Progress())
    (second,) = [unit for unit in units if is_population(unit.settings)]
    assert second is units[-1]
    assert [unit.index for unit in units] == [0, 1, 2, SECOND_OPINION]
    opinion = PopulationUnit.from_mapping(second.settings)
    assert not {"start", "sampler"} & second.settings.keys()
    assert 0 < ttv.cost(prepared, second).n_call <= opinion.calls
    later = ttv.plan(prepared, Progress(issued=(3,), draws=draws_around(TRUTH)))
    assert chains(later) == later


def test_units_differ_from_each_other(prepared: Campaign) -> None:
    units = ttv.plan(prepared, Progress())
    assert len({unit.digest for unit in units}) == 4
    assert len({str(unit.settings["start"]) for unit in chains(units)}) == 3


def test_the_same_campaign_gives_the_same_units_digest_for_digest(prepared: Campaign) -> None:
    again = from_definition(to_definition(prepared))
    first = [unit.digest for unit in ttv.plan(prepared, Progress())]
    assert [unit.digest for unit in ttv.plan(again, Progress())] == first


def test_another_seed_gives_other_units(prepared: Campaign) -> None:
    first = {unit.digest for unit in ttv.plan(prepared, Progress())}
    other = {unit.digest for unit in ttv.plan(replace(prepared, seed=8), Progress())}
    assert not first & other


def test_other_data_gives_other_units(prepared: Campaign) -> None:
    first = {unit.digest for unit in ttv.plan(prepared, Progress())}
    more = prepared.inputs["transits.csv"] + b"# a remark\n"
    other = ttv.plan(replace(prepared, inputs={"transits.csv": more}), Progress())
    assert not first & {unit.digest for unit in other}


def draws_around(centre: list[float], n: int = 500) -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.array(centre) * (1 + 1e-4 * rng.normal(size=(n, len(centre))))


def test_the_last_generation_is_cut_at_the_budget(prepared: Campaign) -> None:
    units = ttv.plan(prepared, Progress(issued=(3, 3), draws=draws_around(TRUTH)))
    assert len(units) == 2
    assert ttv.plan(prepared, Progress(issued=(3, 3, 2), draws=draws_around(TRUTH))) == []


def test_every_generation_proposes_from_what_is_known(prepared: Campaign) -> None:
    moves = [["mixture", 0.6], ["de", 0.4]]
    sampler = {**prepared.settings["sampler"], "moves": moves}
    campaign = replace(prepared, settings={**prepared.settings, "sampler": sampler})
    (first, *_) = ttv.plan(campaign, Progress())
    fitted = prepared.settings["proposal"]
    assert first.settings["sampler"]["mixture"] == fitted["mixture"]
    assert first.settings["sampler"]["shear"] == fitted["shear"]
    draws = draws_around([13.0, *TRUTH[1:]])
    (later, *_) = ttv.plan(campaign, Progress(issued=(3,), draws=draws))
    settings = TtvSettings.from_mapping(later.settings)
    shear = settings.sampler.shear
    assert shear is not None
    assert settings.sampler.corrections == 0
    center = np.empty(8)
    center[shear.order] = shear.center
    masses = Whitening(settings.problem).colour(center[np.newaxis])[0, 0]
    assert masses == pytest.approx(13.0, rel=1e-3)


def test_moves_without_a_mixture_are_straightened_all_the_same(prepared: Campaign) -> None:
    sampler = {**prepared.settings["sampler"], "moves": [["de", 1.0]]}
    campaign = replace(prepared, settings={**prepared.settings, "sampler": sampler})
    for progress in (Progress(), Progress(issued=(3,), draws=draws_around(TRUTH))):
        (unit, *_) = ttv.plan(campaign, progress)
        assert "shear" in unit.settings["sampler"]
        assert "mixture" not in unit.settings["sampler"]


def test_where_chains_begin_stays_reachable(prepared: Campaign) -> None:
    """A tenth of the proposals is fitted to where chains begin, whatever has been drawn."""
    away = heavier(prepared.settings["wide"])
    sampler = {**prepared.settings["sampler"], "moves": [["mixture", 1.0]]}
    settings = {**prepared.settings, "wide": away, "sampler": sampler}
    progress = Progress(issued=(3,), draws=draws_around(TRUTH, 2000))
    (unit, *_) = ttv.plan(replace(prepared, settings=settings), progress)
    found = TtvSettings.from_mapping(unit.settings)
    mixture = found.sampler.mixture
    assert mixture is not None
    # Groups stand in the order of their parts, the largest first.
    assert np.isclose(np.cumsum(mixture.weights), 0.9, atol=1e-9).any()
    assert len(mixture.weights) > 1


def test_a_campaign_is_prepared_before_it_is_planned(campaign: Campaign) -> None:
    assert not ttv.is_prepared(campaign)
    with pytest.raises(InputError, match="not prepared"):
        ttv.plan(campaign, Progress())


@pytest.mark.parametrize("engine", ["batch", "ttvfast"])
def test_the_search_takes_the_compiled_engine_whatever_the_chains_take(
    campaign: Campaign, engine: str
) -> None:
    settings = {**campaign.settings, "model": {**campaign.settings["model"], "engine": engine}}
    assert for_search(settings)["model"]["engine"] == "batch"
    assert settings["model"]["engine"] == engine


@pytest.mark.slow
def test_preparing_finds_mode_and_step_and_is_repeatable(campaign: Campaign) -> None:
    model = {**campaign.settings["model"], "dt": None}
    automatic = {**campaign.settings, "model": model, "starts": 16}
    told: list[tuple[int, int]] = []
    done = ttv.prepare(replace(campaign, settings=automatic), lambda *numbers: told.append(numbers))
    assert ttv.is_prepared(done)
    assert 0 < done.settings["model"]["dt"] < 1.0
    best = done.settings["modes"][0]
    assert best["chi2"] < 34  # as many transits
    assert told[-1][0] == told[-1][1]
    assert done.settings["dt_error"]["sigma"] < 0.1
    assert 0 < done.settings["pilot"]["effective"] <= done.settings["pilot"]["n_call"]
    assert sum(mode["weight"] for mode in done.settings["modes"]) == pytest.approx(1.0)
    assert ttv.prepare(done) is done


def test_laplace_weighs_by_height_and_volume(campaign: Campaign) -> None:
    posterior = posterior_of(campaign.settings, campaign.inputs)
    unit = np.diag([0.5, 1e-5, 1e-3, 1e-3, 1e-3, 0.5, 1e-3, 1e-3]) ** 2

    def log_evidence(chi2: float, scale: float) -> float:
        coords = Whitening(posterior.problem).whiten(np.array([TRUTH]))[0]
        return log_laplace(Mode(np.array(TRUTH), coords, chi2, unit * scale**2), posterior)

    # Equal volumes: exp(-chi2 / 2). A mode of twice the width in 8 dimensions: 2**8, and a little
    # less for the mean of 1 / e over it.
    first = log_evidence(10.0, 1.0)
    assert first - log_evidence(12.0, 1.0) == pytest.approx(1.0)
    assert log_evidence(10.0, 2.0) - first == pytest.approx(8 * math.log(2), abs=1e-3)


def test_cost_counts_calls_and_exact_bytes(prepared: Campaign) -> None:
    (unit, *_) = ttv.plan(prepared, Progress())
    cost = ttv.cost(prepared, unit)
    assert cost.n_call == 24 * 21
    assert cost.bytes_down == len(unit.to_bytes())
    assert cost.bytes_shared == len(prepared.inputs["transits.csv"])
    assert cost.bytes_up >= 8 * 2 * 24 * (8 + 1)
    assert cost.fpops > 0
    finer = {**prepared.settings, "model": {**prepared.settings["model"], "dt": 0.25}}
    assert ttv.cost(replace(prepared, settings=finer), unit).fpops > 1.5 * cost.fpops


def test_the_likelihood_is_measured_here(prepared: Campaign) -> None:
    assert 1e-6 < ttv.seconds_per_call(prepared) < 1.0


def test_descriptions_name_what_matters(prepared: Campaign) -> None:
    assert "b, c (unseen)" in ttv.describe(prepared)[0]
    assert "Free parameters: 8" in ttv.describe(prepared)[0]
    lines = preparation(prepared)
    assert lines[0] == "Step: 0.5 days."
    assert "Mode of 100 % of the posterior" in lines[1]
    assert "2000 draws of the first proposal are worth 1000" in lines[2]
    assert lines[3] == "log Z by these draws: 0.00 +- 0.1; by the population alone: 0.00."
    assert "found by only one of 96 fits" in lines[4]
    assert "starts = 384" in lines[4]


def test_a_mode_found_twice_needs_no_warning(prepared: Campaign) -> None:
    (mode,) = prepared.settings["modes"]
    settings = {**prepared.settings, "modes": [{**mode, "n_found": 2}]}
    assert len(preparation(replace(prepared, settings=settings))) == 4


@pytest.fixture
def automatic(prepared: Campaign) -> Campaign:
    """The prepared campaign, but for the length of its units."""
    sampler = {**prepared.settings["sampler"], "n_step": None}
    settings = {**prepared.settings, "sampler": sampler}
    return replace(prepared, settings=settings, units_per_generation=1)


def test_the_length_of_a_unit_is_measured_once_and_kept(automatic: Campaign) -> None:
    assert not ttv.is_prepared(automatic)
    with pytest.raises(InputError, match="not prepared"):
        ttv.plan(automatic, Progress())
    done = ttv.prepare(automatic)
    assert ttv.is_prepared(done)
    assert ttv.prepare(done) is done
    again = from_definition(to_definition(done))
    assert [unit.digest for unit in ttv.plan(again, Progress())] == [
        unit.digest for unit in ttv.plan(done, Progress())
    ]
    (unit, *_) = ttv.plan(done, Progress())
    sampler = TtvSettings.from_mapping(unit.settings).sampler
    assert sampler.n_step > 1000
    assert sampler.n_step % sampler.thin == 0


@pytest.mark.parametrize("seconds", [5e-5, 1e-3, 2e-2])
def test_units_are_sized_for_the_reference_host(automatic: Campaign, seconds: float) -> None:
    done = ttv.resized(automatic, seconds)
    (unit, *_) = ttv.plan(done, Progress())
    cost = ttv.cost(done, unit)
    assert 30 * 60 < cost.n_call * seconds < 60 * 60
    assert cost.bytes_up < 8.1e6
    sampler = done.settings["sampler"]
    assert ttv.fitting(automatic, seconds) == (
        f"n_step = {sampler['n_step']} with thin = {sampler['thin']}"
    )


def test_a_length_that_is_not_known_yet_is_described(automatic: Campaign) -> None:
    assert "as many steps as 45 minutes allow" in ttv.describe(automatic)[1]


def test_preparation_and_second_opinion_share_nothing_but_the_campaign_file(
    campaign: Campaign,
) -> None:
    first, second = ttv.preparing(campaign)
    assert first.seed.generate_state(4).tolist() != second.seed.generate_state(4).tolist()
    assert first.settings["model"] == second.settings["model"]
    for unit in (first, second):
        assert unit.settings["population"].keys() == {"n_start", "n_island", "n_point", "calls"}


def test_the_second_opinion_is_the_same_unit_before_and_after_the_preparation(
    campaign: Campaign,
) -> None:
    """So it can be computed at the same time; its own step is its own, if the file leaves it open.

    The step that a preparation has chosen would be something that the two share.
    """
    model = {**campaign.settings["model"], "dt": None}
    (_, second) = ttv.preparing(replace(campaign, settings={**campaign.settings, "model": model}))
    chosen = {
        **campaign.settings,
        "model": {**model, "dt": 0.4},
        "stated_step": {"dt": None, "modified_kick": model["modified_kick"]},
        "modes": [],
    }
    assert second.settings["model"]["dt"] is None
    prepared = replace(campaign, settings=chosen)
    assert second_opinion(prepared, min_app_version=ttv.MIN_APP_VERSION).digest == second.digest


def test_what_a_preparation_does_not_depend_on_leaves_its_unit(campaign: Campaign) -> None:
    """The rest of the file may be edited, and what is kept is used again."""
    (unit, _) = ttv.preparing(campaign)
    sampler = {**campaign.settings["sampler"], "n_step": 400}
    edited = replace(
        campaign,
        title="Another title",
        units_per_generation=5,
        settings={**campaign.settings, "sampler": sampler},
    )
    assert ttv.preparing(edited)[0].digest == unit.digest
    more = {**campaign.settings, "starts": 97}
    for other in (replace(campaign, seed=8), replace(campaign, settings=more)):
        assert ttv.preparing(other)[0].digest != unit.digest


def points(campaign: Campaign, n_step: int | None, max_units: int) -> int:
    sampler = {**campaign.settings["sampler"], "n_step": n_step}
    changed = replace(
        campaign,
        settings={**campaign.settings, "sampler": sampler},
        stop=replace(campaign.stop, max_units=max_units),
    )
    return points_of_second_opinion(changed)


def test_the_second_opinion_of_a_small_campaign_is_small(campaign: Campaign) -> None:
    assert points(campaign, None, 8) == MANY_POINTS
    assert points(campaign, 100_000, 64) == MANY_POINTS
    assert points(campaign, 20, 8) == FEW_POINTS
    n_point = points(campaign, 3_000, 50)
    assert FEW_POINTS < n_point < MANY_POINTS
    chains = 50 * 24 * 3_001
    population = {"n_start": campaign.settings["starts"], "n_island": 1, "n_point": n_point}
    opinion = expected_calls(population)
    assert opinion / (opinion + chains) == pytest.approx(SHARE, rel=0.01)


def test_a_campaign_that_was_prepared_by_an_earlier_version_is_refused(prepared: Campaign) -> None:
    old = {"n_island": 1, "n_point": 2000, "corrections": 0, "calls": 1, "peaks": {}}
    campaign = replace(prepared, settings={**prepared.settings, "population": old})
    with pytest.raises(InputError, match=r"earlier version .* under another name"):
        ttv.plan(campaign, Progress())
