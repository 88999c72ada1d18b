"""Campaigns of a pair of planets, with what people do to tables and priors by mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from work_generator.campaign_file import load_campaign

DATA = Path(__file__).parents[4] / "data" / "ttv"

HEADER = "planet,epoch,bkjd,sigma_days"
FILE = """\
[campaign]
name = "case"
title = "A case"
app = "ttv_mcmc"
seed = 1

[star]
mass = { value = 1.0, unit = "Msun" }

[data]
table = "case.csv"

[[planets]]
name = "b"
mass = { prior = "uniform", low = 0.0, high = 60.0, unit = "Mearth" }
period = { prior = "uniform", low = 9.9, high = 10.1, unit = "days" }
eccentricity = { prior = "uniform", low = 0.0, high = 0.2 }
t0 = { prior = "uniform", low = 104.8, high = 105.2, unit = "BKJD" }

[[planets]]
name = "c"
mass = { prior = "uniform", low = 0.0, high = 60.0, unit = "Mearth" }
period = { prior = "uniform", low = 20.1, high = 20.5, unit = "days" }
eccentricity = { prior = "uniform", low = 0.0, high = 0.2 }
t0 = { prior = "uniform", low = 107.8, high = 108.2, unit = "BKJD" }

[model]
engine = "batch"
"""

Row = tuple[str, int, float, float]
Change = tuple[str, str]
Edit = Callable[[Row], Row]


def rows(name: str = "good.csv") -> list[Row]:
    """Return the rows of a table of the tests' data."""
    cells = [line.split(",") for line in (DATA / name).read_text().splitlines()[1:]]
    return [(planet, int(n), float(time), float(sigma)) for planet, n, time, sigma in cells]


def table(given: Sequence[Row]) -> str:
    """Return rows as a table."""
    lines = [f"{planet},{n},{time:.6f},{sigma:.9g}" for planet, n, time, sigma in given]
    return "\n".join([HEADER, *lines]) + "\n"


def edited(edit: Edit, planet: str = "bc", first: int = -(10**6)) -> Callable[[list[Row]], str]:
    """Return a function that edits the rows of planets from a transit on."""

    def change(given: list[Row]) -> str:
        return table([edit(r) if r[0] in planet and r[1] >= first else r for r in given])

    return change


def numbers(shift: int) -> Edit:
    """Return an edit that shifts transit numbers."""
    return lambda row: (row[0], row[1] + shift, row[2], row[3])


def times(shift: float) -> Edit:
    """Return an edit that shifts times, days."""
    return lambda row: (row[0], row[1], row[2] + shift, row[3])


def sigmas(factor: float) -> Edit:
    """Return an edit that multiplies standard errors."""
    return lambda row: (row[0], row[1], row[2], row[3] * factor)


def load(directory: Path, text: str, *changes: Change) -> Campaign:
    """Return the campaign of a table and of a file with changes."""
    file = FILE
    for old, new in changes:
        assert old in file, f"the test replaces what is not there: {old}"
        file = file.replace(old, new)
    (directory / "case.csv").write_text(text)
    path = directory / "case.toml"
    path.write_text(file)
    return load_campaign(path)


def refusal(directory: Path, text: str, *changes: Change) -> InputError:
    """Return the error that a table and a changed file end with."""
    try:
        load(directory, text, *changes)
    except InputError as error:
        return error
    raise AssertionError("the campaign was accepted")
