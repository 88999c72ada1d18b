"""The sections of a campaign file that are about transit timing, and the settings they become."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.ttv.compute import settings as unit_settings
from apps.ttv.compute.likelihood import Posterior
from apps.ttv.compute.sampler_settings import MOVES
from apps.ttv.compute.search.starts import default_starts
from apps.ttv.compute.search.steps import largest, with_first_step
from apps.ttv.compute.table import TABLE_FILE, parse_table
from apps.ttv.plan.checked_problem import move_t0, refuse_contradictions, remarks_on
from apps.ttv.plan.noise import read_noise
from apps.ttv.plan.priors import PARAMETERS, read_parameter
from apps.ttv.plan.transit_table import TransitTable, read_transit_table
from boinc_project.campaign import StopRule
from boinc_project.errors import UnitError
from boinc_project.toml_source import TomlTable
from work_generator.quantities import DURATION, STAR_MASS, TIME, read_quantity

# Draws of the mixture are independent, so that most steps are theirs; the others need no fit, and
# free a walker that sits where the mixture hardly goes.
DEFAULT_MOVES = {"mixture": 0.6, "de": 0.25, "snooker": 0.15}
MODEL_KEYS = ("dt", "engine", "epoch", "modified_kick", "starts")
MAX_STEPS = 10_000_000
# Moves take the ensemble in halves or quarters, and the engine eight points at a time: multiples of
# 32 walkers fill its vectors.
_WALKERS = 32
PLANET_NAME = re.compile(r"[A-Za-z0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class _Planet:
    name: str
    observed: bool
    parameters: tuple[tuple[str, Mapping[str, Any]], ...]

    def stated(self, key: str) -> Mapping[str, Any]:
        return dict(self.parameters)[key]

    @property
    def longest_period(self) -> float:
        """The largest period the campaign allows, days; three sigma of a normal prior."""
        return largest(self.stated("period"))


def read_sections(root: TomlTable, directory: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read star, data, planets, model, noise and sampler.

    Parameters
    ----------
    root : TomlTable
        The whole campaign file.
    directory : Path
        Its directory: the table's path is relative to it.

    Returns
    -------
    settings : dict
        `Campaign.settings`: what all units share. ``model.dt``, ``model.modified_kick`` and
        ``sampler.n_step`` are None where they are to be measured.
    inputs : dict
        ``transits.csv``.

    Raises
    ------
    InputError
        See `work_generator.campaign_file.load_campaign`.
    """
    settings, inputs, n_dim = read_problem(root, directory)
    return {**settings, "sampler": _sampler(root, n_dim)}, inputs


def read_problem(root: TomlTable, directory: Path) -> tuple[dict[str, Any], dict[str, bytes], int]:
    """Read star, data, planets, model and noise: what every app for transit timing needs.

    Returns
    -------
    settings, inputs
        As of `read_sections`, without the sampler.
    n_dim : int
        Number of free parameters.

    Raises
    ------
    InputError
        See `work_generator.campaign_file.load_campaign`.
    """
    star = root.table(
        "star", ("mass",), example='[star] with mass = { value = 1.0, unit = "Msun" }'
    )
    if isinstance(star.values.get("mass"), dict) and "prior" in star.values["mass"]:
        star.fail(
            "mass",
            "the star's mass is fixed, because transit times only tell the planets' masses in "
            'units of it: write mass = { value = 1.0, unit = "Msun" }',
        )
    star_mass = read_quantity(star, "mass", STAR_MASS, example=1.0)
    if not 0.01 <= star_mass <= 100:
        star.fail("mass", f"mass = {star_mass:g} Msun is out of range: write 0.01 to 100 Msun")
    planets = _planets(root)
    table = _table(root, directory, planets)
    parameters = [
        {"name": f"{planet.name}.{key}", **stated}
        for planet in planets
        for key, stated in planet.parameters
    ]
    noise, jitter = read_noise(root)
    parameters += jitter
    n_dim = sum("prior" in stated for stated in parameters)
    n_dim += sum("prior" in dict(planet.parameters)["eccentricity"] for planet in planets)
    settings: dict[str, Any] = {
        "model": {"star_mass": star_mass, **_model(root, planets, table)},
        "parameters": parameters,
    }
    if noise is not None:
        settings["noise"] = noise
    inputs = {TABLE_FILE: table.text.encode()}
    try:
        posterior = posterior_of(settings, inputs)
    except UnitError as error:
        root.fail(None, f"the app cannot compute this: {error.message.rstrip('.')}")
    names = [planet.name for planet in planets]
    refuse_contradictions(root, names, posterior)
    settings["t0_moved"] = move_t0(root, names, settings["parameters"], posterior)
    posterior = posterior_of(settings, inputs)
    settings["remarks"] = [*table.remarks, *remarks_on(root, names, settings, posterior)]
    settings["starts"] = root.optional_table("model", MODEL_KEYS).integer(
        "starts", low=1, high=10_000, default=default_starts(posterior.problem, posterior.table)
    )
    return settings, inputs, n_dim


def read_stop(root: TomlTable, max_units: int) -> StopRule:
    """Read [stop]: convergence of chains."""
    base = StopRule()
    table = root.optional_table("stop", ("rhat", "ess_bulk", "ess_tail"))
    rhat = table.number("rhat", default=base.rhat)
    if not 1 < rhat <= 1.2:
        table.fail(
            "rhat", f"rhat = {rhat:g} is out of range: write more than 1, at most 1.2 (good: 1.01)"
        )
    bulk = table.positive("ess_bulk", default=base.ess_bulk)
    tail = table.positive("ess_tail", default=base.ess_tail)
    return StopRule(rhat, bulk, tail, max_units)


def posterior_of(settings: Mapping[str, Any], inputs: Mapping[str, bytes]) -> Posterior:
    """Return the posterior that a campaign's settings define, as the app builds it.

    Where the step is still to be chosen, a twentieth of the shortest period stands for it.

    Raises
    ------
    UnitError
        If the app would refuse the settings or the table.
    """
    problem = unit_settings.Problem.from_mapping(with_first_step(settings))
    return Posterior(problem, parse_table(inputs[TABLE_FILE]))


def _planets(root: TomlTable) -> list[_Planet]:
    tables = root.tables("planets", ("name", "observed", *PARAMETERS))
    if len(tables) < 2:
        root.fail(
            "planets" if tables else None,
            "a timing model needs two planets or more: write [[planets]] for each, with "
            "observed = false for one that does not transit",
        )
    if len(tables) > unit_settings.MAX_PLANETS:
        root.fail(
            "planets",
            f"there are {len(tables)} planets: at most {unit_settings.MAX_PLANETS} are allowed",
        )
    planets: list[_Planet] = []
    for table in tables:
        name = table.text("name", example="b")
        if not PLANET_NAME.fullmatch(name):
            table.fail("name", f'name = "{name}" must be 1 to 16 letters or digits, such as "b"')
        if any(planet.name == name for planet in planets):
            table.fail("name", f'there are two planets "{name}": give each its own name')
        stated = [(key, read_parameter(table, name, key)) for key in PARAMETERS]
        planets.append(_Planet(name, table.boolean("observed", default=True), tuple(stated)))
    if not any(planet.observed for planet in planets):
        root.fail("planets", "no planet is observed: set observed = true for those in the table")
    return planets


def _table(root: TomlTable, directory: Path, planets: Sequence[_Planet]) -> TransitTable:
    data = root.table(
        "data", ("table", "planets"), example='[data] with table = "data/kepler-9.csv"'
    )
    path = directory / data.text("table", example="data/kepler-9.csv")
    if not path.is_file():
        data.fail("table", f"the table {path} does not exist: write its path relative to this file")
    observed = [planet.name for planet in planets if planet.observed]
    use = None
    if "planets" in data:
        use = data.texts("planets", example='["b"]')
        if sorted(use) != sorted(observed):
            data.fail(
                "planets",
                f"planets must be the observed planets: write {_quoted(observed)}, "
                "or change which [[planets]] are observed",
            )
    return read_transit_table(path, planets=observed, use=use)


def _quoted(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _model(root: TomlTable, planets: Sequence[_Planet], table: TransitTable) -> dict[str, Any]:
    model = root.optional_table("model", MODEL_KEYS)
    dt = None
    if "dt" in model and model.values["dt"] != "auto":
        if isinstance(model.values["dt"], str):
            model.fail("dt", 'dt must be "auto" or a step: write dt = "auto"')
        dt = read_quantity(model, "dt", DURATION, example=0.5)
    shortest = min(planet.longest_period for planet in planets)
    if dt is not None and dt > shortest / 8:
        # Step resonances make steps longer than P/8 unsafe at any accuracy.
        model.fail(
            "dt",
            f"dt = {dt:g} days is too long for a period of {shortest:g} days: "
            f'write dt = "auto", or {shortest / 20:.3g} or less',
        )
    engine = model.text(
        "engine", example=unit_settings.ENGINES[0], default=unit_settings.ENGINES[0]
    )
    if engine not in unit_settings.ENGINES:
        model.fail(
            "engine",
            f'there is no engine "{engine}": write one of {", ".join(unit_settings.ENGINES)}',
        )
    first = min(row.bkjd for row in table.transits)
    kick = _modified_kick(model, engine, dt is not None)
    last = max(row.bkjd for row in table.transits)
    epoch = _epoch(model, first)
    # A model whose last transits come late must still see them: half a period of slack.
    slack = 0.5 * max(planet.longest_period for planet in planets if planet.observed)
    return {
        "epoch": epoch,
        "end": float(math.ceil(last + slack)),
        "dt": dt,
        "engine": engine,
        "modified_kick": kick,
        "planets": [{"name": planet.name, "observed": planet.observed} for planet in planets],
    }


def _modified_kick(model: TomlTable, engine: str, has_step: bool) -> bool | None:
    """Return what the file says; None if it is to be chosen with the step."""
    if "modified_kick" not in model:
        return False if engine != "batch" or has_step else None
    kick = model.boolean("modified_kick", default=False)
    if kick and engine != "batch":
        model.fail(
            "modified_kick",
            f'the engine "{engine}" has no modified kick: write modified_kick = false, '
            'or engine = "batch"',
        )
    return kick


def _epoch(model: TomlTable, first: float) -> float:
    """Return the epoch of the elements: at least half a day before the first transit."""
    if "epoch" not in model:
        return float(math.floor(first - 0.5))
    epoch = read_quantity(model, "epoch", TIME, example=math.floor(first - 0.5))
    if epoch >= first:
        model.fail(
            "epoch",
            f"epoch = {epoch:g} is not before the first transit at {first:.3f}: "
            f"write {math.floor(first - 0.5)} or less",
        )
    return epoch


def _sampler(root: TomlTable, n_dim: int) -> dict[str, Any]:
    table = root.optional_table("sampler", ("n_walker", "n_step", "thin", "moves"))
    # Fewer would confine the ensemble to a subspace (Goodman & Weare 2010, CAMCoS 5, 65).
    least = max(2 * n_dim, 8)
    whole = _WALKERS * math.ceil(2 * n_dim / _WALKERS)
    n_walker = table.integer("n_walker", low=1, high=10_000, default=whole)
    if n_walker < least or n_walker % 2:
        table.fail(
            "n_walker",
            f"n_walker = {n_walker} must be even and at least {least} for {n_dim} free "
            f"parameters: write {max(least, n_walker + n_walker % 2)} or more",
        )
    n_step = _n_step(table)
    thin = table.integer("thin", low=1, high=100_000, default=10)
    if n_step is not None and n_step % thin:
        table.fail(
            "thin",
            f"n_step = {n_step} is not a multiple of thin = {thin}: "
            f"write n_step = {max(1, n_step // thin) * thin}",
        )
    return {"n_walker": n_walker, "n_step": n_step, "thin": thin, "moves": _moves(table)}


def _n_step(table: TomlTable) -> int | None:
    """Return the steps of a unit; None for ``"auto"``."""
    stated = table.values.get("n_step")
    if stated == "auto":
        return None
    if isinstance(stated, str):
        table.fail("n_step", 'n_step must be "auto" or a whole number: write n_step = "auto"')
    return table.integer("n_step", low=1, high=MAX_STEPS, default=1000)


def _moves(table: TomlTable) -> list[list[Any]]:
    if "moves" not in table:
        return [[move, weight] for move, weight in DEFAULT_MOVES.items()]
    moves = table.table("moves", MOVES, example="moves = { de = 0.8, snooker = 0.2 }")
    weights = {key: moves.positive(key) for key in moves.values}
    total = math.fsum(weights.values())
    if not weights or abs(total - 1) > 1e-9:
        table.fail("moves", f"the weights of moves add up to {total:g}: make them add up to 1")
    return [[key, weight] for key, weight in weights.items()]
