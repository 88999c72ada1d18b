"""The zoo of `bench.zoo`: its systems, its statistics, and the machinery of the bench.

Every statistical test states its false-alarm rate; seeds are fixed, so that a pass stays a pass.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from apps.ttv.compute.settings import JITTER
from bench.zoo import ranks
from bench.zoo.compare import compare
from bench.zoo.files import sigmas
from bench.zoo.kinds import KINDS, MINUTE, Kind, short
from bench.zoo.ranks import Ranked, fractional_ranks
from bench.zoo.reference import QUANTILES, Reference
from bench.zoo.report import Seen, print_report, summary
from bench.zoo.runs import Outcome
from bench.zoo.simulate import System, simulate, true_times
from work_generator.campaign_file import load_campaign

SEEDS = (11, 12, 13, 14)
FALSE_ALARM = 1e-4
EVERY = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


def residuals(system: System) -> np.ndarray:
    """Return residuals of the truth in stated errors, jitter included."""
    names = system.posterior.problem.parameter_names
    off = system.posterior.residuals(system.truth.tolist())
    if JITTER not in names:
        return off
    stated = np.concatenate([sigmas(planet) for planet in system.kind.planets if planet.observed])
    jitter = MINUTE * float(system.truth[names.index(JITTER)])
    return off * stated / np.hypot(stated, jitter)


def test_there_are_kinds_enough() -> None:
    assert len(KINDS) >= 14
    assert sum(kind.violated for kind in KINDS.values()) >= 2


@EVERY
def test_a_system_is_a_campaign_whose_truth_has_a_posterior(kind: Kind, tmp_path: Path) -> None:
    system = simulate(kind, 5, tmp_path)
    campaign = load_campaign(system.path)
    assert campaign.app == kind.app
    assert campaign.seed == 5
    assert math.isfinite(system.posterior(system.truth.tolist()))
    observed = {planet.name: planet.epochs for planet in kind.planets if planet.observed}
    table = {row.planet: tuple(row.epochs.tolist()) for row in system.posterior.table.planets}
    assert table == observed


@EVERY
def test_a_seed_says_everything(kind: Kind, tmp_path: Path) -> None:
    first, same, other = (
        simulate(kind, seed, tmp_path / name) for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert first.digest == same.digest
    assert np.array_equal(first.truth, same.truth)
    assert not np.array_equal(first.truth, other.truth)
    assert short(kind).planets == kind.planets


@EVERY
def test_times_of_both_engines_agree(kind: Kind, tmp_path: Path) -> None:
    """A tenth of sigma is what a campaign allows its step."""
    for seed in SEEDS[:2]:
        system = simulate(kind, seed, tmp_path)
        problem = system.posterior.problem
        exact = true_times(kind, problem, system.truth)
        finer = true_times(kind, problem, system.truth, share=1.0 / 300.0)
        (ours,), _ = system.posterior.engine.observed_times(system.truth[np.newaxis])
        assert exact is not None
        assert finer is not None
        planets = [planet for planet in kind.planets if planet.observed]
        stated = np.concatenate([sigmas(planet) for planet in planets])
        simulated, truth = (
            np.concatenate([times[planet.name] for planet in planets]) for times in (exact, finer)
        )
        assert float(np.abs((ours - simulated) / stated).max()) < 0.1
        assert float(np.abs((truth - simulated) / stated).max()) < 0.1


@EVERY
def test_scatter_about_the_truth_is_the_noise_models_unless_violated(
    kind: Kind, tmp_path: Path
) -> None:
    """Kolmogorov-Smirnov of all residuals of four systems; `FALSE_ALARM` each."""
    every = np.concatenate([residuals(simulate(kind, seed, tmp_path)) for seed in SEEDS])
    heavy = kind.noise is not None
    p = float(stats.kstest(every, stats.t(4).cdf if heavy else stats.norm.cdf).pvalue)
    if kind.n_outlier:
        assert np.sum(np.abs(every) > 15.0) == kind.n_outlier * len(SEEDS)
    elif kind.violated:
        assert p < FALSE_ALARM
    else:
        assert p > FALSE_ALARM
        if not heavy:
            chi2 = float(np.sum(every**2))
            assert FALSE_ALARM / 2 < stats.chi2(len(every)).sf(chi2) < 1.0 - FALSE_ALARM / 2


def systems_with(u: np.ndarray) -> list[Ranked]:
    """Return systems of two kinds with ranks (n_system, n_quantity)."""
    names = ("b.mass", "b.period", "c.mass", "c.period", "density")
    return [
        Ranked("easy" if i % 2 else "weak", dict(zip(names, row, strict=True)))
        for i, row in enumerate(u.tolist())
    ]


@pytest.mark.parametrize("alike", [False, True], ids=["independent", "all alike"])
def test_uniform_ranks_fail_as_seldom_as_stated(alike: bool) -> None:
    """Bonferroni keeps the rate whatever the dependence; binomial margin of 1e-4."""
    rng = np.random.default_rng(1)
    n, level, failed = 120, 0.05, 0
    for _ in range(n):
        u = rng.random((24, 1)).repeat(5, axis=1) if alike else rng.random((24, 5))
        p = ranks.smallest(ranks.checks(systems_with(u)))
        assert p is not None
        failed += p < level
    assert failed <= stats.binom(n, level).ppf(1.0 - FALSE_ALARM)


@pytest.mark.parametrize(("scale", "shift"), [(0.6, 0.0), (1.8, 0.0), (1.0, 0.8)])
def test_wrong_posteriors_fail(scale: float, shift: float) -> None:
    """Too narrow, too wide, or shifted by 0.8 widths: 60 systems tell in nine of ten."""
    rng = np.random.default_rng(2)
    told = 0
    for _ in range(30):
        z = rng.standard_normal((60, 5))
        p = ranks.smallest(ranks.checks(systems_with(stats.norm.cdf(z / scale + shift))))
        told += p is not None and p < 0.01
    assert told >= 28


@pytest.mark.parametrize("effective", [3.0, 20.0, 1e4])
def test_fractional_ranks_are_uniform_whatever_the_number_of_draws(effective: float) -> None:
    rng = np.random.default_rng(3)
    u = [
        fractional_ranks(rng.normal(size=(500, 1)), rng.normal(size=1), effective, rng)[0]
        for _ in range(400)
    ]
    assert 0.0 < min(u) < max(u) < 1.0
    assert stats.kstest(u, "uniform").pvalue > FALSE_ALARM


def test_few_systems_are_tested_together_only() -> None:
    made = ranks.checks(systems_with(np.random.default_rng(4).random((6, 5))))
    assert {check.of for check in made} == {"all"}
    assert {check.quantity for check in made} == {
        "1.mass",
        "1.period",
        "2.mass",
        "2.period",
        "density",
    }
    assert ranks.smallest([]) is None


NAMES = ("b.mass", "c.mass")


def reference(rng: np.random.Generator) -> Reference:
    """Return a reference of two standard normal parameters."""
    return Reference(rng.normal(size=(4, 4000, 2)), -10.0, 0.05, 1.001, 1, 1.0)


def outcome(scale: float = 1.0, shift: float = 0.0, **changes: Any) -> Outcome:
    """Return a campaign's outcome with normal marginals."""
    quantiles = (shift + scale * stats.norm.ppf(QUANTILES)).tolist()
    made = Outcome(
        kind="easy",
        seed=1,
        code=0,
        said="",
        sampled=True,
        described=True,
        informative=True,
        reasons=(),
        cpu=1.0,
        wall=1.0,
        n_call=1,
        n_unit=8,
        ranks=dict.fromkeys(NAMES, 0.5),
        quantiles=dict.fromkeys(NAMES, quantiles),
        errors={name: [0.01] * 5 for name in NAMES},
        log_z=-10.0,
        log_z_error=0.05,
    )
    return replace(made, **changes)


def seen(rng: np.random.Generator, made: Outcome) -> Seen:
    return Seen(made, tuple(compare(made, NAMES, reference(rng))), "settled")


def test_a_right_product_keeps_its_promise() -> None:
    told = summary([seen(np.random.default_rng(5), outcome())])
    assert told["false_sampled"] == []
    assert told["kinds_sampled"] == 1
    assert 0.9 < told["worst_width_ratio"] < 1.1


@pytest.mark.parametrize(
    "wrong",
    [
        outcome(scale=0.8),
        outcome(scale=1.25),
        outcome(shift=0.6),
        outcome(log_z=-10.5),
        outcome(scale=math.nan),
    ],
    ids=["narrow", "wide", "shifted", "evidence", "no number"],
)
def test_a_wrong_product_breaks_its_promise_only_if_it_says_sampled(wrong: Outcome) -> None:
    rng = np.random.default_rng(6)
    told = summary([seen(rng, wrong)])
    assert [text.split(":")[0] for text in told["false_sampled"]] == ["easy 1"]
    assert told["false_sampled_beyond_own_error"] == ["easy 1"]
    honest = summary([seen(rng, replace(wrong, sampled=False))])
    assert honest["false_sampled"] == []
    assert honest["kinds_sampled"] == 0


def test_described_data_that_violate_the_noise_model_are_reported() -> None:
    rng = np.random.default_rng(7)
    wrong = seen(rng, outcome(kind="outliers"))
    right = seen(rng, outcome(kind="underestimated", described=False))
    missed = seen(rng, outcome(kind="weak", described=False))
    told = summary([wrong, right, missed])
    assert told["false_described"] == ["outliers 1"]
    assert told["undescribed"] == ["weak 1"]


def test_a_refused_campaign_is_told(capsys) -> None:
    refused = outcome(code=2, said="widen them", sampled=False, ranks={}, quantiles={}, errors={})
    told = [Seen(refused, (), "settled")]
    print_report(told)
    assert "Refused: easy 1: widen them" in capsys.readouterr().out
    assert summary(told)["words"] == {"refused": 1}
    assert summary(told)["sbc_p_min"] is None


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_short_bench_goes_on_where_it_was(tmp_path: Path) -> None:
    """Two quick kinds, whole processes; what is done is not done again."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "bench/ttv_zoo.py", "--short", "--directory", str(tmp_path)]
    command += ["--reference-minutes", "0.2"]
    texts = [
        subprocess.run(
            command,
            cwd=root,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        ).stdout
        for _ in range(2)
    ]
    first, second = (json.loads(text.splitlines()[-1]) for text in texts)
    assert first["kinds"] == first["systems"] == 2
    assert first["sbc_tests_all"] > 0
    assert first["words"].get("refused", 0) == 0
    assert second["cpu_hours"] == first["cpu_hours"] > 0.0
    assert second["sbc_p_min_all"] == first["sbc_p_min_all"]
