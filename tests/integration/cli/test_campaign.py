from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest

from server.models import Host, User
from server.project import open_project

ROOT = Path(__file__).parents[3]

CAMPAIGN = """\
[campaign]
name = "first-year"
title = "The first year of Kepler-9"
app = "ttv_mcmc"
seed = 7

[star]
mass = { value = 1.02, unit = "Msun" }

[data]
table = "first-year.csv"

[[planets]]
name = "b"
mass = { prior = "log_uniform", low = 10.0, high = 100.0, unit = "Mearth" }
period = { prior = "uniform", low = 19.1, high = 19.4, unit = "days" }
eccentricity = { prior = "uniform", low = 0.0, high = 0.3 }
t0 = { prior = "uniform", low = 144.0, high = 144.5, unit = "BKJD" }

[[planets]]
name = "c"
mass = { prior = "log_uniform", low = 10.0, high = 100.0, unit = "Mearth" }
period = { prior = "uniform", low = 38.5, high = 39.5, unit = "days" }
eccentricity = { prior = "uniform", low = 0.0, high = 0.3 }
t0 = { prior = "uniform", low = 135.8, high = 136.8, unit = "BKJD" }

[model]
dt = { value = 1.5, unit = "days" }
starts = 2

[sampler]
n_walker = 20
n_step = 200
thin = 10

[units]
per_generation = 2
max_units = 3
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the campaign, with texts replaced in file and table."""
    lines = (ROOT / "examples" / "data" / "kepler-9.csv").read_text().splitlines()
    table = [
        line
        for line in lines
        if line.startswith(("#", "planet")) or float(line.split(",")[2]) < 500.0
    ]

    def write(*changes: tuple[str, str], rows: Callable[[list[str]], list[str]] = list) -> Path:
        text = CAMPAIGN
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "first-year.csv").write_text("\n".join(rows(list(table))) + "\n")
        path = tmp_path / "first-year.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def published(run, project: Path, signing_key: Path, build) -> Path:
    """Return a project with the app in it."""
    directory = build()
    assert run("app", "sign", directory, "--key", signing_key).returncode == 0
    done = run("--project", project, "app", "publish", directory)
    assert done.returncode == 0, done.stderr
    return project


def rows(project: Path, query: str) -> list[tuple]:
    connection = sqlite3.connect(project / "project.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def nothing_issued(project: Path) -> None:
    assert rows(project, "select count(*) from campaign") == [(0,)]
    assert rows(project, "select count(*) from workunit") == [(0,)]
    assert not list((project / "download").rglob("unit_*"))


def changed(place: int, old: str, new: str) -> Callable[[list[str]], list[str]]:
    """Change one line of the table, counted from 1."""

    def change(lines: list[str]) -> list[str]:
        assert old in lines[place - 1]
        lines[place - 1] = lines[place - 1].replace(old, new)
        return lines

    return change


def renumbered(lines: list[str]) -> list[str]:
    """Give every transit of b from the ninth row on a number that is one too high."""

    def later(line: str) -> str:
        planet, epoch, rest = line.split(",", 2)
        return f"{planet},{int(epoch) + 1},{rest}" if planet == "b" else line

    return [*lines[:8], *(later(line) for line in lines[8:])]


def in_minutes(lines: list[str]) -> list[str]:
    def change(line: str) -> str:
        if line.startswith(("#", "planet")):
            return line
        *rest, sigma = line.split(",")
        return ",".join([*rest, f"{1440.0 * float(sigma):.6f}"])

    return [change(line) for line in lines]


def doubled(lines: list[str]) -> list[str]:
    return [*lines[:8], lines[7], *lines[8:]]


BAD = {
    "a wrong key": (
        ("n_walker", "n_walkers"),
        list,
        "first-year.toml:32:",
        "did you mean n_walker?",
    ),
    "a wrong unit": (('"Msun"', '"kg"'), list, "first-year.toml:8:", 'unit = "Msun"'),
    "a wrong range": (
        ("low = 19.1", "low = 19.5"),
        list,
        "first-year.toml:16:",
        "low must be less",
    ),
    "not TOML": (("seed = 7", "seed ="), list, "first-year.toml:5:", "not valid TOML"),
    "times that run back": (
        None,
        changed(8, "163.483552", "143.483552"),
        "first-year.csv:8:",
        "one of the two times is wrong",
    ),
    "wrong numbers": (
        None,
        renumbered,
        "first-year.toml:11:",
        "give it the number",
    ),
    "sigmas in minutes": (None, in_minutes, "first-year.toml:11:", "divide them by 1440"),
    "NaN": (None, changed(8, "163.483552", "nan"), "first-year.csv:8:", "bkjd is nan"),
    "negative sigma": (None, changed(8, ",0.0005", ",-0.0005"), "first-year.csv:8:", "negative"),
    "zero sigma": (None, changed(8, "0.000590", "0"), "first-year.csv:8:", "zero"),
    "duplicate rows": (None, doubled, "first-year.csv:9:", "epoch 1 twice"),
    "an unknown planet": (None, changed(8, "b,", "d,"), "first-year.csv:8:", "planet 'd'"),
    "other columns": (None, changed(6, "sigma_days", "error"), "first-year.csv:6:", "must be"),
}


@pytest.mark.parametrize("command", ["validate", "plan", "issue", "run-local"])
@pytest.mark.parametrize(("change", "table", "place", "words"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence_and_nothing_is_issued(
    run, project, campaign, tmp_path, monkeypatch, command, change, table, place, words
) -> None:
    monkeypatch.chdir(tmp_path)
    path = campaign(*([change] if change else []), rows=table)
    before = sorted(tmp_path.iterdir())
    done = run("--project", project, "campaign", command, path.name)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"openastro: {place} ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    nothing_issued(project)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_that_is_not_there(run, tmp_path) -> None:
    done = run("campaign", "validate", tmp_path / "no.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no.toml cannot be read as a campaign file: No such file" in done.stderr


def test_validate_says_what_the_campaign_is(run, campaign) -> None:
    done = run("campaign", "validate", campaign())
    assert done.returncode == 0, done.stderr
    assert "first-year: The first year of Kepler-9" in done.stdout
    assert "Planets: b, c." in done.stdout
    assert "Free parameters: 10" in done.stdout
    assert "can be planned and issued" in done.stdout


def test_validate_says_what_is_not_used_as_it_is_stated(run, campaign) -> None:
    prior = 'mass = { prior = "log_uniform", low = 10.0, high = 100.0'
    normal = 'mass = { prior = "normal", mean = 10.0, sigma = 10.0'
    done = run("campaign", "validate", campaign((prior, normal)))
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "Note: The normal prior of the mass of b ends at 0 and is renormalised: 16 %" in told


def test_plan_counts_calls_time_and_bytes(run, campaign) -> None:
    done = run("campaign", "plan", campaign(), "--all")
    assert done.returncode == 0, done.stderr
    assert "Mode of 100 % of the posterior" in done.stdout
    # Each correction of the ephemerides: a call for every step, and one for every kept draw.
    calls = [20 * (200 * (1 + c) + 20 * c + 1) for c in range(5)]
    assert any(f"{n:,}" in done.stdout and f"{2 * n:,}" in done.stdout for n in calls)
    for words in ("CPU time on this machine", "Each host downloads", "measured just now"):
        assert words in done.stdout


def test_plan_says_what_it_costs_and_where_to_compute(run, campaign, tmp_path) -> None:
    done = run("--project", tmp_path / "nowhere", "campaign", "plan", campaign(), "--hosts", "7")
    assert done.returncode == 0, done.stderr
    for words in (
        "effective draws if it does as well as the pilot",
        "which is short: 30 to 60 are good. n_step =",
        "Fleet: assumed fleet of 7 average hosts.",
        "not in the sum: electricity, paid by volunteers",
        "Prices, rented: ",
        "Advice: Compute it here: `openastro campaign run-local`",
    ):
        assert words in done.stdout


def test_plan_as_json_has_the_same_numbers(run, campaign, tmp_path) -> None:
    prices = tmp_path / "mine.toml"
    text = run("campaign", "prices").stdout
    prices.write_text(text.replace("local_hours = 24.0", "local_hours = 0.0"))
    path = campaign(("n_step = 200", 'n_step = "auto"'))
    done = run("--project", tmp_path, "campaign", "plan", path, "--json", "--prices", prices)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    unit, (first, most) = told["unit"], told["outlooks"]
    # The length was measured a moment before the plan measures again.
    assert 15 * 60 < unit["cpu_seconds_reference"] < 120 * 60
    assert unit["bytes_up"] < 8.1e6
    assert (first["n_unit"], most["n_unit"]) == (2, 3)
    assert told["units"]["likely"] >= 2  # from the pilot: never less than a generation
    hours = unit["cpu_seconds_reference"] / 3600
    assert most["cpu_hours_reference"] == pytest.approx(3 * hours)
    assert most["cpu_hours_volunteers"] == pytest.approx(6 * hours)
    for bill in most["bills"].values():
        assert bill["total"] == pytest.approx(sum(term["amount"] for term in bill["terms"]))
    assert told["advice"]["n_unit"] == min(told["units"]["likely"], 3)
    advised = {2: first, 3: most}[told["advice"]["n_unit"]]
    assert told["advice"]["venue"] == advised["advice"] != "local"


def test_plan_counts_the_projects_active_hosts(run, project, campaign) -> None:
    now = time.time()
    hosts = [(4, 8e9, now), (2, 1e9, now), (100, 4e9, now - 8 * 86400.0)]
    opened = open_project(project)
    with opened.database.write() as session:
        user = User(
            create_time=now,
            name="v",
            email_addr="v@example.org",
            passwd_hash="x",
            authenticator="0" * 32,
            cross_project_id="0" * 32,
        )
        session.add(user)
        session.flush()
        for n_cpu, fpops, when in hosts:
            session.add(
                Host(userid=user.id, create_time=when, rpc_time=when, p_ncpus=n_cpu, p_fpops=fpops)
            )
    opened.database.dispose()
    done = run("--project", project, "campaign", "plan", campaign(), "--json")
    assert done.returncode == 0, done.stderr
    fleet = json.loads(done.stdout)["fleet"]
    assert fleet["words"] == "2 hosts active in the last week"
    assert (fleet["hosts"], fleet["cores"]) == (2, 6)
    # Four of twice the reference host, two that were never measured.
    assert fleet["reference_cores"] == pytest.approx(4 * 2 + 2 * 0.72)


def test_plan_refuses_nonsense_prices(run, campaign, tmp_path) -> None:
    prices = tmp_path / "mine.toml"
    prices.write_text(
        run("campaign", "prices").stdout.replace("per_month = 44.41", "per_month = -1")
    )
    done = run("campaign", "plan", campaign(), "--prices", prices)
    assert (done.returncode, done.stdout) == (2, "")
    assert "per_month = -1 is out of range" in done.stderr
    assert done.stderr.startswith(f"openastro: {prices}:")


def test_issue_needs_the_app(run, project, campaign) -> None:
    done = run("--project", project, "campaign", "issue", campaign())
    assert done.returncode == 2
    assert "openastro app publish" in done.stderr
    nothing_issued(project)


def test_issue_needs_a_project(run, tmp_path, campaign) -> None:
    done = run("--project", tmp_path / "nowhere", "campaign", "issue", campaign())
    assert done.returncode == 2
    assert "openastro init" in done.stderr


def test_the_life_of_a_campaign(run, published, campaign) -> None:
    def command(*arguments: str | Path):
        return run("--project", published, "campaign", *arguments)

    assert "There are no campaigns yet" in command("list").stdout
    path = campaign(("seed = 7", "seed = 9"))  # of which no preparation is kept
    done = command("issue", path)
    assert done.returncode == 0, done.stderr
    assert "first-year is issued: 2 workunits. They prepare it" in done.stdout
    assert rows(published, "select name from workunit order by id") == [
        ("first-year_g0_u1000000",),  # the preparation
        ("first-year_g0_u1000001",),  # the second opinion
    ]
    assert "was issued before" in command("issue", path).stdout
    assert rows(published, "select count(*) from workunit") == [(2,)]
    changed_file = campaign(("seed = 7", "seed = 8"))
    refused = command("issue", changed_file)
    assert refused.returncode == 2
    assert 'name = "first-year-2"' in refused.stderr

    shown = command("status", "first-year").stdout
    assert "State: active." in shown
    assert "There is no product yet." in shown
    assert "first-year is paused" in command("pause", "first-year").stdout
    assert "paused" in command("list").stdout
    assert "first-year is active" in command("resume", "first-year").stdout
    done = command("cancel", "first-year", "--reason", "A mistake.")
    assert "2 workunits withdrawn" in done.stdout
    assert "State: cancelled. A mistake." in command("status", "first-year", "--watch").stdout
    refused = command("resume", "first-year")
    assert refused.returncode == 2
    assert "first-year is cancelled" in refused.stderr


@pytest.mark.parametrize("action", ["status", "pause", "resume", "cancel"])
def test_an_unknown_campaign(run, project, action) -> None:
    done = run("--project", project, "campaign", action, "nowhere")
    assert done.returncode == 2
    assert "There is no campaign nowhere" in done.stderr


def draws(directory: Path) -> bytes:
    with h5py.File(directory / "product" / "posterior.h5") as file:
        return file["draws"][:].tobytes()


def run_local(path: Path, out: Path, *, jobs: int = 2) -> subprocess.Popen[str]:
    arguments = ["campaign", "run-local", str(path), "--out", str(out), "--jobs", str(jobs)]
    return subprocess.Popen(
        [sys.executable, "-m", "server.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "150"},
    )


@pytest.mark.slow
def test_run_local_computes_judges_merges_and_goes_on_after_a_kill(campaign, tmp_path) -> None:
    path = campaign()
    whole = run_local(path, tmp_path / "whole")
    printed, errors = whole.communicate()
    assert whole.returncode == 0, errors
    assert "mass of b" in printed
    assert "the posterior is not sampled" in " ".join(printed.split())
    assert "converged" not in printed
    assert "2 units merged" in printed
    assert "3 units merged" in printed  # the second generation, cut at the budget
    product = tmp_path / "whole" / "product"
    summary = json.loads((product / "summary.json").read_text())
    assert summary["n_unit"] == 3
    for name in ("posterior.nc", "oc.png", "corner.png", "provenance.json"):
        assert (product / name).stat().st_size > 0
        assert str(product / name) in printed

    # The same again, but killed without warning in the middle of the first generation.
    killed = run_local(path, tmp_path / "killed", jobs=1)
    waiting = time.monotonic() + 240
    while not (tmp_path / "killed" / "units" / "first-year_g0_u000" / "output.h5").exists():
        assert time.monotonic() < waiting
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "product").exists()
    again = run_local(path, tmp_path / "killed")
    _, errors = again.communicate()
    assert again.returncode == 0, errors
    assert draws(tmp_path / "killed") == draws(tmp_path / "whole")

    # A changed file does not go on in the old directory.
    other = run_local(campaign(("seed = 7", "seed = 8")), tmp_path / "whole")
    _, errors = other.communicate()
    assert other.returncode == 2
    assert "name another directory with --out" in errors
