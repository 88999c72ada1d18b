"""The campaign file and the transit-time table of one system, as a user writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.zoo.kinds import EPOCH, Kind, Planet

UNITS = {"mass": "Mearth", "period": "days", "t0": "BKJD", "inclination": "deg", "node": "deg"}

Times = dict[str, NDArray[np.float64]]


def campaign_text(kind: Kind, seed: int) -> str:
    """Return the campaign file of a system."""
    blocks = [
        "[campaign]",
        f'name = "zoo-{kind.name}-{seed}"',
        f'title = "{kind.title[0].upper()}{kind.title[1:]}, seed {seed}"',
        f'app = "{kind.app}"',
        f"seed = {seed}",
        "",
        "[star]",
        f'mass = {{ value = {kind.star_mass}, unit = "Msun" }}',
        "",
        "[data]",
        'table = "transits.csv"',
        "",
        *(line for planet in kind.planets for line in _planet_lines(planet)),
        "[model]",
        f'epoch = {{ value = {EPOCH}, unit = "BKJD" }}',
        "",
    ]
    if kind.noise is not None:
        blocks += [
            "[noise]",
            *(f"{key} = {_value(value)}" for key, value in kind.noise.items()),
            "",
        ]
    return "\n".join(blocks) + kind.sections


def table_text(kind: Kind, times: Times) -> str:
    """Return the table of measured times, by planet in the order of `Planet.epochs`."""
    rows = ["planet,epoch,bkjd,sigma_days"]
    for planet in kind.planets:
        if planet.observed:
            measured = zip(planet.epochs, times[planet.name], sigmas(planet), strict=True)
            rows += [f"{planet.name},{n},{t:.8f},{s:.8f}" for n, t, s in measured]
    return "\n".join(rows) + "\n"


def sigmas(planet: Planet) -> NDArray[np.float64]:
    """Return the stated errors of a planet's transits, days, (n_transit,)."""
    return np.resize(np.array(planet.sigmas), len(planet.epochs))


def write_system(directory: Path, kind: Kind, seed: int, times: Times) -> Path:
    """Write both files into `directory`; return the campaign file's path."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "transits.csv").write_text(table_text(kind, times), encoding="utf-8")
    path = directory / "campaign.toml"
    path.write_text(campaign_text(kind, seed), encoding="utf-8")
    return path


def _planet_lines(planet: Planet) -> list[str]:
    lines = ["[[planets]]", f'name = "{planet.name}"']
    if not planet.observed:
        lines.append("observed = false")
    for key, stated in planet.stated.items():
        unit = {"unit": UNITS[key]} if key in UNITS else {}
        lines.append(f"{key} = {_value({**stated, **unit})}")
    return [*lines, ""]


def _value(value: object) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, str):
        return f'"{value}"'
    return repr(value)
