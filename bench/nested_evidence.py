"""Evidences of nested runs beside importance sampling, and what a run costs.

``python bench/nested_evidence.py [CAMPAIGN FILE] [--share S] [--live N] [--runs N]``. Any campaign
file of transit times will do; of a file of chains, the defaults of ``ttv_nested`` are taken.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from apps.nested.compute.cube import CubeLikelihood
from apps.nested.compute.run import is_complete, output_of
from apps.nested.compute.settings import parse_sampler
from apps.nested.compute.unit import nested_sampler
from apps.nested.merge.canonical import insertion_probability
from apps.nested.merge.errors import resample
from apps.nested.output import NestedOutput
from apps.nested.plan import units as nested
from apps.nested.plan.campaign_file import DEFAULT_SHARE, default_sampler
from apps.nested.weights import Points, insertion_ranks, merge_points, weigh
from apps.ttv.plan.campaign_file import posterior_of
from boinc_project.campaign import Campaign, Progress
from boinc_project.unit import Unit
from work_generator.campaign_file import load_campaign

EXAMPLE = Path(__file__).parents[1] / "examples" / "kepler-307-nested.toml"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="?", type=Path, default=EXAMPLE)
    parser.add_argument("--share", type=float, default=DEFAULT_SHARE)
    parser.add_argument("--live", type=int, default=100)
    parser.add_argument("--runs", type=int, default=8)
    options = parser.parse_args()
    stated = load_campaign(options.file)
    n_dim = posterior_of(stated.settings, stated.inputs).problem.n_dim
    sampler = default_sampler(n_dim, options.share, options.live)
    campaign = nested.prepare(
        replace(
            stated,
            app="ttv_nested",
            settings={**stated.settings, "sampler": sampler},
            stop=replace(stated.stop, max_units=options.runs),
            units_per_generation=options.runs,
        )
    )
    known = campaign.settings["importance"]
    print(f"importance sampling: log Z = {known['log_z']:.3f} +- {known['error'] or np.nan:.3f}")
    print(
        f"expected e-folds: {campaign.settings['best']['e_folds'] - np.log(sampler['dlogz']):.1f}"
    )
    print("run    log Z   error   e-folds   calls   CPU s")
    runs = []
    for number, unit in enumerate(nested.plan(campaign, Progress())):
        began = time.process_time()
        runs.append(output := _run(campaign, unit))
        points, length = merge_points([output]), len(output.dead_logl) / options.live
        print(
            f"{number:3d} {weigh(points).logz:8.3f} {_error(points):7.3f} {length:9.1f} "
            f"{output.n_likelihood:7d} {time.process_time() - began:7.1f}",
            flush=True,
        )
    if not runs:
        return
    points = merge_points(runs)
    print(
        f"merged {weigh(points).logz:.3f} +- {_error(points):.3f}, ESS {weigh(points).ess:.0f}, "
        f"insertion ranks p = {insertion_probability([insertion_ranks(one) for one in runs]):.2g}"
    )


def _run(campaign: Campaign, unit: Unit) -> NestedOutput:
    posterior = posterior_of(campaign.settings, campaign.inputs)
    settings = parse_sampler(unit.settings["sampler"], posterior.problem.n_dim)
    target = CubeLikelihood(posterior, settings.proposal)
    sampler = nested_sampler(unit, settings, target)
    found = sampler.begin()
    found.calls.append(target.n_call)
    while not is_complete(found, settings):
        sampler.advance(found)
        found.calls.append(target.n_call)
    return output_of(found, target.cube.names, unit_digest=unit.digest)


def _error(points: Points) -> float:
    return float(resample(points).error(lambda one: np.array([one.logz]))[0])


if __name__ == "__main__":
    main()
