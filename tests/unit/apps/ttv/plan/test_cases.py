"""Mistakes in tables and priors: refused with what to write, which then works; or used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from apps.ttv.compute.likelihood import Posterior
from apps.ttv.plan.campaign_file import posterior_of
from bench.zoo.kinds import KINDS
from bench.zoo.simulate import simulate
from boinc_project.campaign import Campaign
from tests.unit.apps.ttv.plan.cases import (
    DATA,
    FILE,
    Change,
    Row,
    edited,
    load,
    numbers,
    refusal,
    rows,
    sigmas,
    table,
    times,
)
from work_generator.campaign_file import load_campaign

Made = Callable[[list[Row]], str]

AS_IT_IS: Made = table


def without_gap(made: Made) -> Made:
    """Return a table in which c misses transits 8 and 9, and then something is done to it."""
    return lambda given: made([row for row in given if row[:2] not in (("c", 8), ("c", 9))])


def few_of_c(made: Made, *kept: int) -> Made:
    """Return a table with a few transits of c, to which something is done."""
    return lambda given: made([row for row in given if row[0] == "b" or row[1] in kept])


def later(given: list[Row]) -> str:
    """Return a table whose second half comes three years later, and is BTJD."""
    period = {"b": 10.0075, "c": 20.2873}
    count = {"b": 300, "c": 148}
    half = {"b": 20, "c": 10}
    return table(
        [
            row
            if row[1] < half[row[0]]
            else (
                row[0],
                row[1] + count[row[0]],
                row[2] + count[row[0]] * period[row[0]] - 2167.0,
                row[3],
            )
            for row in given
        ]
    )


def later_in_bkjd(given: list[Row]) -> str:
    """Return the same with what the advice says: 2167 days are added."""
    shifted = [line.split(",") for line in later(given).splitlines()[1:]]
    back: list[Row] = []
    for planet, n, time, sigma in shifted:
        added = float(time) + (2167.0 if int(n) >= 100 else 0.0)
        back.append((planet, int(n), added, float(sigma)))
    return table(back)


def short(given: list[Row]) -> str:
    """Return transits of two planets with short periods over 15 years."""
    epochs = np.unique(np.concatenate([np.arange(90), 6700 + np.arange(60)]))
    rng = np.random.default_rng(3)
    noise = 0.0005 * rng.normal(size=len(epochs) + 25)
    inner: list[Row] = [
        ("b", n, 105.0 + 0.8 * n + e, 0.0005)
        for n, e in zip(epochs.tolist(), noise.tolist(), strict=False)
    ]
    outer: list[Row] = [
        ("c", n, 108.0 + 4.03 * n + e, 0.0005)
        for n, e in zip(range(25), noise[len(epochs) :].tolist(), strict=True)
    ]
    return table([*inner, *outer])


SHORT = (
    ("low = 9.9, high = 10.1", "low = 0.799, high = 0.801"),
    ("low = 20.1, high = 20.5", "low = 4.02, high = 4.04"),
)
INCLINATION = 'inclination = { value = 46.0, unit = "deg" }\nt0 = { prior = "uniform", low = 107.8'
C_T0 = 't0 = { prior = "uniform", low = 107.8'


def swapped(given: list[Row]) -> str:
    other = {"b": "c", "c": "b"}
    return edited(lambda row: (other[row[0]], *row[1:]))(given)


def twins(given: list[Row]) -> str:
    """Return a table whose c is b half a period later."""
    b = [row for row in given if row[0] == "b"]
    return table([*b, *(("c", n, time + 5.0, sigma) for _, n, time, sigma in b)])


TWINS = (
    ("low = 20.1, high = 20.5", "low = 9.9, high = 10.1"),
    ("low = 107.8, high = 108.2", "low = 109.8, high = 110.2"),
)

BAD: dict[str, tuple[Made, tuple[Change, ...], tuple[str, ...], Made, tuple[Change, ...]]] = {
    "numbers after a gap": (
        without_gap(edited(numbers(1), "c", 10)),
        (),
        ("transit 11 of c comes 3.00 periods of 20.28", "give it the number 10"),
        without_gap(table),
        (),
    ),
    "numbers after a gap, wide priors": (
        without_gap(edited(numbers(1), "c", 10)),
        (("low = 20.1, high = 20.5", "low = 19, high = 23"), ("low = 107.8", "low = 104.2")),
        ("transit 11 of c comes 3.00 periods of 20.28", "give it the number 10"),
        without_gap(table),
        (),
    ),
    "numbers of a part": (
        edited(numbers(-1), "b", 30),
        (),
        ("two times of transit 29 of planet b (lines 31 and 32) are 10.0",),
        AS_IT_IS,
        (),
    ),
    "one number too few": (
        lambda given: edited(numbers(-1), "b", 30)([r for r in given if r[:2] != ("b", 29)]),
        (),
        ("transit 29 of b comes 2.00 periods of 10.00", "give it the number 30"),
        AS_IT_IS,
        (),
    ),
    "a period that the prior excludes": (
        AS_IT_IS,
        (("low = 20.1, high = 20.5", "low = 21.1, high = 21.5"),),
        ("period of c is 20.2873 days in the table, but 21.1 to 21.5 days", "change the prior"),
        AS_IT_IS,
        (("low = 20.1, high = 20.5", "low = 20.2, high = 20.4"),),
    ),
    "a t0 that the prior excludes": (
        AS_IT_IS,
        (("low = 107.8, high = 108.2", "low = 109.2, high = 109.6"),),
        ("t0 of c is 109.2 to 109.6", "the nearest is at 107.999"),
        AS_IT_IS,
        (("low = 107.8, high = 108.2", "low = 107.9, high = 108.1"),),
    ),
    "a normal prior far from the table": (
        AS_IT_IS,
        (
            (
                't0 = { prior = "uniform", low = 107.8, high = 108.2',
                't0 = { prior = "normal", mean = 112.0, sigma = 0.1',
            ),
        ),
        ("t0 of c is 111.5", "the nearest is at 107.999"),
        AS_IT_IS,
        (
            (
                't0 = { prior = "uniform", low = 107.8, high = 108.2',
                't0 = { prior = "normal", mean = 107.999, sigma = 0.1',
            ),
        ),
    ),
    "sigmas in minutes": (
        edited(sigmas(1440.0)),
        (),
        ("sigma_days of b is 1.44 in the middle, 14 % of its period", "divide them by 1440"),
        AS_IT_IS,
        (),
    ),
    "sigmas in hours": (
        lambda given: edited(sigmas(24.0))(rows("no-signal.csv")),
        (),
        ("sigma_days of b is 0.048 in the middle", "if they are hours, divide them by 24"),
        lambda given: table(rows("no-signal.csv")),
        (),
    ),
    "sigmas in hours, of planets that pull each other": (
        edited(sigmas(24.0)),
        (),
        ("sigma_days of b is 0.024 in the middle, 0.24 % of", "if they are hours, divide them"),
        AS_IT_IS,
        (),
    ),
    "sigmas in seconds": (
        edited(sigmas(86400.0)),
        (),
        ("case.csv:2: sigma_days is 86.4", "0.001000 if these are seconds"),
        AS_IT_IS,
        (),
    ),
    "sigmas of one planet in minutes": (
        edited(sigmas(1440.0), "c"),
        (),
        ("sigma_days of c is 1.44 in the middle, 7.1 % of its period", "divide them by 1440"),
        AS_IT_IS,
        (),
    ),
    "BTJD after BKJD": (
        later,
        (),
        ("From transit 320 of b on", "BTJD (BJD - 2457000), add 2167 to make them BKJD"),
        later_in_bkjd,
        (),
    ),
    "MJD after BKJD": (
        edited(times(54832.5), "bc", 15),
        (),
        ("From transit 15 of b on", "if those from it on are MJD, subtract 54832.5 to make them"),
        AS_IT_IS,
        (),
    ),
    "BKJD after BJD - 2454900": (
        lambda given: table(
            [r if r[1] >= 10 else (r[0], r[1], r[2] - 67.0, r[3]) for r in given]
        ),
        (),
        ("From transit 10 of b on", "if those before it are BJD - 2454900, add 67"),
        AS_IT_IS,
        (),
    ),
    "one planet in BTJD": (
        edited(times(-2167.0), "c"),
        (),
        ("t0 of c is 107.8 to 108.2", "If its times are BTJD (BJD - 2457000), add 2167"),
        AS_IT_IS,
        (),
    ),
    "BJD in one row": (
        edited(times(2454833.0), "b", 39),
        (),
        ("case.csv:41: bkjd is 2455328.2", "write 495.203793"),
        AS_IT_IS,
        (),
    ),
    "names exchanged": (
        swapped,
        (),
        ("c and b have each other's period", "exchange their names"),
        AS_IT_IS,
        (),
    ),
    "two planets of one period": (
        twins,
        TWINS,
        ("b and c have the same period in the table, 10.00", "give all of its transits one name"),
        AS_IT_IS,
        (),
    ),
    "an inclination that never transits": (
        AS_IT_IS,
        ((C_T0, INCLINATION),),
        ("c is in the table, but cannot transit at an inclination of 46 deg", "such as 89 to 90"),
        AS_IT_IS,
        ((C_T0, INCLINATION.replace("value = 46.0", 'prior = "uniform", low = 89, high = 90')),),
    ),
    "a prior of inclinations that never transit": (
        AS_IT_IS,
        ((C_T0, INCLINATION.replace("value = 46.0", 'prior = "uniform", low = 20, high = 50')),),
        ("c is in the table, but cannot transit at an inclination of 20 to 50 deg", "Write 90"),
        AS_IT_IS,
        ((C_T0, INCLINATION.replace("value = 46.0", "value = 90.0")),),
    ),
    "more transits than TTVFast has room for": (
        short,
        (*SHORT, ('"batch"', '"ttvfast"')),
        ("up to 8,", 'has room for 5,000: write engine = "batch"'),
        short,
        SHORT,
    ),
    "planets too near to each other": (
        AS_IT_IS,
        (
            ('mass = { prior = "uniform", low = 0.0, high = 60.0', 'mass = { value = 90000.0'),
        ),
        ("none of 96 points", "two planets come within a Hill radius", "lower their masses"),
        AS_IT_IS,
        (('mass = { prior = "uniform", low = 0.0, high = 60.0', 'mass = { value = 30.0'),),
    ),
    "three transits, one of them with a wrong number": (
        few_of_c(edited(numbers(1), "c", 3), 0, 3, 4),
        (),
        ("period of c is 15.9", "give transit 4 the number 3, and change those after it"),
        few_of_c(table, 0, 3, 4),
        (),
    ),
    "two transits, one of them with a wrong number": (
        few_of_c(edited(numbers(1), "c", 3), 0, 3),
        (),
        ("period of c is 15.2", "give transit 4 the number 3"),
        few_of_c(table, 0, 3),
        (),
    ),
    "a whole table in BTJD": (
        edited(times(-2167.0)),
        (),
        ("t0 of b is 104.8 to 105.2", "If its times are BTJD (BJD - 2457000), add 2167"),
        AS_IT_IS,
        (),
    ),
    "a whole table in BJD - 2454900": (
        edited(times(-67.0)),
        (),
        ("the nearest is at 108.009", "If its times are BJD - 2454900, add 67 to make them BKJD"),
        AS_IT_IS,
        (),
    ),
    "masses of stars": (
        AS_IT_IS,
        (("low = 0.0, high = 60.0", "low = 50000.0, high = 100000.0"),),
        ("none of 96 points", "within a Hill radius of each other"),
        AS_IT_IS,
        (("low = 0.0, high = 60.0", "low = 0.0, high = 600.0"),),
    ),
    "another case of names": (
        lambda given: table(given).replace("\nb,", "\nB,"),
        (),
        ("planet 'B' is not an observed planet of the campaign file (b, c)",),
        AS_IT_IS,
        (),
    ),
    "the last transit one period late": (
        edited(times(10.0), "b", 39),
        (),
        ("transit 39 of b comes 2.00 periods of 10.00", "give it the number 40"),
        edited(lambda row: (row[0], 40, row[2] + 10.0, row[3]), "b", 39),
        (),
    ),
    "t0 too far away to be told from its neighbours": (
        AS_IT_IS,
        (("low = 107.8, high = 108.2", "low = -49999.8, high = -49999.4"),),
        ("t0 of c", "periods from the table's transits", "such as 107.9992"),
        AS_IT_IS,
        (("low = 107.8, high = 108.2", "low = 107.9, high = 108.1"),),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("made", "changes", "words", "better", "instead"), BAD.values(), ids=BAD)
def test_a_mistake_is_one_sentence_whose_advice_works(
    tmp_path: Path,
    made: Made,
    changes: tuple[Change, ...],
    words: tuple[str, ...],
    better: Made,
    instead: tuple[Change, ...],
) -> None:
    error = refusal(tmp_path, made(rows()), *changes)
    for part in words:
        assert part in str(error)
    assert error.line is not None
    assert load(tmp_path, better(rows()), *instead).name == "case"


def posterior(campaign: Campaign) -> Posterior:
    settings = {**campaign.settings}
    settings["model"] = {**settings["model"], "dt": 0.5, "modified_kick": False}
    return posterior_of(settings, campaign.inputs)


def stated_of(campaign: Campaign, name: str) -> dict[str, Any]:
    """Return what the settings say of a parameter."""
    (stated,) = (stated for stated in campaign.settings["parameters"] if stated["name"] == name)
    return dict(stated)


def draws(problem: Posterior, n: int, seed: int = 1) -> np.ndarray:
    """Return points of the priors; with times near the table's, so that all have a model."""
    rng = np.random.default_rng(seed)
    names = problem.problem.parameter_names
    points = np.empty((n, len(names)))
    for place, name in enumerate(names):
        low, high = {
            "mass": (1.0, 30.0),
            "period": (0.0, 0.0),
            "ecosw": (-0.02, 0.02),
            "esinw": (-0.02, 0.02),
            "t0": (0.0, 0.0),
        }[name.partition(".")[2]]
        points[:, place] = rng.uniform(low, high, n)
    for name, value in (("b.period", 10.0), ("b.t0", 105.0), ("c.period", 20.29), ("c.t0", 108.0)):
        points[:, names.index(name)] = value
    return points


@pytest.mark.parametrize("periods", [-1, -30, 40])
def test_t0_may_be_any_transit_and_its_prior_is_moved_with_it(tmp_path: Path, periods: int) -> None:
    mean = 107.999 + periods * 20.28728
    stated = (
        't0 = { prior = "uniform", low = 107.8, high = 108.2',
        f't0 = {{ prior = "normal", mean = {mean:.3f}, sigma = 0.05',
    )
    published = (
        "[model]",
        f'[[published]]\nparameter = "c.t0"\nvalue = {mean:.3f}\nsource = "A"\n\n[model]',
    )
    campaign = load(tmp_path, table(rows()), stated, published)
    moved = stated_of(campaign, "c.t0")
    assert moved["prior"]["mean"] == pytest.approx(107.999, abs=0.01)
    assert moved["prior"]["sigma"] == 0.05
    assert campaign.published[0].value == pytest.approx(moved["prior"]["mean"])
    (told,) = campaign.settings["remarks"]
    assert f"days {'later' if periods < 0 else 'earlier'} is used" in told
    assert f"the transit {abs(periods) * 20.2873:.2f}"[:-1] in told
    assert np.isfinite(posterior(campaign).log_densities(draws(posterior(campaign), 8))).all()


def test_a_uniform_prior_before_the_epoch_has_the_same_width_after(tmp_path: Path) -> None:
    change = ("low = 107.8, high = 108.2", "low = 87.5, high = 87.9")
    campaign = load(tmp_path, table(rows()), change)
    moved = stated_of(campaign, "c.t0")
    low, high = moved["prior"]["low"], moved["prior"]["high"]
    assert (low, high - low) == (pytest.approx(107.787, abs=0.001), pytest.approx(0.4))


def test_a_fixed_t0_is_moved_too(tmp_path: Path) -> None:
    change = (
        't0 = { prior = "uniform", low = 107.8, high = 108.2',
        "t0 = { value = 87.712",
    )
    campaign = load(tmp_path, table(rows()), change)
    moved = stated_of(campaign, "c.t0")
    assert moved["fixed"] == pytest.approx(107.999, abs=0.001)


def test_t0_inside_of_the_model_stays(tmp_path: Path) -> None:
    campaign = load(tmp_path, table(rows()))
    assert campaign.settings["t0_moved"] == {}
    assert campaign.settings["remarks"] == []


@pytest.mark.parametrize("engine", ["batch", "ttvfast"])
def test_two_telescopes_times_of_one_transit_count_both(tmp_path: Path, engine: str) -> None:
    again: Row = ("b", 3, 135.003243, 0.0008)
    both = posterior(load(tmp_path, table([*rows(), again]), ('"batch"', f'"{engine}"')))
    once = posterior(load(tmp_path, table(rows()), ('"batch"', f'"{engine}"')))
    assert both.table.n_transit == once.table.n_transit + 1
    points = draws(once, 5)
    model, _ = once.engine.observed_times(points)
    more = stats.norm.logpdf(again[2], model[:, 3], again[3]) - stats.norm.logpdf(0, 0, again[3])
    expected = once.log_likelihoods(points) + more
    assert both.log_likelihoods(points) == pytest.approx(expected, rel=1e-9)


def test_the_line_of_a_planet_counts_both_telescopes(tmp_path: Path) -> None:
    two = [row for row in rows() if row[0] == "b" or row[1] == 3]
    campaign = load(tmp_path, table([*two, ("c", 3, two[-1][2] + 1e-4, 0.001)]))
    assert "c has one transit: its own times tell no more than a time" in "".join(
        campaign.settings["remarks"]
    )
    assert np.isfinite(posterior(campaign).log_likelihoods(draws(posterior(campaign), 5))).any()


def test_the_prior_of_a_mass_that_reaches_below_zero_has_all_its_probability_above(
    tmp_path: Path,
) -> None:
    change = ('mass = { prior = "uniform", low = 0.0, high = 60.0', MASS_NORMAL)
    problem = posterior(load(tmp_path, table(rows()), change)).problem
    prior = problem.free[0].prior
    assert prior is not None
    masses = np.linspace(0.0, 40.0, 40_001)
    whole = np.trapezoid(np.exp(prior.log_density(masses)), masses)
    assert whole == pytest.approx(1.0, abs=1e-6)
    assert prior.log_density(-1e-9) == -np.inf


MASS_NORMAL = 'mass = { prior = "normal", mean = 1.0, sigma = 3.0'


def test_asymmetric_errors_and_further_columns_are_read(tmp_path: Path) -> None:
    lines = ["planet,epoch,bkjd,sigma_plus,sigma_minus,instrument"]
    lines += [f"{p},{n},{t:.6f},0.001,0.002,kepler" for p, n, t, _ in rows()]
    campaign = load(tmp_path, "\n".join(lines) + "\n")
    assert posterior(campaign).table.smallest_sigma == pytest.approx(0.00173205)
    told = " ".join(campaign.settings["remarks"])
    assert "in place of sigma_plus p and sigma_minus m" in told
    assert "column instrument" in told


@pytest.mark.parametrize(
    "name", ["good.csv", "no-signal.csv", "outliers.csv", "five.csv", "pair.csv"]
)
def test_sound_tables_are_accepted_in_silence_but_for_few_transits(
    tmp_path: Path, name: str
) -> None:
    told = load(tmp_path, (DATA / name).read_text()).settings["remarks"]
    assert len(told) == (name == "five.csv")


def test_published_tables_contradict_nothing() -> None:
    examples = Path(__file__).parents[5] / "examples"
    for path in sorted(examples.glob("kepler-*.toml")):
        assert load_campaign(path).settings["remarks"] == []


@pytest.mark.parametrize(
    ("kind", "seed"), [("ridge", 117), ("ridge", 119), ("five-nested", 137), ("star", 5)]
)
def test_a_system_that_was_drawn_from_its_priors_is_accepted(
    tmp_path: Path, kind: str, seed: int
) -> None:
    """Those whose osculating periods differ most from the mean ones, of 880 systems."""
    system = simulate(KINDS[kind], seed, tmp_path)
    assert load_campaign(system.path).settings["t0_moved"] == {}


def test_one_transit_of_each_planet_is_enough(tmp_path: Path) -> None:
    campaign = load(tmp_path, table([row for row in rows() if row[1] == 0]))
    assert [told[:17] for told in campaign.settings["remarks"]] == [
        "b has one transit",
        "c has one transit",
    ]


def test_times_without_noise_are_no_wrong_unit(tmp_path: Path) -> None:
    """Tables that a model has made, with the errors that a telescope would have."""
    line = [(p, n, t0 + n * period, 0.001) for p, t0, period in LINES for n in range(15)]
    told = load(tmp_path, table(line)).settings["remarks"]
    assert [sentence.split()[3] for sentence in told] == ["b", "c"]
    assert all("they may be too large" in sentence for sentence in told)


LINES = (("b", 105.0, 10.0), ("c", 108.0, 20.3))


def test_an_inclination_that_only_a_giant_could_have_is_told(tmp_path: Path) -> None:
    change = (C_T0, INCLINATION.replace("46.0", "80.0"))
    (told,) = load(tmp_path, table(rows()), change).settings["remarks"]
    assert "At an inclination of 80 deg c passes the middle of its star at 5.4 solar radii" in told


def heavy_unseen(mass: float, longest: float) -> tuple[Change, ...]:
    """Return changes that make c unseen, of some Earth masses and any period up to the longest."""
    return (
        ('name = "c"', 'name = "c"\nobserved = false'),
        (
            f'{MASS} }}\nperiod = {{ prior = "uniform", low = 20.1, high = 20.5',
            f'low = {mass}, high = {mass + 1.0}, unit = "Mearth" }}\n'
            f'period = {{ prior = "uniform", low = 5.0, high = {longest}',
        ),
        ("low = 107.8, high = 108.2", "low = 105.0, high = 165.0"),
    )


def test_the_share_of_starts_without_a_model_is_of_all_periods(tmp_path: Path) -> None:
    """The longest ones, with which a search begins, have a model."""
    alone = table([row for row in rows() if row[0] == "b"])
    (told,) = load(tmp_path, alone, *heavy_unseen(3000.0, 60.0)).settings["remarks"]
    assert "% of the points where a search begins two planets come within a Hill radius" in told
    # Of all 2264 starts 61 %, of 32 of them to three standard errors.
    error = np.sqrt(0.61 * 0.39 / 32)
    assert float(told.split()[1]) == pytest.approx(61.0, abs=300.0 * error)


def test_a_campaign_with_a_model_at_few_of_its_starts_is_accepted(tmp_path: Path) -> None:
    """At one of a thousand, so that a hundred would probably have none."""
    alone = table([row for row in rows() if row[0] == "b"])
    assert load(tmp_path, alone, *heavy_unseen(30000.0, 28.0)).settings["starts"] > 1000


def test_a_mean_period_just_outside_of_the_prior_is_told(tmp_path: Path) -> None:
    change = ("low = 20.1, high = 20.5", "low = 20.3, high = 20.5")
    (told,) = load(tmp_path, table(rows()), change).settings["remarks"]
    assert "period of c is 20.2873 days in the table, but 20.3 to 20.5" in told
    assert "osculating" in told


def test_a_fixed_period_that_the_table_does_not_contradict_is_not_told(tmp_path: Path) -> None:
    change = (f'prior = "uniform", {PERIOD}', 'value = 20.287, unit = "days"')
    assert load(tmp_path, table(rows()), change).settings["remarks"] == []


@pytest.mark.parametrize("amplitude", [0.3, 0.6])
def test_strong_variations_are_no_wrong_numbers(tmp_path: Path, amplitude: float) -> None:
    """KOI-142 b: 12 hours in 630 days; here seen in two seasons, five years apart."""
    season = [*range(20), *range(170, 190)]
    late = amplitude * np.sin(2.0 * np.pi * np.array(season) / 58.0)
    strong: list[Row] = [
        ("b", n, 105.0 + 10.0 * n + x, 0.001) for n, x in zip(season, late.tolist(), strict=True)
    ]
    c = [row for row in rows() if row[0] == "c"]
    assert load(tmp_path, table([*strong, *c]), ("low = 104.8", "low = 104.2")).name == "case"


def test_the_file_of_the_cases_is_a_whole_one(tmp_path: Path) -> None:
    assert FILE.count("[[planets]]") == 2
    assert load(tmp_path, table(rows())).settings["starts"] == 96


MASS = 'low = 0.0, high = 60.0, unit = "Mearth"'
PERIOD = 'low = 20.1, high = 20.5, unit = "days"'
T0 = 'low = 107.8, high = 108.2, unit = "BKJD"'
UNITS = {
    "Jupiters": (MASS, 'low = 0.0, high = 0.2, unit = "MJ"'),
    "Jupiter masses": (MASS, 'low = 0.0, high = 0.2, unit = "M_Jupiter"'),
    "suns": (MASS, 'low = 0.0, high = 2e-4, unit = "solar masses"'),
    "grams": (MASS, 'low = 0.0, high = 4e29, unit = "g"'),
    "earths": (MASS, 'low = 0.0, high = 60.0, unit = "M_earth"'),
    "day": (PERIOD, 'low = 20.1, high = 20.5, unit = "d"'),
    "h": (PERIOD, 'low = 482.4, high = 492.0, unit = "h"'),
    "yr": (PERIOD, 'low = 0.05503, high = 0.05612, unit = "yr"'),
    "JD": (T0, 'low = 2454940.8, high = 2454941.2, unit = "JD"'),
    "RJD": (T0, 'low = 54940.8, high = 54941.2, unit = "BJD - 2400000"'),
    "TESS": (T0, 'low = -2059.2, high = -2058.8, unit = "BJD-2457000"'),
    "Kepler papers": (T0, 'low = 40.8, high = 41.2, unit = "BJD-2454900"'),
    "lower case": (T0, 'low = 107.8, high = 108.2, unit = "bkjd"'),
}


@pytest.mark.parametrize(("right", "wrong"), UNITS.values(), ids=UNITS)
def test_other_units_are_told_with_numbers_that_work(
    tmp_path: Path, right: str, wrong: str
) -> None:
    advice = str(refusal(tmp_path, table(rows()), (right, wrong)))
    instead = advice.rpartition(": write ")[2].rstrip(".").partition(" (")[0]
    numbers_of = wrong.rpartition(", unit")[0]
    better = instead if instead.startswith("low") else f"{numbers_of}, {instead}"
    campaign = load(tmp_path, table(rows()), (right, better))
    assert campaign.settings["starts"] == 96


def test_a_table_before_the_zero_of_bkjd_may_have_an_epoch(tmp_path: Path) -> None:
    early = edited(times(-2000.0))(rows())
    changes = (
        ("low = 104.8, high = 105.2", "low = -1895.2, high = -1894.8"),
        ("low = 107.8, high = 108.2", "low = -1892.2, high = -1891.8"),
        ("[model]", '[model]\nepoch = { value = -1896.0, unit = "BKJD" }'),
    )
    assert load(tmp_path, early, *changes).settings["model"]["epoch"] == -1896.0
