"""Priors and fixed values, as a campaign file states them for each parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from apps.ttv.plan.transit_table import MAX_BKJD, MIN_BKJD
from boinc_project.toml_source import TomlTable
from work_generator.quantities import (
    ANGLE,
    DURATION,
    PLANET_MASS,
    PURE,
    TIME,
    Quantity,
    check_unit,
)

KEYS_OF_PRIOR = {
    "uniform": ("low", "high"),
    "log_uniform": ("low", "high"),
    "normal": ("mean", "sigma"),
    "truncated_normal": ("mean", "sigma", "low", "high"),
    "half_normal": ("sigma", "high"),
    "rayleigh": ("sigma", "high"),
}
"""The kinds of prior of `apps.ttv.compute.priors`, and the keys of each."""

_OPTIONAL = {"half_normal": "high", "rayleigh": "high"}
# Probability beyond a parameter's bounds from which on a normal prior ends there. Less changes no
# evidence by more than this.
_CUT = 1e-6
# Probability from which on a person is told that a prior ends at a bound: less is not seen in any
# plot, and a width that was rounded does more.
_TOLD = 1e-3


@dataclass(frozen=True, slots=True)
class Parameter:
    """The statements that a campaign file may make of one parameter.

    Attributes
    ----------
    quantity : Quantity
        Its unit.
    low, high : float
        Values outside are not physical, or not what the model can integrate.
    example : str
        What to write.
    kinds : tuple[str, ...]
        Kinds of prior that make sense for it.
    bounded : bool
        Whether no model exists beyond `low` and `high`, so that a normal prior has to end there.
    """

    quantity: Quantity
    low: float
    high: float
    example: str
    kinds: tuple[str, ...]
    bounded: bool = False


PARAMETERS = {
    # 1e5 Earth masses are 0.3 of the Sun: no planet any more.
    "mass": Parameter(
        PLANET_MASS,
        0.0,
        1e5,
        '{ prior = "log_uniform", low = 0.1, high = 300.0, unit = "Mearth" }',
        ("log_uniform", "uniform", "normal", "truncated_normal", "half_normal"),
        bounded=True,
    ),
    "period": Parameter(
        DURATION,
        0.05,
        1e5,
        '{ prior = "uniform", low = 19.2, high = 19.3, unit = "days" }',
        ("uniform", "log_uniform", "normal", "truncated_normal"),
        bounded=True,
    ),
    "eccentricity": Parameter(
        PURE,
        0.0,
        0.95,
        '{ prior = "uniform", low = 0.0, high = 0.3 }',
        ("uniform", "rayleigh", "half_normal", "truncated_normal"),
    ),
    "t0": Parameter(
        TIME,
        MIN_BKJD,
        MAX_BKJD,
        '{ prior = "uniform", low = 144.2, high = 144.3, unit = "BKJD" }',
        ("uniform", "normal", "truncated_normal"),
    ),
    "inclination": Parameter(
        ANGLE,
        0.0,
        180.0,
        '{ value = 90.0, unit = "deg" }',
        ("uniform", "normal", "truncated_normal"),
        bounded=True,
    ),
    "node": Parameter(
        ANGLE,
        -360.0,
        360.0,
        '{ value = 0.0, unit = "deg" }',
        ("uniform", "normal", "truncated_normal"),
    ),
}
"""The parameters of a planet, in the order of a unit's settings."""

DEFAULTS = {"inclination": 90.0, "node": 0.0}
"""What holds if the file says nothing: planets in one plane, seen edge-on."""


def read_parameter(planet: TomlTable, planet_name: str, key: str) -> dict[str, Any]:
    """Read one parameter of a planet.

    Returns
    -------
    dict
        ``{"fixed": value}`` or ``{"prior": {"kind": ..., ...}}``, as a unit's settings have it.

    Raises
    ------
    InputError
        If it is neither a prior nor a value, in a wrong unit, or out of range.
    """
    parameter = PARAMETERS[key]
    if key not in planet and key in DEFAULTS:
        return {"fixed": DEFAULTS[key]}
    return read_stated(planet, key, f"{key} of planet {planet_name}", parameter)


def read_stated(owner: TomlTable, key: str, name: str, parameter: Parameter) -> dict[str, Any]:
    """Read one parameter from the table that has it; see `read_parameter`.

    `name` is what messages call it.
    """
    if key in owner and not isinstance(owner.values[key], dict):
        given = owner.number(key)
        unit = f', unit = "{parameter.quantity.unit}"' if parameter.quantity.unit else ""
        owner.fail(
            key,
            f"{name} must say whether it is fixed: write {key} = {{ value = {given:g}{unit} }}, "
            f"or a prior such as {key} = {parameter.example}",
        )
    keys = ("prior", "value", "low", "high", "mean", "sigma", "unit")
    table = owner.table(key, keys, example=f"{key} = {parameter.example}")
    check_unit(table, parameter.quantity, name, ("value", "low", "high", "mean", "sigma"))
    if "value" in table:
        _only(table, name, "value", ("value",))
        value = _within(table, "value", name, parameter)
        if key == "eccentricity" and value != 0:
            table.fail(
                "value",
                f"{name} can only be fixed at 0, a circle: write value = 0, or a narrow prior",
            )
        return {"fixed": value}
    if "prior" not in table:
        table.fail(None, f"{name} has neither a prior nor a value: write {parameter.example}")
    kind = table.text("prior", example=parameter.kinds[0])
    if kind not in parameter.kinds:
        table.fail(
            "prior",
            f'{name} cannot have the prior "{kind}": write one of {", ".join(parameter.kinds)}',
        )
    _only(table, name, kind, KEYS_OF_PRIOR[kind])
    return {"prior": _bounded({"kind": kind, **_numbers(table, kind, name, parameter)}, parameter)}


def _bounded(prior: dict[str, Any], parameter: Parameter) -> dict[str, Any]:
    """Return a normal prior that reaches beyond what a parameter may be, cut there.

    Values without a model have no likelihood: a prior that gives them probability takes it from
    the evidence, and from every other value.
    """
    if prior["kind"] != "normal" or not parameter.bounded:
        return prior
    cut = {**prior, "kind": "truncated_normal", "low": parameter.low, "high": parameter.high}
    return cut if sum(cut_off(cut).values()) >= _CUT else prior


def cut_off(prior: Mapping[str, Any]) -> dict[str, float]:
    """Return the probability that a prior's distribution has beyond each of its limits.

    Parameters
    ----------
    prior : Mapping[str, Any]
        As settings have it.

    Returns
    -------
    dict[str, float]
        By the limit's key, ``low`` or ``high``; empty if the distribution is not cut off.
    """
    if prior["kind"] == "truncated_normal":
        whole = NormalDist(prior["mean"], prior["sigma"])
        # Mirrored, because a small upper tail has no digits in 1 - cdf.
        mirrored = 2.0 * prior["mean"] - prior["high"]
        return {"low": whole.cdf(prior["low"]), "high": whole.cdf(mirrored)}
    if prior["kind"] == "half_normal" and "high" in prior:
        return {"high": math.erfc(prior["high"] / prior["sigma"] / math.sqrt(2.0))}
    if prior["kind"] == "rayleigh" and "high" in prior:
        return {"high": math.exp(-0.5 * (prior["high"] / prior["sigma"]) ** 2)}
    return {}


def remark_on_cut(name: str, prior: Mapping[str, Any]) -> str | None:
    """Say that a prior ends where its parameter does, and how much of it that takes.

    Parameters
    ----------
    name : str
        ``<planet>.<parameter>``.
    prior : Mapping[str, Any]
        As settings have it. One that ends elsewhere was told to end there.
    """
    planet, _, key = name.partition(".")
    if key not in PARAMETERS:
        return None
    bounds = {"low": PARAMETERS[key].low, "high": PARAMETERS[key].high}
    for end, share in cut_off(prior).items():
        if share >= _TOLD and prior[end] == bounds[end]:
            kind = prior["kind"].removeprefix("truncated_").replace("_", "-")
            return (
                f"The {kind} prior of the {key} of {planet} ends at {bounds[end]:g} and is "
                f"renormalised: {100 * share:.2g} % of it would lie beyond."
            )
    return None


def _only(table: TomlTable, name: str, kind: str, keys: tuple[str, ...]) -> None:
    for key in table.values:
        if key not in (*keys, "prior", "unit") or (kind == "value" and key == "prior"):
            what = "a fixed value" if kind == "value" else f'the prior "{kind}"'
            table.fail(
                key, f"{name} has {key}, but {what} only takes {' and '.join(keys)}: leave it out"
            )


def _numbers(table: TomlTable, kind: str, name: str, parameter: Parameter) -> dict[str, float]:
    numbers = {
        key: table.positive(key) if key == "sigma" else _within(table, key, name, parameter)
        for key in KEYS_OF_PRIOR[kind]
        if key in table or key != _OPTIONAL.get(kind)
    }
    if parameter is PARAMETERS["eccentricity"]:
        # The model integrates bound orbits only: the prior ends where the parameter does.
        numbers.setdefault("high", parameter.high)
    if "low" in numbers and not numbers["low"] < numbers["high"]:
        table.fail("high", f"{name}: low must be less than high: exchange them or widen the range")
    if kind == "log_uniform" and not numbers["low"] > 0:
        table.fail("low", f"{name}: a log_uniform prior cannot start at 0: write low = 0.01 or so")
    return numbers


def _within(table: TomlTable, key: str, name: str, parameter: Parameter) -> float:
    value = table.number(key)
    if not parameter.low <= value <= parameter.high:
        table.fail(
            key,
            f"{name}: {key} = {value:g} is out of range: "
            f"write {parameter.low:g} to {parameter.high:g} {parameter.quantity.unit}".rstrip(),
        )
    return value
