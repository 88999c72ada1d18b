"""The quantities of a timing posterior: names, labels, units, and those derived from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.model import EARTH_MASS
from apps.ttv.compute.settings import Problem

Floats = NDArray[np.float64]

_UNITS = {
    "mass": ("mass of {}", "Earth masses", "$m_{{{}}}$", r"$M_\oplus$"),
    "period": ("period of {}", "days", "$P_{{{}}}$", "d"),
    "ecosw": ("e cos(omega) of {}", "", r"$e_{{{0}}}\cos\omega_{{{0}}}$", ""),
    "esinw": ("e sin(omega) of {}", "", r"$e_{{{0}}}\sin\omega_{{{0}}}$", ""),
    "t0": ("conjunction time of {}", "BKJD days", "$t_{{0,{}}}$", "BKJD d"),
    "inclination": ("inclination of {}", "degrees", "$i_{{{}}}$", "deg"),
    "node": ("longitude of the node of {}", "degrees", r"$\Omega_{{{}}}$", "deg"),
    "eccentricity": ("eccentricity of {}", "", "$e_{{{}}}$", ""),
    "omega": ("argument of periapsis of {}", "degrees", r"$\omega_{{{}}}$", "deg"),
    "jitter": (
        "scatter beyond the table's errors",
        "minutes",
        r"$\sigma_\mathrm{{jitter}}$",
        "min",
    ),
    "mass_ratio": ("mass of {}, in star masses", "", r"$m_{{{}}}/M_\star$", ""),
}


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """One quantity of a posterior, with its draws.

    Attributes
    ----------
    name : str
        ``<planet>.<element>``, or ``<planet>.mass/<planet>.mass``.
    label, unit : str
        For people; the unit is empty for pure numbers.
    symbol, symbol_unit : str
        For plots, as mathematical text.
    derived : bool
        Whether it follows from free parameters.
    values : ndarray
        float64 (n_chain, n_draw, n_walker).
    """

    name: str
    label: str
    unit: str
    symbol: str
    symbol_unit: str
    derived: bool
    values: Floats


def quantities(problem: Problem, draws: Floats) -> tuple[Quantity, ...]:
    """Return the free parameters, and after them what is derived.

    Parameters
    ----------
    problem : Problem
        The posterior's definition.
    draws : ndarray
        float64 (n_chain, n_draw, n_walker, n_dim).
    """
    values = {name: draws[..., k] for k, name in enumerate(problem.parameter_names)}
    free = [_quantity(name, column, derived=False) for name, column in values.items()]
    return (*free, *_derived(problem, values, draws.shape[:-1]))


def _derived(
    problem: Problem, values: Mapping[str, Floats], shape: tuple[int, ...]
) -> list[Quantity]:
    fixed = {one.name: np.full(shape, one.fixed) for one in problem.parameters if not one.is_free}
    known = {**fixed, **values}
    found = []
    planets = [planet.name for planet in problem.model.planets]
    for planet in planets:
        ecosw, esinw = known[f"{planet}.ecosw"], known[f"{planet}.esinw"]
        if {f"{planet}.ecosw", f"{planet}.esinw"} & values.keys():
            omega = unwrapped(np.degrees(np.arctan2(esinw, ecosw)))
            found.append(_quantity(f"{planet}.eccentricity", np.hypot(ecosw, esinw), derived=True))
            found.append(_quantity(f"{planet}.omega", omega, derived=True))
        if f"{planet}.mass" in values:
            ratio = known[f"{planet}.mass"] * EARTH_MASS / problem.model.star_mass
            found.append(_quantity(f"{planet}.mass_ratio", ratio, derived=True))
    for first, second in combinations(planets, 2):
        names = (f"{second}.mass", f"{first}.mass")
        if set(names) & values.keys() and (known[names[1]] > 0).all():
            found.append(
                Quantity(
                    name="/".join(names),
                    label=f"mass of {second} over mass of {first}",
                    unit="",
                    symbol=f"$m_{{{second}}}/m_{{{first}}}$",
                    symbol_unit="",
                    derived=True,
                    values=known[names[0]] / known[names[1]],
                )
            )
    return found


def unwrapped(degrees: Floats) -> Floats:
    """Return angles within 180 degrees of their circular mean, which lies in 0 to 360.

    So means and quantiles are those of the distribution, not of where the circle was cut; a
    quantile may be below 0 or above 360.
    """
    if not degrees.size:
        return degrees
    radians = np.radians(degrees)
    centre = float(np.degrees(np.arctan2(np.sin(radians).mean(), np.cos(radians).mean()))) % 360.0
    return np.asarray(centre + (degrees - centre + 180.0) % 360.0 - 180.0)


def _quantity(name: str, values: Floats, *, derived: bool) -> Quantity:
    planet, _, element = name.partition(".")
    label, unit, symbol, symbol_unit = _UNITS[element]
    return Quantity(
        name=name,
        label=label.format(planet),
        unit=unit,
        symbol=symbol.format(planet),
        symbol_unit=symbol_unit,
        derived=derived,
        values=values,
    )
