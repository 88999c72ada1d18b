"""The schema of a TTV unit's settings: typed values from plain JSON, or one clear sentence.

::

    {"model": {"star_mass": 1.02, "epoch": 143.0, "end": 1560.0, "dt": 0.9, "engine": "batch",
               "modified_kick": true, "planets": [{"name": "b", "observed": true}, ...]},
     "noise": {"kind": "student_t", "degrees": 4.0},
     "parameters": [{"name": "b.mass", "prior": {"kind": "log_uniform", "low": 1, "high": 100}},
                    {"name": "b.eccentricity", "prior": {"kind": "uniform", "low": 0, "high": 0.3}},
                    {"name": "b.inclination", "fixed": 90.0}, ...],
     "sampler": {...},
     "start": [[...], ...]}

A planet has the parameters mass (Earth masses), period (days), ecosw, esinw, t0 (BKJD days),
inclination and node (degrees); see `apps.ttv.compute.model` for what they mean. Instead of ecosw
and esinw a prior on ``<planet>.eccentricity`` can be given, which makes both free, or ``"fixed":
0`` for a circular orbit. Without a line of their own, inclination is 90 and node 0. The parameter
``noise.jitter`` (minutes) is added to the table's sigmas in quadrature; without it there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute import noise
from apps.ttv.compute.fields import (
    array_of,
    list_of,
    number_of,
    only_keys,
    positive_of,
    table_of,
)
from apps.ttv.compute.noise import Noise
from apps.ttv.compute.priors import EccentricityPrior, Prior, parse_prior
from apps.ttv.compute.sampler_settings import SamplerSettings, parse_sampler
from boinc_project.errors import UnitError

ELEMENTS = ("mass", "period", "ecosw", "esinw", "t0", "inclination", "node")
"""The parameters of a planet, in the order in which free ones are stored."""
DEFAULTS = {"inclination": 90.0, "node": 0.0}
JITTER = "noise.jitter"
"""The name of the jitter among the parameters."""
ENGINES = ("batch", "ttvfast")
"""See `apps.ttv.compute.engine`."""
MAX_PLANETS = 9  # TTVFast's arrays end there
MAX_EVENTS = 5000  # transits of all planets together that TTVFast's Python wrapper has room for


@dataclass(frozen=True, slots=True)
class PlanetSettings:
    """One planet: its name, and whether the table has transits of it."""

    name: str
    observed: bool


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What is integrated, and how.

    Attributes
    ----------
    star_mass : float
        Solar masses.
    epoch, end : float
        Element epoch and start of the integration, and its end, BKJD days.
    dt : float
        Step, days.
    planets : tuple[PlanetSettings, ...]
        In any order.
    engine : str
        One of `ENGINES`.
    modified_kick : bool
        Whether the batch engine's kicks are those of a map of fourth order; see
        ``kernel/system.h``. TTVFast has no such thing.
    """

    star_mass: float
    epoch: float
    end: float
    dt: float
    planets: tuple[PlanetSettings, ...]
    engine: str = "batch"
    modified_kick: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """One element of one planet: fixed, free with a prior of its own, or part of an eccentricity.

    Attributes
    ----------
    name : str
        ``<planet>.<element>``.
    fixed : float | None
        Its value, if it is not free.
    prior : Prior | None
        None if it is fixed, or if the prior is on the planet's eccentricity.
    """

    name: str
    fixed: float | None = None
    prior: Prior | None = None

    @property
    def is_free(self) -> bool:
        """Whether the sampler moves it."""
        return self.fixed is None


@dataclass(frozen=True, slots=True)
class Problem:
    """The posterior's definition: model and priors.

    Attributes
    ----------
    model : ModelSettings
        What is integrated.
    parameters : tuple[Parameter, ...]
        Every element of every planet: planets in the model's order, elements in that of `ELEMENTS`.
    eccentricities : Mapping[str, EccentricityPrior]
        Priors on eccentricities, by planet.
    noise : Noise
        How measured times scatter.
    jitter : Parameter | None
        Scatter beyond the table's sigmas, minutes; the last of the free parameters if it is free.
    """

    model: ModelSettings
    parameters: tuple[Parameter, ...]
    eccentricities: Mapping[str, EccentricityPrior] = field(default_factory=dict)
    noise: Noise = field(default_factory=Noise)
    jitter: Parameter | None = None

    @property
    def free(self) -> tuple[Parameter, ...]:
        """The free parameters, in the order of a chain's last axis."""
        everything = self.parameters if self.jitter is None else (*self.parameters, self.jitter)
        return tuple(parameter for parameter in everything if parameter.is_free)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(parameter.name for parameter in self.free)

    @property
    def n_dim(self) -> int:
        """Their number."""
        return len(self.free)

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> Problem:
        """Read ``settings["model"]``, ``settings["parameters"]`` and ``settings["noise"]``.

        Raises
        ------
        UnitError
            Naming the key that is missing, unknown or of a wrong type.
        """
        model = _parse_model(table_of(settings, "model", "settings"))
        parameters, eccentricities, jitter = _parse_parameters(
            list_of(settings, "parameters", "settings"), model
        )
        noise = _parse_noise(settings["noise"]) if "noise" in settings else Noise()
        problem = cls(model, parameters, eccentricities, noise, jitter)
        if problem.n_dim == 0:
            raise UnitError("settings.parameters has no free parameter.")
        return problem


@dataclass(frozen=True, slots=True, eq=False)
class TtvSettings:
    """All settings of a unit.

    Attributes
    ----------
    problem : Problem
        Model and priors.
    sampler : SamplerSettings
        How the chain is run.
    start : ndarray
        float64 (n_walker, n_dim), the walkers' starting points.
    """

    problem: Problem
    sampler: SamplerSettings
    start: NDArray[np.float64]

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> TtvSettings:
        """Read a unit's settings.

        Raises
        ------
        UnitError
            Naming the key that is missing, unknown or of a wrong type.
        """
        only_keys(settings, {"model", "parameters", "noise", "sampler", "start"}, "settings")
        problem = Problem.from_mapping(settings)
        sampler = parse_sampler(table_of(settings, "sampler", "settings"), problem.n_dim)
        start = array_of(settings, "start", "settings", (sampler.n_walker, problem.n_dim))
        return cls(problem, sampler, start)


def _parse_model(raw: Mapping[str, Any]) -> ModelSettings:
    where = "settings.model"
    only_keys(raw, {"star_mass", "epoch", "end", "dt", "engine", "modified_kick", "planets"}, where)
    planets = tuple(_parse_planet(planet) for planet in list_of(raw, "planets", where))
    names = [planet.name for planet in planets]
    if not 1 <= len(planets) <= MAX_PLANETS:
        raise UnitError(f"{where}.planets has {len(planets)} planets, not 1 to {MAX_PLANETS}.")
    if len(set(names)) != len(names):
        raise UnitError(f"{where}.planets has two planets of one name.")
    if not any(planet.observed for planet in planets):
        raise UnitError(f"{where}.planets has no observed planet.")
    if raw.get("engine") not in ENGINES:
        raise UnitError(f"{where}.engine is {raw.get('engine')!r}, not {' or '.join(ENGINES)}.")
    model = ModelSettings(
        star_mass=positive_of(raw, "star_mass", where),
        epoch=number_of(raw, "epoch", where),
        end=number_of(raw, "end", where),
        dt=positive_of(raw, "dt", where),
        planets=planets,
        engine=str(raw["engine"]),
        modified_kick=_modified_kick(raw, where),
    )
    if not model.end > model.epoch:
        raise UnitError(f"{where}.end is not after {where}.epoch.")
    if (model.end - model.epoch) / model.dt > 1e8:
        raise UnitError(f"{where}.dt is too small for the time between epoch and end.")
    return model


def _modified_kick(raw: Mapping[str, Any], where: str) -> bool:
    value = raw.get("modified_kick", False)
    if not isinstance(value, bool):
        raise UnitError(f"{where}.modified_kick is not true or false.")
    if value and raw["engine"] != "batch":
        raise UnitError(f"{where}.modified_kick is true, but only the engine batch has it.")
    return value


def _parse_noise(raw: Any) -> Noise:
    where = "settings.noise"
    if not isinstance(raw, Mapping):
        raise UnitError(f"{where} is not a table.")
    only_keys(raw, {"kind", "degrees"}, where)
    if raw.get("kind") not in noise.KINDS:
        raise UnitError(f"{where}.kind is {raw.get('kind')!r}, not {' or '.join(noise.KINDS)}.")
    degrees = positive_of(raw, "degrees", where) if "degrees" in raw else noise.DEFAULT_DEGREES
    return Noise(str(raw["kind"]), degrees)


def _parse_planet(raw: Any) -> PlanetSettings:
    where = "settings.model.planets"
    if not isinstance(raw, Mapping):
        raise UnitError(f"{where} has an item that is not a table.")
    only_keys(raw, {"name", "observed"}, where)
    name, observed = raw.get("name"), raw.get("observed")
    if not isinstance(name, str) or not name.isascii() or not name.isalnum():
        raise UnitError(f"{where} has a planet whose name is not of letters and digits: {name!r}.")
    if name == "noise":
        raise UnitError(f"{where} has a planet named noise, which names the noise's parameters.")
    if len(name) > 16:
        raise UnitError(f"{where} has a planet whose name is longer than 16 characters.")
    if not isinstance(observed, bool):
        raise UnitError(f"{where}: observed of planet {name} is not true or false.", name=name)
    return PlanetSettings(name, observed)


def _parse_parameters(
    raw: Sequence[Any], model: ModelSettings
) -> tuple[tuple[Parameter, ...], dict[str, EccentricityPrior], Parameter | None]:
    stated = _stated_parameters(raw, {planet.name for planet in model.planets})
    parameters: list[Parameter] = []
    eccentricities: dict[str, EccentricityPrior] = {}
    jitter = stated.pop(JITTER, None)
    if jitter is not None:
        _check_range(jitter, "jitter")
    for planet in (planet.name for planet in model.planets):
        eccentricity = stated.pop(f"{planet}.eccentricity", None)
        for element in ELEMENTS:
            name = f"{planet}.{element}"
            parameter = stated.pop(name, None)
            if element in ("ecosw", "esinw") and eccentricity is not None:
                if parameter is not None:
                    raise UnitError(f"Both {name} and {planet}.eccentricity are given.", name=name)
                parameter = _from_eccentricity(name, eccentricity)
            if parameter is None and element in DEFAULTS:
                parameter = Parameter(name, fixed=DEFAULTS[element])
            if parameter is None:
                raise UnitError(f"settings.parameters lacks {name}.", name=name)
            _check_range(parameter, element)
            parameters.append(parameter)
        if eccentricity is not None and eccentricity.prior is not None:
            eccentricities[planet] = EccentricityPrior(eccentricity.prior)
    return tuple(parameters), eccentricities, jitter


def _stated_parameters(raw: Sequence[Any], planets: set[str]) -> dict[str, Parameter]:
    stated: dict[str, Parameter] = {}
    for item in raw:
        if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
            raise UnitError("settings.parameters has an item that is not a table with a name.")
        name = item["name"]
        planet, _, element = name.partition(".")
        known = planet in planets and element in (*ELEMENTS, "eccentricity")
        if not known and name != JITTER:
            raise UnitError(f"settings.parameters has an unknown parameter {name!r}.", name=name)
        if name in stated:
            raise UnitError(f"settings.parameters has {name} twice.", name=name)
        only_keys(item, {"name", "fixed", "prior"}, f"settings.parameters, {name},")
        if ("fixed" in item) == ("prior" in item):
            raise UnitError(f"{name} must have either a fixed value or a prior.", name=name)
        if "fixed" in item:
            stated[name] = Parameter(name, fixed=number_of(item, "fixed", name))
        else:
            stated[name] = Parameter(name, prior=parse_prior(item["prior"], name))
    return stated


def _from_eccentricity(name: str, eccentricity: Parameter) -> Parameter:
    if eccentricity.fixed is None:
        prior = eccentricity.prior
        if prior is not None and not 0.0 <= prior.support[0] < 1.0:
            raise UnitError(f"The prior of {eccentricity.name} does not lie in 0 to 1.", name=name)
        return Parameter(name)
    if eccentricity.fixed != 0.0:
        raise UnitError(
            f"{eccentricity.name} is fixed to {eccentricity.fixed:g}, which leaves its argument "
            "of periapsis open: give ecosw and esinw, or a prior.",
            name=eccentricity.name,
        )
    return Parameter(name, fixed=0.0)


def _check_range(parameter: Parameter, element: str) -> None:
    """Masses and jitters may be zero, periods may not; a prior that allows less is a mistake."""
    if element not in ("mass", "period", "jitter"):
        return
    value = parameter.fixed
    low = value if value is not None else parameter.prior.support[0] if parameter.prior else 0.0
    unbounded = low == -math.inf  # a plain normal: the model refuses what is not physical
    if not unbounded and (low < 0.0 or (element == "period" and low == 0.0)):
        raise UnitError(f"{parameter.name} may not be as small as {low:g}.", name=parameter.name)
