"""Priors that reach beyond what their parameter may be."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from apps.ttv.compute.priors import parse_prior
from apps.ttv.plan.priors import cut_off, remark_on_cut
from work_generator.campaign_file import load_campaign

Write = Callable[..., Path]

MASS = 'mass = { prior = "normal", mean = 10.0, sigma = 2.0, unit = "Mearth" }'
PERIOD = 'period = { prior = "uniform", low = 19.0, high = 21.0, unit = "days" }'
FLAT = 'eccentricity = { prior = "uniform", low = 0.0, high = 0.2 }'
SEEN = 'inclination = { value = 89.0, unit = "deg" }'


def prior_of(write: Write, name: str, old: str, new: str) -> tuple[dict[str, Any], list[str]]:
    """Return a parameter's prior in the settings of a changed file, and the remarks."""
    settings = load_campaign(write((old, new))).settings
    stated = next(each for each in settings["parameters"] if each["name"] == name)
    return stated["prior"], settings["remarks"]


CUT = {
    "mass": (
        "c.mass",
        MASS,
        'mass = { prior = "normal", mean = 1.0, sigma = 3.0, unit = "Mearth" }',
        stats.norm(1.0, 3.0),
        (0.0, 1e5),
        "The normal prior of the mass of c ends at 0 and is renormalised: 37 % of it",
    ),
    "period": (
        "c.period",
        PERIOD,
        'period = { prior = "normal", mean = 20.0, sigma = 10.0, unit = "days" }',
        stats.norm(20.0, 10.0),
        (0.05, 1e5),
        "The normal prior of the period of c ends at 0.05 and is renormalised: 2.3 % of it",
    ),
    "inclination": (
        "c.inclination",
        SEEN,
        'inclination = { prior = "normal", mean = 170.0, sigma = 10.0, unit = "deg" }',
        stats.norm(170.0, 10.0),
        (0.0, 180.0),
        "The normal prior of the inclination of c ends at 180 and is renormalised: 16 % of it",
    ),
    "eccentricity, Rayleigh": (
        "b.eccentricity",
        FLAT,
        'eccentricity = { prior = "rayleigh", sigma = 0.5 }',
        stats.rayleigh(0.0, 0.5),
        (0.0, 0.95),
        "The rayleigh prior of the eccentricity of b ends at 0.95 and is renormalised: 16 % of",
    ),
    "eccentricity, half normal": (
        "b.eccentricity",
        FLAT,
        'eccentricity = { prior = "half_normal", sigma = 0.5 }',
        stats.halfnorm(0.0, 0.5),
        (0.0, 0.95),
        "The half-normal prior of the eccentricity of b ends at 0.95 and is renormalised: 5.7 %",
    ),
}


@pytest.mark.parametrize(("name", "old", "new", "whole", "ends", "words"), CUT.values(), ids=CUT)
def test_a_prior_ends_where_its_parameter_does_and_is_renormalised(
    write: Write,
    name: str,
    old: str,
    new: str,
    whole: Any,
    ends: tuple[float, float],
    words: str,
) -> None:
    prior, remarks = prior_of(write, name, old, new)
    density = parse_prior(prior, name)
    inside = whole.cdf(ends[1]) - whole.cdf(ends[0])
    assert density.support == ends
    for share in (0.1, 0.5, 0.9):
        x = whole.ppf(whole.cdf(ends[0]) + share * inside)
        assert density.quantile(share) == pytest.approx(x, rel=1e-9)
        expected = whole.logpdf(x) - math.log(inside)
        assert density.log_density(x) == pytest.approx(expected, rel=1e-9)
    assert [remark for remark in remarks if words in remark]


def test_the_evidence_is_that_of_the_prior_that_ends_at_zero(write: Write) -> None:
    """A likelihood of the mass alone, integrated over the prior."""
    prior, _ = prior_of(write, "c.mass", MASS, CUT["mass"][2])
    density = parse_prior(prior, "c.mass")

    def integrand(mass: float) -> float:
        return float(np.exp(density.log_density(mass))) * stats.norm.pdf(2.0, mass, 1.0)

    evidence, _ = integrate.quad(integrand, 0.0, 30.0, epsabs=1e-12)
    # The product of both normal distributions is one around (2 * 9 + 1) / 10, of variance 0.9.
    uncut = stats.norm.pdf(2.0, 1.0, math.sqrt(10.0)) * stats.norm.sf(0.0, 1.9, math.sqrt(0.9))
    assert evidence == pytest.approx(uncut / stats.norm.sf(0.0, 1.0, 3.0), rel=1e-8)


def test_a_prior_that_hardly_reaches_a_bound_stays_as_it_is(write: Write) -> None:
    prior, remarks = prior_of(write, "c.mass", MASS, MASS)
    assert prior == {"kind": "normal", "mean": 10.0, "sigma": 2.0}
    assert not [remark for remark in remarks if "renormalised" in remark]


def test_an_end_that_was_stated_is_no_remark() -> None:
    stated = {"kind": "truncated_normal", "mean": 5.0, "sigma": 3.0, "low": 0.0, "high": 5.0}
    assert cut_off(stated)["high"] == pytest.approx(0.5)
    assert "ends at 0" in str(remark_on_cut("b.mass", stated))
    assert remark_on_cut("b.mass", {**stated, "low": 1.0}) is None
    assert remark_on_cut("noise.jitter", {"kind": "half_normal", "sigma": 1.0, "high": 1.0}) is None
    assert cut_off({"kind": "uniform", "low": 0.0, "high": 1.0}) == {}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (FLAT, FLAT.replace("0.2", "1.0"), "high = 1 is out of range: write 0 to 0.95"),
        (
            'mass = { value = 1.0, unit = "Msun" }',
            'mass = { prior = "normal", mean = 1.0, sigma = 0.1, unit = "Msun" }',
            "the star's mass is fixed",
        ),
    ],
)
def test_priors_that_cannot_be_are_told_what_to_write(
    write: Write, old: str, new: str, words: str
) -> None:
    from boinc_project.errors import InputError

    with pytest.raises(InputError) as caught:
        load_campaign(write((old, new)))
    assert words in str(caught.value)
