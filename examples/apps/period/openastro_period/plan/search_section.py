"""The section ``[search]`` of a campaign file."""

from __future__ import annotations

import math

from boinc_project.toml_source import TomlTable
from openastro_period.compute.transits import Transits
from openastro_period.grid import MAX_FREQUENCIES, Grid, grid_between

SEARCH_KEYS = (
    "min_period", "max_period", "min_frequency", "max_frequency", "oversampling", "n_terms",
    "bands", "bootstrap", "false_alarm", "targets_per_unit", "bls",
)  # fmt: skip
BLS_KEYS = ("durations", "min_period", "max_period")


def read_grid(search: TomlTable, span: float) -> Grid:
    """Return the frequencies for light curves of `span` days."""
    by_period, by_frequency = "max_frequency" not in search, "min_frequency" not in search
    for one_key, other in (("min_period", "max_frequency"), ("max_period", "min_frequency")):
        if (one_key in search) == (other in search):
            search.fail(None, f"write one of {one_key} and {other}, in days or 1/d")
    high = 1 / search.positive("min_period") if by_period else search.positive("max_frequency")
    low = 1 / search.positive("max_period") if by_frequency else search.positive("min_frequency")
    if low >= high:
        search.fail(None, "the shortest period has to be shorter than the longest one")
    oversampling = search.integer("oversampling", low=3, high=100, default=10)
    return _checked(search, grid_between(low, high, span, oversampling))


def read_transits(search: TomlTable, span: float, *, fades: bool) -> Transits | None:
    """Return the search for transits; None if the file asks for none."""
    if "bls" not in search:
        return None
    table = search.table("bls", BLS_KEYS, example="[search.bls] with durations = [0.1, 0.2]")
    durations = table.values.get("durations")
    if not isinstance(durations, list) or not durations or not all(map(_is_length, durations)):
        table.fail("durations", "durations must be days: write for example durations = [0.1, 0.2]")
    shortest = table.positive("min_period", example="0.5")
    longest = table.positive("max_period", example="20.0")
    if not max(durations) < shortest < longest <= span:
        table.fail(
            None,
            f"periods have to rise, from above the longest duration to at most {span:g} days",
        )
    # Between two neighbours the last transit moves by half of the shortest duration, at the
    # longest period: it moves by the step, times the light curve, times the period.
    step = 0.5 * min(durations) / (span * longest)
    low, high = 1 / longest, 1 / shortest
    n = math.ceil((high - low) / step) + 1
    return Transits(_checked(table, Grid(low, step, max(2, n), 1)), tuple(durations), fades)


def _checked(table: TomlTable, grid: Grid) -> Grid:
    if grid.n > MAX_FREQUENCIES:
        table.fail(None, f"{grid.n} frequencies are more than {MAX_FREQUENCIES}: write less range")
    return grid


def read_false_alarm(search: TomlTable, bootstrap: int) -> float:
    """Return the probability up to which a target counts as periodic."""
    value = search.positive("false_alarm", default=0.01)
    if value >= 1:
        search.fail("false_alarm", f"false_alarm = {value:g} is no probability: write 0.01")
    if bootstrap and value * bootstrap < 1 - 1e-9:
        search.fail(
            "bootstrap",
            f"{bootstrap} resampled light curves cannot show a false-alarm probability of "
            f"{value:g}: write bootstrap = {math.ceil(1 / value - 1e-9)} or more, or false_alarm = "
            f"{1 / bootstrap:.2g}",
        )
    return value


def _is_length(value: object) -> bool:
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and 0 < float(value) < math.inf  # type: ignore[arg-type]
