from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from boinc_project.campaign import Published, Quorum, StopRule
from boinc_project.errors import InputError
from server.demo.images import simulate
from work_generator.campaign_file import load_campaign

Write = Callable[..., Path]

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))
TIMING = [path for path in EXAMPLES if path.stem != "goto-stack"]


def refused(path: Path) -> tuple[str, int]:
    """Return the sentence and the line of the error."""
    with pytest.raises(InputError) as caught:
        load_campaign(path)
    message = str(caught.value)
    found = re.match(r".*?\.(?:toml|csv):(\d+): ", message)
    assert found, message
    assert int(found.group(1)) == caught.value.line
    assert "\n" not in message
    assert message.endswith((".", "?"))
    return message, caught.value.line


def test_there_are_examples() -> None:
    assert {path.stem for path in EXAMPLES} >= {
        "kepler-9",
        "kepler-9b-alone",
        "kepler-51",
        "kepler-307",
    }


@pytest.mark.parametrize("path", TIMING, ids=lambda path: path.stem)
def test_every_example_loads(path: Path) -> None:
    campaign = load_campaign(path)
    assert campaign.name == path.stem
    assert campaign.inputs["transits.csv"].startswith(b"#")
    assert campaign.published
    assert campaign.source == path.read_text(encoding="utf-8")


def test_the_example_of_images_loads_where_its_images_are(tmp_path: Path) -> None:
    (example,) = set(EXAMPLES) - set(TIMING)
    path = tmp_path / example.name
    path.write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    message, _ = refused(path)
    assert "no file matches" in message
    simulate(tmp_path / "goto", n_frame=2)
    campaign = load_campaign(path)
    assert campaign.name == path.stem
    assert [one["name"] for one in campaign.settings["images"]] == ["field-1.fits", "field-2.fits"]


def test_reads_every_section(write: Write) -> None:
    campaign = load_campaign(write())
    assert (campaign.name, campaign.app, campaign.seed) == ("tiny", "ttv_mcmc", 7)
    assert campaign.units_per_generation == 3
    assert campaign.quorum == Quorum(min_quorum=2, target_nresults=2)
    assert campaign.stop == StopRule(rhat=1.05, max_units=8)
    assert campaign.published == (Published("b.mass", 12.0, 1.0, 2.0, "Nobody 2026"),)
    model = campaign.settings["model"]
    assert model["star_mass"] == 1.0
    assert model["dt"] == 0.5
    assert model["epoch"] == 100.0
    assert model["end"] == 147.0
    assert model["planets"] == [
        {"name": "b", "observed": True},
        {"name": "c", "observed": False},
    ]
    stated = {parameter["name"]: parameter for parameter in campaign.settings["parameters"]}
    assert stated["b.mass"]["prior"] == {"kind": "log_uniform", "low": 1.0, "high": 100.0}
    assert stated["c.mass"]["prior"] == {"kind": "normal", "mean": 10.0, "sigma": 2.0}
    assert stated["c.inclination"]["fixed"] == 89.0
    assert stated["b.inclination"]["fixed"] == 90.0
    assert stated["b.node"]["fixed"] == 0.0
    assert campaign.settings["sampler"] == {
        "n_walker": 24,
        "n_step": 20,
        "thin": 10,
        "moves": [["de", 0.8], ["snooker", 0.2]],
    }


def test_the_length_of_a_unit_may_be_left_to_measure(write: Write) -> None:
    sampler = load_campaign(write(("n_step = 20", 'n_step = "auto"'))).settings["sampler"]
    assert (sampler["n_step"], sampler["thin"]) == (None, 10)


def test_moves_that_are_not_stated(write: Write) -> None:
    campaign = load_campaign(write(("moves = { de = 0.8, snooker = 0.2 }\n", "")))
    moves = dict(campaign.settings["sampler"]["moves"])
    assert set(moves) == {"de", "mixture", "snooker"}
    assert sum(moves.values()) == pytest.approx(1.0)


def test_quorum_of_three_asks_for_three_results(write: Write) -> None:
    campaign = load_campaign(write(("min_quorum = 2", "min_quorum = 3")))
    assert campaign.quorum.target_nresults == 3


def test_delay_bound_is_in_days_in_the_file_and_in_seconds_inside(write: Write) -> None:
    path = write(("min_quorum = 2", 'min_quorum = 2\ndelay_bound = { value = 0.5, unit = "days" }'))
    assert load_campaign(path).quorum.delay_bound == 43200.0


def test_transits_of_planets_not_used_are_left_out(write: Write) -> None:
    table = "planet,epoch,bkjd,sigma_days\nb,0,101.0,0.001\n# c's\nc,0,103.0,0.001\n"
    campaign = load_campaign(
        write(('table = "tiny.csv"', 'table = "tiny.csv"\nplanets = ["b"]'), table=table)
    )
    expected = b"planet,epoch,bkjd,sigma_days\nb,0,101.0,0.001\n# c's\n"
    assert campaign.inputs["transits.csv"] == expected


BAD = {
    "not TOML": (("seed = 7", "seed = = 7"), 5, "not valid TOML"),
    "duplicate key": (("seed = 7", "seed = 7\nseed = 8"), 6, "not valid TOML"),
    "unknown section": (("[sampler]", "[samplers]"), 32, "did you mean sampler?"),
    "misspelt key": (("n_walker = 24", "n_wakler = 24"), 33, "did you mean n_walker?"),
    "misspelt planet key": (("t0 = {", "T_0 = {"), 18, "did you mean t0?"),
    "no name": (('name = "tiny"\n', ""), 1, 'name is missing: write for example name = "kepler-9"'),
    "bad name": (('"tiny"', '"Tiny Star"'), 2, 'write for example "tiny-star"'),
    "name is a number": (('name = "tiny"', "name = 9"), 2, "must be a text in quotes"),
    "unknown app": (("ttv_mcmc", "ttv_mcm"), 4, "write one of reprojection, ttv_mcmc"),
    "negative seed": (("seed = 7", "seed = -7"), 5, "write 0 to"),
    "seed as text": (("seed = 7", 'seed = "7"'), 5, "must be a whole number"),
    "empty title": (('"A tiny campaign"', '""'), 3, "one line"),
    "bare star mass": (
        ('mass = { value = 1.0, unit = "Msun" }', "mass = 1.0"),
        8,
        'write mass = { value = 1, unit = "Msun" }',
    ),
    "star mass without unit": (('1.0, unit = "Msun" }', "1.0 }"), 8, 'write unit = "Msun"'),
    "star mass in kg": (
        ('value = 1.0, unit = "Msun"', 'value = 1.98841e30, unit = "kg"'),
        8,
        'write value = 1, unit = "Msun"',
    ),
    "negative star mass": (("value = 1.0", "value = -1.0"), 8, "greater than 0"),
    "planet mass in Jupiter masses": (
        ('low = 1.0, high = 100.0, unit = "Mearth"', 'low = 0.1, high = 1.0, unit = "Mjup"'),
        15,
        "write low = 31.78284",
    ),
    "period in hours": (
        ('low = 9.9, high = 10.1, unit = "days"', 'low = 240, high = 264, unit = "hours"'),
        16,
        'write low = 10, high = 11, unit = "days"',
    ),
    "t0 in BJD": (
        ('low = 100.9, high = 101.1, unit = "BKJD"', 'low = 2454934, high = 2454935, unit = "BJD"'),
        18,
        'write low = 101, high = 102, unit = "BKJD"',
    ),
    "t0 in BJD that says BKJD": (
        ("low = 100.9, high = 101.1", "low = 2454934, high = 2454935"),
        18,
        "out of range",
    ),
    "unknown unit": (('"days"', '"fortnights"'), 16, 'write unit = "days"'),
    "unit of a pure number": (("high = 0.2 }", 'high = 0.2, unit = "rad" }'), 17, "leave the unit"),
    "bare parameter": (
        ('inclination = { value = 89.0, unit = "deg" }', "inclination = 89"),
        27,
        'inclination = { value = 89, unit = "deg" }',
    ),
    "inclination in radians": (
        ('value = 89.0, unit = "deg"', 'value = 1.5, unit = "rad"'),
        27,
        "value = 85.9436",
    ),
    "unknown prior": (('prior = "log_uniform"', 'prior = "lognormal"'), 15, "write one of log_uni"),
    "prior without high": (("low = 9.9, high = 10.1", "low = 9.9"), 16, "high is missing"),
    "prior with a foreign key": (("low = 9.9,", "low = 9.9, sigma = 1.0,"), 16, "leave it out"),
    "prior and value": (("low = 9.9,", "value = 10.0, low = 9.9,"), 16, "leave it out"),
    "low above high": (("low = 9.9", "low = 10.9"), 16, "low must be less than high"),
    "log_uniform from zero": (("low = 1.0", "low = 0.0"), 15, "cannot start at 0"),
    "negative period": (("low = 9.9", "low = -9.9"), 16, "out of range"),
    "eccentricity above one": (("high = 0.2", "high = 1.2"), 17, "out of range"),
    "infinite bound": (("high = 100.0", "high = inf"), 15, "finite"),
    "NaN bound": (("high = 100.0", "high = nan"), 15, "finite"),
    "zero sigma": (("sigma = 2.0", "sigma = 0.0"), 23, "greater than 0"),
    "same planet twice": (('name = "c"', 'name = "b"'), 21, 'two planets "b"'),
    "planet name": (('name = "c"', 'name = "c.d"'), 21, "letters or digits"),
    "observed is a text": (("observed = false", 'observed = "no"'), 22, "true or false"),
    "missing period": (
        ('period = { prior = "uniform", low = 9.9, high = 10.1, unit = "days" }\n', ""),
        13,
        "period is missing: write period = {",
    ),
    "dt as a bare number": (
        ('dt = { value = 0.5, unit = "days" }', "dt = 0.5"),
        30,
        'write dt = { value = 0.5, unit = "days" }',
    ),
    "dt as a word": (
        ('dt = { value = 0.5, unit = "days" }', 'dt = "fast"'),
        30,
        'write dt = "auto"',
    ),
    "dt too long": (("value = 0.5", "value = 2.5"), 30, 'write dt = "auto", or 0.505 or less'),
    "unknown engine": (
        ("[model]", '[model]\nengine = "rebound"'),
        30,
        "write one of batch, ttvfast",
    ),
    "epoch after the transits": (
        ("[model]", '[model]\nepoch = { value = 102, unit = "BKJD" }'),
        30,
        "write 100 or less",
    ),
    "no fits": (("[model]", "[model]\nstarts = 0"), 30, "write 1 to 10000"),
    "too few walkers": (("n_walker = 24", "n_walker = 10"), 33, "write 16 or more"),
    "odd walkers": (("n_walker = 24", "n_walker = 25"), 33, "write 26 or more"),
    "thin does not divide": (("n_step = 20", "n_step = 25"), 35, "write n_step = 20"),
    "no steps": (("n_step = 20", "n_step = 0"), 34, "out of range"),
    "a fractional step": (("n_step = 20", "n_step = 20.0"), 34, "whole number"),
    "steps in words": (("n_step = 20", 'n_step = "many"'), 34, 'write n_step = "auto"'),
    "moves": (("de = 0.8", "de = 0.9"), 36, "add up to 1"),
    "unknown move": (("snooker = 0.2", "snoker = 0.2"), 36, "did you mean snooker?"),
    "max_units": (("max_units = 8", "max_units = 2"), 40, "write max_units = 3 or more"),
    "quorum of none": (("min_quorum = 2", "min_quorum = 0"), 43, "write 1 to 10"),
    "target below quorum": (
        ("min_quorum = 2", "min_quorum = 2\ntarget_nresults = 1"),
        44,
        "write 2 or more",
    ),
    "total below target": (
        ("min_quorum = 2", "min_quorum = 2\nmax_total_results = 1"),
        44,
        "write 2 or more",
    ),
    "delay_bound in seconds": (
        ("min_quorum = 2", 'min_quorum = 2\ndelay_bound = { value = 86400, unit = "seconds" }'),
        44,
        'write value = 1, unit = "days"',
    ),
    "R-hat of one": (("rhat = 1.05", "rhat = 1.0"), 46, "write more than 1"),
    "negative ESS": (("rhat = 1.05", "ess_bulk = -400"), 46, "greater than 0"),
    "published of nobody": (('"b.mass"', '"d.mass"'), 49, 'no parameter "d.mass"'),
    "published minus sign": (("minus = 2.0", "minus = -2.0"), 52, "without the sign"),
    "no planets": (("[[planets]]", "[[planet]]"), 13, "did you mean planets?"),
    "stop as a text": (("[campaign]", 'stop = "soon"\n[campaign]'), 46, "not valid TOML"),
    "no table": (('"tiny.csv"', '"missing.csv"'), 11, "does not exist"),
}


@pytest.mark.parametrize(("change", "line", "words"), BAD.values(), ids=BAD)
def test_refuses_with_the_line_and_what_to_write(
    write: Write, change: tuple[str, str], line: int, words: str
) -> None:
    message, found = refused(write(change))
    assert words in message
    assert found == line


def test_one_planet_is_too_few(write: Write) -> None:
    text = write().read_text(encoding="utf-8")
    start, end = text.index('[[planets]]\nname = "c"'), text.index("[model]")
    path = write((text[start:end], ""))
    message, line = refused(path)
    assert "two planets or more" in message
    assert line == 13


def test_somebody_must_transit(write: Write) -> None:
    message, _ = refused(write(('name = "b"', 'name = "b"\nobserved = false')))
    assert "set observed = true" in message


def test_a_file_without_campaign_section(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("", encoding="utf-8")
    message, line = refused(path)
    assert "campaign is missing" in message
    assert line == 1


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml cannot be read as a campaign file: No"):
        load_campaign(tmp_path / "nowhere.toml")


def test_a_directory_is_not_a_campaign_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a campaign file: Is a directory"):
        load_campaign(tmp_path)


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"[campaign]\nname = 'k\xe9pler'\n")
    message, line = refused(path)
    assert "save the file as UTF-8" in message
    assert line == 2


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    path.write_bytes(b"#" * (4 * 2**20 + 1))
    with pytest.raises(InputError, match="larger than 4194304 bytes"):
        load_campaign(path)
