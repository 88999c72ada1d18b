"""Kinds of false outputs, each made from an honest one, and kinds of hosts that send them.

A forger knows all that a volunteer knows: the app, the unit and the source of the validator, but
not the seed of an audit. Whatever costs less than an honest run is *dressed*: it begins with the
unit's own first stored draw, its log-probabilities are those of its draws, and its counts fit them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from apps.nested.output import NestedOutput, write_nested_output
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.settings import TtvSettings
from apps.ttv.compute.table import parse_table
from apps.ttv.output import TtvOutput, write_ttv_output
from boinc_project.unit import Unit
from tests.adversarial import campaign
from tests.unit.apps.nested.validate import nested_case
from tests.unit.apps.ttv.validate import ttv_case

Draws = np.ndarray


class Host(StrEnum):
    """What kind of host sends it."""

    ALONE = "alone"
    """One host with a record; its wingmen are honest."""
    NEW = "new"
    """Hosts that have no record yet and are made anew when one is found out; wingmen are honest."""
    PAIR = "pair"
    """Two hosts that send the same, whenever one of them has a wingman."""
    MAJORITY = "majority"
    """As many as a quorum needs, and one honest host."""
    OLD = "old"
    """One host with a thousand good results."""
    NEWCOMERS = "newcomers"
    """Two hosts without a record that send the same, and get the same units."""
    SLEEPERS = "sleepers"
    """Two hosts with a thousand good results each that send the same, and get the same units."""


@dataclass(frozen=True, slots=True)
class Honest:
    """An honest result of ``ttv_mcmc``."""

    unit: Unit
    output: TtvOutput

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng([self.unit.index, 3])

    def write(self, path: Path, **changes: Any) -> Path:
        write_ttv_output(path, replace(self.output, **changes))
        return path

    def dressed(self, path: Path, draws: Draws) -> Path:
        """Write draws with their log-probabilities and counts that fit.

        Walkers that would be outside the prior are where they honestly are.
        """
        draws = draws.copy()
        draws[0] = self.output.draws[0]
        log_prob = log_densities(self.unit, draws)
        lost = ~np.isfinite(log_prob)
        draws[lost], log_prob[lost] = self.output.draws[lost], self.output.log_prob[lost]
        start = np.array(self.unit.settings["start"])
        moves = (np.diff(np.concatenate([start[None], draws]), axis=0) != 0).any(axis=2)
        count = moves.sum(axis=0)
        accepted = np.clip(self.output.accepted, count, count * self.output.thin)
        return self.write(path, draws=draws, log_prob=log_prob, accepted=accepted)


def log_densities(unit: Unit, draws: Draws) -> Draws:
    settings = TtvSettings.from_mapping(unit.settings)
    posterior = Posterior(settings.problem, parse_table(campaign.table()))
    found = posterior.log_densities(draws.reshape(-1, draws.shape[-1]))
    return found.reshape(draws.shape[:-1])


@cache
def honest(index: int, n_step: int = campaign.N_STEP) -> Honest:
    unit = campaign.make_unit(index, n_step)
    return Honest(unit, ttv_case.compute(unit, campaign.table()))


def changed(one: Honest, **settings: Any) -> Unit:
    return replace(one.unit, settings={**one.unit.settings, **settings})


def garbage(one: Honest, path: Path) -> Path:
    path.write_bytes(one.rng.bytes(100_000))
    return path


def truncated(one: Honest, path: Path) -> Path:
    data = one.write(path).read_bytes()
    path.write_bytes(data[: len(data) * 9 // 10])
    return path


def not_finite(one: Honest, path: Path) -> Path:
    draws = one.output.draws.copy()
    draws[-1, -1, 0] = np.nan
    return one.write(path, draws=draws)


def frozen_walkers(one: Honest, path: Path) -> Path:
    draws = np.repeat(one.output.draws[:1], len(one.output.draws), axis=0)
    return one.write(path, draws=draws, log_prob=log_densities(one.unit, draws))


def half_frozen_walkers(one: Honest, path: Path) -> Path:
    """Every other walker never moves."""
    draws = one.output.draws.copy()
    draws[:, ::2] = draws[0, ::2]
    return one.dressed(path, draws)


def wrong_likelihood(one: Honest, path: Path) -> Path:
    """Times shifted by one standard error each, as if another table had been read."""
    lines = campaign.table().decode().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    moved = [f"{b},{k},{float(t) + float(s):.7f},{s}" for b, k, t, s in rows]
    wrong = ttv_case.compute(one.unit, "\n".join([lines[0], *moved, ""]).encode())
    return one.dressed(path, wrong.draws)


def scaled_errors(one: Honest, path: Path) -> Path:
    """All errors twice as large; everything else as the app leaves it."""
    sigma = campaign.SIGMA
    data = campaign.table().replace(f",{sigma}\n".encode(), f",{2 * sigma}\n".encode())
    write_ttv_output(path, ttv_case.compute(one.unit, data))
    return path


def shifted_prior(one: Honest, path: Path) -> Path:
    """A prior that is uniform in the mass, not in its logarithm."""
    prior = {"kind": "uniform", "low": 5.0, "high": 80.0}
    parameters = [
        {"name": "c.mass", "prior": prior} if p["name"] == "c.mass" else p
        for p in one.unit.settings["parameters"]
    ]
    wrong = ttv_case.compute(changed(one, parameters=parameters), campaign.table())
    return one.dressed(path, wrong.draws)


def fast_wrong_app(one: Honest, path: Path) -> Path:
    """Three times as fast, with steps three times as long: credit farming."""
    model = {**one.unit.settings["model"], "dt": 3 * one.unit.settings["model"]["dt"]}
    wrong = ttv_case.compute(changed(one, model=model), campaign.table())
    return one.write(path, draws=wrong.draws, log_prob=wrong.log_prob, accepted=wrong.accepted)


def copied_start(one: Honest, path: Path) -> Path:
    """The first tenth again and again."""
    n = len(one.output.draws)
    return one.dressed(path, one.output.draws[np.arange(n) % (n // 10)])


def other_unit(one: Honest, path: Path) -> Path:
    other = honest(one.unit.index + 1, one.output.n_step)
    write_ttv_output(path, replace(other.output, unit_digest=one.unit.digest))
    return path


def other_unit_dressed(one: Honest, path: Path) -> Path:
    return one.dressed(path, honest(one.unit.index + 1, one.output.n_step).output.draws)


def dropped_burn_in(one: Honest, path: Path) -> Path:
    """The chain as it goes on after the unit's end, its beginning dropped."""
    chain = ttv_case.compute(changed(one, start=one.output.draws[-1].tolist()), campaign.table())
    n = len(one.output.draws)
    return one.write(
        path,
        draws=np.concatenate([one.output.draws, chain.draws])[n // 5 : n // 5 + n],
        log_prob=np.concatenate([one.output.log_prob, chain.log_prob])[n // 5 : n // 5 + n],
    )


def forged_log_prob(one: Honest, path: Path) -> Path:
    return one.write(path, log_prob=one.output.log_prob + 0.01)


def forged_log_prob_at_places(one: Honest, path: Path) -> Path:
    """Of one in twenty draws; a walker that stays keeps its forged one."""
    raised = log_densities(one.unit, one.output.draws)
    points, inverse = np.unique(
        one.output.draws.reshape(-1, one.output.draws.shape[2]), axis=0, return_inverse=True
    )
    few = one.rng.random(len(points)) < 0.05
    return one.write(path, log_prob=raised + few[inverse].reshape(raised.shape))


def forged_digest(one: Honest, path: Path) -> Path:
    return one.write(path, unit_digest="0" * 64)


def forged_calls(one: Honest, path: Path) -> Path:
    return one.write(path, n_likelihood=2 * one.output.n_likelihood)


def forged_acceptances(one: Honest, path: Path) -> Path:
    """As few as the draws allow."""
    start = np.array(one.unit.settings["start"])
    steps = np.diff(np.concatenate([start[None], one.output.draws]), axis=0)
    return one.write(path, accepted=(steps != 0).any(axis=2).sum(axis=0))


def _invented(one: Honest, n: int) -> Draws:
    """The honest chain, the last `n` draws of which are drawn from a normal fit of the others."""
    draws = one.output.draws.copy()
    points = draws.reshape(-1, draws.shape[2])
    mean, cholesky = points.mean(axis=0), np.linalg.cholesky(np.cov(points.T))
    noise = one.rng.standard_normal((n, *draws.shape[1:]))
    draws[len(draws) - n :] = mean + noise @ cholesky.T
    return draws


def invented(one: Honest, path: Path) -> Path:
    return one.dressed(path, _invented(one, len(one.output.draws) - 1))


def half_invented(one: Honest, path: Path) -> Path:
    return one.dressed(path, _invented(one, len(one.output.draws) // 2))


def tenth_invented(one: Honest, path: Path) -> Path:
    return one.dressed(path, _invented(one, len(one.output.draws) // 10))


def shuffled(one: Honest, path: Path) -> Path:
    return one.dressed(path, one.output.draws[one.rng.permutation(len(one.output.draws))])


def noise_added(one: Honest, path: Path) -> Path:
    """Noise of a tenth of a standard deviation on every draw."""
    draws = one.output.draws
    return one.dressed(
        path, draws + 0.1 * draws.std(axis=(0, 1)) * one.rng.standard_normal(draws.shape)
    )


def narrowed(one: Honest, path: Path) -> Path:
    """A posterior nine tenths as wide."""
    mean = one.output.draws.mean(axis=(0, 1))
    return one.dressed(path, mean + 0.9 * (one.output.draws - mean))


def biased(sigmas: float) -> Callable[[Honest, Path], Path]:
    def forge(one: Honest, path: Path) -> Path:
        draws = one.output.draws.copy()
        column = one.output.parameter_names.index("c.mass")
        draws[..., column] += sigmas * draws[..., column].std()
        return one.dressed(path, draws)

    return forge


def unchanged(one: Honest, path: Path) -> Path:
    return one.write(path)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of falsehood.

    Attributes
    ----------
    name : str
        What it is called in tables.
    forge : Callable
        Writes the false output of an honest one to a path.
    host : Host
        Who sends it.
    bias : float
        Of a subtle bias, standard deviations; 0 for all others.
    elapsed : float
        Time until its report, in times that the work takes on the reference host.
    """

    name: str
    forge: Callable[[Honest, Path], Path]
    host: Host = Host.ALONE
    bias: float = 0.0
    elapsed: float = field(default=1.0)


PLAIN = (
    garbage,
    truncated,
    not_finite,
    frozen_walkers,
    half_frozen_walkers,
    wrong_likelihood,
    scaled_errors,
    shifted_prior,
    fast_wrong_app,
    copied_start,
    other_unit,
    other_unit_dressed,
    dropped_burn_in,
    forged_log_prob,
    forged_log_prob_at_places,
    forged_digest,
    forged_calls,
    forged_acceptances,
    invented,
    half_invented,
    tenth_invented,
    shuffled,
    noise_added,
    narrowed,
)
BIASES = (0.1, 0.3, 0.5, 1.0, 3.0)

KINDS: tuple[Kind, ...] = (
    *(Kind(forge.__name__.replace("_", " "), forge) for forge in PLAIN),
    *(Kind(f"biased by {bias:g} sigma", biased(bias), bias=bias) for bias in BIASES),
    Kind("sybil hosts", invented, Host.NEW),
    Kind("colluding pair", invented, Host.PAIR),
    Kind("colluding majority", invented, Host.MAJORITY),
    Kind("colluding newcomers", invented, Host.NEWCOMERS),
    Kind("colluders after 1000", invented, Host.SLEEPERS),
    Kind("turns bad after 1000", invented, Host.OLD),
    Kind("copied wingman", unchanged, elapsed=0.01),
)
"""All kinds for ``ttv_mcmc``."""


def nested_other_seed(output: NestedOutput, path: Path) -> Path:
    write_nested_output(path, nested_case.other_run())
    return path


def nested_wrong_likelihood(output: NestedOutput, path: Path) -> Path:
    write_nested_output(path, nested_case.wrong_run())
    return path


def nested_forged_calls(output: NestedOutput, path: Path) -> Path:
    """A third more calls in every segment than were made, for the credit."""
    calls = output.calls.copy()
    calls[1:] += np.cumsum(np.diff(calls) // 3)
    write_nested_output(path, replace(output, calls=calls))
    return path


def nested_better_evidence(output: NestedOutput, path: Path) -> Path:
    write_nested_output(
        path,
        replace(output, dead_logl=output.dead_logl + 1.0, live_logl=output.live_logl + 1.0),
    )
    return path


NESTED_KINDS = (
    nested_other_seed,
    nested_wrong_likelihood,
    nested_forged_calls,
    nested_better_evidence,
)
