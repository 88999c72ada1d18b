"""The verdict on merged nested runs: all of its rows, in the order in which they are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apps.nested.merge.errors import MIN_RUNS, Resampling
from apps.nested.merge.product import Evidence, Posterior, SubRun
from apps.nested.weights import Weighted
from apps.ttv.compute.settings import Problem
from apps.ttv.compute.table import TransitTable
from apps.ttv.compute.whitening import Whitening
from apps.ttv.merge.verdict.evidence import NOT_MEASURED, evidence_rows
from apps.ttv.merge.verdict.fit import fit_rows
from apps.ttv.merge.verdict.information import information_rows
from apps.ttv.merge.verdict.residuals import residuals_of
from apps.ttv.merge.verdict.row import Relation, Row, Verdict, Word, no_output
from apps.ttv.merge.verdict.second_opinion import SecondOpinion, second_opinion_rows
from apps.ttv.merge.verdict.shape import KINDS, PROBABILITIES, Shape
from apps.ttv.merge.verdict.step import step_row
from boinc_project.campaign import Campaign, StopRule

MIN_PROBABILITY = 1e-4
"""Probability below which runs are said to disagree, or walks to be too short: of honest campaigns,
one in 3000 is then told to go on that need not."""

Floats = NDArray[np.float64]


def judge(
    campaign: Campaign,
    problem: Problem,
    table: TransitTable,
    posterior: Posterior | None,
    again: Resampling | None,
    runs: Sequence[SubRun],
    second: SecondOpinion | None,
) -> Verdict:
    """Return the verdict on merged nested runs.

    Parameters
    ----------
    campaign : Campaign
        Prepared.
    problem, table
        The posterior's definition and its data.
    posterior : Posterior | None
        The merged runs; None if there are none.
    again : Resampling | None
        Runs like those at hand, for the errors.
    runs : Sequence[SubRun]
        One for every output.
    second : SecondOpinion | None
        None while it has not come back.
    """
    if posterior is None or again is None:
        return no_output()
    names, whitening = problem.parameter_names, Whitening(problem)
    product = weighted_shape(whitening.whiten(posterior.values), posterior.weighted, again)
    draws = posterior.values[posterior.chosen]
    best = posterior.values[int(posterior.logl.argmax())]
    evidence = posterior.evidence
    rows = [
        *run_rows(evidence, runs, campaign.stop),
        step_row(campaign.settings),
        *second_opinion_rows(second, product, whitening, names),
        *evidence_rows(
            evidence.logz,
            "Nested sampling",
            None if second is None else second.log_z,
            0.0 if second is None else second.n_part - 1.0,
        ),
        *fit_rows(residuals_of(problem, table, draws, best), problem),
        *information_rows(problem, draws),
    ]
    return Verdict(tuple(rows))


def run_rows(evidence: Evidence, runs: Sequence[SubRun], rule: StopRule) -> tuple[Row, ...]:
    """Return the rows of the runs by themselves and of the stop rule."""
    rows = [_independence(len(runs)), _scatter(evidence), _insertion(evidence)]
    rows += [_importance(evidence), _cut(runs)]
    if rule.logz_error is not None:
        rows.append(_logz_error(evidence, rule.logz_error, len(runs)))
    if rule.ess is not None:
        rows.append(_ess(evidence, rule.ess, len(runs)))
    return tuple(rows)


def weighted_shape(points: Floats, weighted: Weighted, again: Resampling) -> Shape:
    """Return the shape of weighted points (n, n_dim); errors are those of `Resampling.error`.

    The larger of two bootstraps is taken as an error without degrees of freedom to count: it is
    never below that of threads, which are many.
    """
    orders = np.argsort(points, axis=0, kind="stable")
    ordered = np.take_along_axis(points, orders, axis=0)

    def numbers(sample: Weighted) -> Floats:
        shape_values = np.empty((len(KINDS), points.shape[1]))
        for column in range(points.shape[1]):
            values = ordered[:, column]
            edges = np.cumsum(sample.weights[orders[:, column]])
            marks = np.array(PROBABILITIES) * edges[-1]
            places = np.minimum(np.searchsorted(edges, marks), len(values) - 1)
            low, near, far, high = values[places]
            width = math.log(0.5 * (far - near)) if far > near else math.nan
            shape_values[:, column] = float(sample.weights @ points[:, column]), width, low, high
        return shape_values.ravel()

    shape = (len(KINDS), points.shape[1])
    return Shape(numbers(weighted).reshape(shape), again.error(numbers).reshape(shape), math.inf)


def _independence(n_run: int) -> Row:
    runs = "1 run is" if n_run == 1 else f"{n_run} runs are"
    text = f"{runs} merged."
    if n_run < MIN_RUNS:
        text = f"Only {runs} merged: agreement needs at least {MIN_RUNS}, {MIN_RUNS - n_run} more."
    return _row("independence", "Independent runs", float(n_run), MIN_RUNS, text)


def _scatter(evidence: Evidence) -> Row:
    value = evidence.scatter_p
    text = f"The evidences of the runs scatter as their errors say (probability {value:.2g})."
    if not value >= MIN_PROBABILITY:
        text = (
            "The evidences of the runs scatter more than their errors allow "
            f"(probability {value:.1g}): raise n_live, or walks."
        )
    return _row("scatter", "Scatter of the runs", value, MIN_PROBABILITY, text)


def _insertion(evidence: Evidence) -> Row:
    value = evidence.insertion_p
    text = f"New points are spread evenly among the live ones (probability {value:.2g})."
    if not value >= MIN_PROBABILITY:
        text = (
            "New points are not spread evenly among the live ones "
            f"(probability {value:.1g}): the walks are too short; raise walks."
        )
    return _row("insertion", "Insertion ranks", value, MIN_PROBABILITY, text)


def _importance(evidence: Evidence) -> Row:
    title, other = "Evidence by importance sampling", evidence.importance
    if other is None:
        text = f"{NOT_MEASURED} Nothing checks that of the runs, whose walks may all be too short."
        return _row("importance", title, None, MIN_PROBABILITY, text)
    value = evidence.importance_p
    told = (
        f"log Z is {evidence.logz.value:.2f} +- {evidence.logz.mcse:.2f}, and importance sampling "
        f"says {other.value:.2f} +- {other.mcse:.2f} (probability {value:.1g})"
    )
    text = f"{told}."
    if not value >= MIN_PROBABILITY:
        text = f"{told}: the walks are too short; raise walks."
    return _row("importance", title, value, MIN_PROBABILITY, text)


def _cut(runs: Sequence[SubRun]) -> Row:
    n_cut = sum(bool(run.remark) for run in runs)
    text = "All runs went on to their end."
    if n_cut:
        text = (
            f"{n_cut} runs reached the limit of their length before they were done: there is a "
            "peak that the search did not foresee; prepare the campaign again with more starts."
        )
    relation = Relation.AT_MOST
    return Row("cut", Word.SAMPLED, "Runs cut short", float(n_cut), 0.0, relation, text)


def _logz_error(evidence: Evidence, limit: float, n_run: int) -> Row:
    error = evidence.logz.mcse
    text = f"The error of log Z is {error:.3f}; the stop rule allows {limit:g}."
    if not error <= limit:
        more = math.ceil(n_run * ((error / limit) ** 2 - 1.0)) if math.isfinite(error) else 0
        text = (
            f"The error of log Z is {error:.3f}; the stop rule asks for at most {limit:g}: "
            f"about {more} more runs like these {n_run}."
        )
    relation = Relation.AT_MOST
    return Row("logz_error", Word.SAMPLED, "Error of log Z", error, limit, relation, text)


def _ess(evidence: Evidence, limit: float, n_run: int) -> Row:
    value = evidence.ess
    text = f"ESS is {value:.0f}; the stop rule asks for {limit:g}."
    if not value >= limit:
        more = math.ceil(n_run * (limit / value - 1.0)) if value > 0 else 0
        text = (
            f"ESS is {value:.0f}; the stop rule asks for at least {limit:g}: "
            f"about {more} more runs like these {n_run}."
        )
    return _row("ess", "ESS", value, limit, text)


def _row(key: str, title: str, value: float | None, limit: float, text: str) -> Row:
    return Row(key, Word.SAMPLED, title, value, float(limit), Relation.AT_LEAST, text)
