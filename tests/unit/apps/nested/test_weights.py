"""Weights of nested runs: counts of live points, merging, evidence, errors, insertion ranks."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import dynesty.utils
import numpy as np
import pytest
from dynesty.results import Results
from scipy.special import digamma
from scipy.stats import kstest

from apps.nested.output import NestedOutput
from apps.nested.weights import (
    information,
    insertion_ranks,
    live_counts,
    merge_points,
    resampled,
    weigh,
)
from tests import nested_targets as targets
from tests.nested_targets import gaussian, settings


@cache
def runs() -> tuple[NestedOutput, ...]:
    """Four runs of a Gaussian, whose evidence is 1; two have other settings."""
    sizes = ((60, 30), (60, 30), (100, 40), (80, 80))
    return tuple(
        targets.run(gaussian(2, 0.05), settings(n_live=n, segment=s, walks=15), index)
        for index, (n, s) in enumerate(sizes)
    )


def test_live_points_of_one_run_are_as_many_as_it_has() -> None:
    points = merge_points(runs()[:1])
    n_dead = len(runs()[0].dead_logl)
    expected = np.concatenate([np.full(n_dead, 60), np.arange(60, 0, -1)])
    np.testing.assert_array_equal(live_counts(points.logl, points.birth), expected)


def test_live_points_of_merged_runs_add_up_at_every_contour() -> None:
    merged = merge_points(runs())
    counts = live_counts(merged.logl, merged.birth)
    each = [merge_points([one]) for one in runs()]
    for place in range(0, len(merged.logl), 97):
        contour = merged.logl[place]
        alive = sum(int(((p.birth < contour) & (p.logl >= contour)).sum()) for p in each)
        assert counts[place] == alive


def test_a_plateau_shrinks_by_its_share() -> None:
    """Fowlie et al. 2021: of n points k are equal, and nothing is born among them."""
    logl = np.array([0.0, 0.0, 0.0, 1.0, 2.0])
    birth = np.full(5, -np.inf)
    np.testing.assert_array_equal(live_counts(logl, birth), [5, 4, 3, 2, 1])


def test_the_order_of_runs_does_not_matter() -> None:
    forth, back = weigh(merge_points(runs())), weigh(merge_points(runs()[::-1]))
    assert forth.logz == back.logz
    np.testing.assert_array_equal(forth.weights, back.weights)


def test_the_evidence_is_that_of_dynesty() -> None:
    """Of each run, and of all of them merged by `dynesty.utils.merge_runs`.

    dynesty takes the mean of a shrinkage, n / (n + 1), where we take that of its logarithm: log Z
    then differs by H / 2n, here 3.2 / 200.
    """
    for one in runs():
        points = merge_points([one])
        weighted = weigh(points)
        apart = information(points, weighted) / (2 * len(one.live_logl))
        theirs = dynesty_results(one).logz[-1]
        assert theirs - weighted.logz == pytest.approx(apart, abs=0.3 * apart)
    points = merge_points(runs())
    weighted = weigh(points)
    merged = dynesty.utils.merge_runs([dynesty_results(r) for r in runs()], print_progress=False)
    apart = information(points, weighted) / (2 * points.n_thread)
    assert merged.logz[-1] - weighted.logz == pytest.approx(apart, abs=0.3 * apart)
    np.testing.assert_array_equal(merged.logl, points.logl)
    theirs = np.exp(merged.logwt - merged.logz[-1])
    # Weights differ where the two volumes do, most in the tails.
    assert np.abs(np.cumsum(theirs) - np.cumsum(weighted.weights)).max() < 0.02


def dynesty_results(run: NestedOutput) -> Results:
    """Return a run as dynesty would hand it out, with its own volumes."""
    n, n_dead = len(run.live_logl), len(run.dead_logl)
    order = np.argsort(run.live_logl, kind="stable")
    logl = np.concatenate([run.dead_logl, run.live_logl[order]])
    log_volume = -math.log((n + 1) / n) * np.concatenate(
        [np.arange(1, n_dead + 1), np.full(n, n_dead)]
    )
    log_volume[n_dead:] += np.log1p(-np.arange(1, n + 1) / (n + 1))
    log_weight, log_z, variance, nats = dynesty.utils.compute_integrals(
        logl=logl, logvol=log_volume
    )
    places = np.concatenate([run.dead_u, run.live_u[order]])
    return Results(
        {
            "nlive": n,
            "niter": n_dead,
            "ncall": np.ones(len(logl), dtype=int),
            "eff": 1.0,
            "samples": places,
            "samples_u": places,
            "samples_id": np.concatenate([run.dead_slot, order]),
            "samples_it": np.zeros(len(logl), dtype=int),
            "logwt": log_weight,
            "logl": logl,
            "logvol": log_volume,
            "logz": log_z,
            "logzerr": np.sqrt(variance),
            "information": nats,
            "blob": np.zeros(len(logl)),
        }
    )


def test_weights_are_a_distribution() -> None:
    weighted = weigh(merge_points(runs()))
    assert weighted.weights.sum() == pytest.approx(1.0)
    assert (weighted.weights >= 0).all()
    assert 1.0 < weighted.ess < len(weighted.weights)


def test_the_error_is_that_of_theory() -> None:
    """sqrt(H / n) (Skilling 2006); 200 resampled runs know it to 5 %, H itself to 10 %."""
    points = merge_points(runs())
    again = resampled(points, np.random.default_rng(1), 200)
    error = np.std([one.logz for one in again])
    theory = math.sqrt(information(points, weigh(points)) / points.n_thread)
    assert error == pytest.approx(theory, rel=0.25)


def test_resampling_follows_from_its_seed() -> None:
    points = merge_points(runs()[:1])
    one, two, other = (resampled(points, np.random.default_rng(s), 3) for s in (1, 1, 2))
    assert [w.logz for w in one] == [w.logz for w in two]
    assert [w.logz for w in one] != [w.logz for w in other]


def test_a_resampled_run_has_the_points_of_its_threads() -> None:
    points = merge_points(runs()[:2])
    for one in resampled(points, np.random.default_rng(1), 5):
        lost = np.setdiff1d(np.arange(points.n_thread), points.thread[one.weights > 0])
        # A share of 1/e of the threads is not drawn; some weights are too small for a double.
        assert 0.25 * points.n_thread < len(lost) < 0.5 * points.n_thread
        assert one.weights.sum() == pytest.approx(1.0)


def test_points_without_a_model_shrink_the_prior() -> None:
    """By a share distributed as Beta(n, k), whose logarithm has a mean by digamma functions."""
    plain = runs()[0]
    cut = replace(plain, n_drawn=100)
    apart = weigh(merge_points([cut])).logz - weigh(merge_points([plain])).logz
    assert apart == pytest.approx(digamma(60) - digamma(100))


def test_how_many_points_have_a_model_is_not_known_exactly() -> None:
    """The share's logarithm has the variance of that of Beta(n, k), about 1/n for many k.

    Of 1500 resampled runs, each variance is known to 4 %, the difference to 0.004.
    """
    variances = []
    for n_drawn in (60, 20_000):
        points = merge_points([replace(runs()[0], n_drawn=n_drawn)])
        again = resampled(points, np.random.default_rng(3), 1500)
        variances.append(np.var([one.logz for one in again]))
    assert variances[1] - variances[0] == pytest.approx(1 / 60, abs=0.012)


def test_insertion_ranks_are_even() -> None:
    """Kolmogorov and Smirnov's test: false-alarm rate 1e-4 for each of the four runs."""
    for one in runs():
        ranks = insertion_ranks(one)
        assert len(ranks) == len(one.dead_logl)
        assert ((ranks > 0) & (ranks < 1)).all()
        assert kstest(ranks, "uniform").pvalue > 1e-4


def test_insertion_ranks_show_points_that_crowd_at_the_contour() -> None:
    """A sampler whose points are too low by the square root of their rank."""
    rng = np.random.default_rng(5)
    live = rng.random(50)
    dead, slots = [], []
    for _ in range(400):
        slot = int(live.argmin())
        dead.append(live[slot])
        slots.append(slot)
        live[slot] += (1.0 - live[slot]) * rng.random() ** 2
    crowded = replace(
        runs()[0],
        dead_logl=np.array(dead),
        dead_u=np.array(dead)[:, None],
        dead_slot=np.array(slots),
        live_logl=live,
        live_u=live[:, None],
    )
    assert kstest(insertion_ranks(crowded), "uniform").pvalue < 1e-6
