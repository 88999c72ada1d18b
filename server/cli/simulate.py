"""``openastro simulate``: a fleet of simulated hosts drives the real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def simulate(
    hosts: int = typer.Option(200, min=1, help="Simulated computers."),
    units: int = typer.Option(500, min=1, help="Units of the campaign."),
    seed: int = typer.Option(1, help="The same seed gives the same run."),
    cheaters: float = typer.Option(0.02, min=0.0, max=1.0, help="Part of hosts that cheat."),
    broken: float = typer.Option(0.02, min=0.0, max=1.0, help="Part of hosts that are broken."),
    hours: float = typer.Option(0.75, min=0.01, help="Hours of a unit on a core of 3 GFLOP/s."),
    deadline: float = typer.Option(7.0, min=0.05, help="Days that a host has for a result."),
    quorum: int = typer.Option(2, min=1, max=5, help="Results that must agree."),
    adaptive: bool = typer.Option(True, help="Whether proven hosts may compute alone."),
    audit_floor: float | None = typer.Option(None, help="trust.audit_floor, if not the default."),
    replication_floor: float | None = typer.Option(
        None, help="trust.replication_floor, if not the default."
    ),
    quorum_audit_rate: float | None = typer.Option(
        None, help="trust.quorum_audit_rate, if not the default."
    ),
    daily_quota: int | None = typer.Option(
        None, help="scheduler.daily_result_quota, if not the default."
    ),
    days: float = typer.Option(90.0, min=0.1, help="Virtual days at most."),
    directory: Path | None = typer.Option(
        None, help="Keep the simulated project here; a temporary one if not given."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one line of JSON."),
) -> None:
    """Let simulated computers compute a campaign, and tell what the server made of it."""
    import json
    import tempfile
    from dataclasses import asdict

    from boinc_project.campaign import Quorum
    from boinc_project.errors import ConfigError
    from server.cli.context import console
    from server.logging import configure_logging
    from server.simulation.hosts import Population
    from server.simulation.report import lines
    from server.simulation.run import Simulation, run
    from server.simulation.world import Work

    trust = {
        "audit_floor": audit_floor,
        "replication_floor": replication_floor,
        "quorum_audit_rate": quorum_audit_rate,
    }
    sections: dict[str, dict[str, Any]] = {
        "trust": {key: value for key, value in trust.items() if value is not None},
        "scheduler": {} if daily_quota is None else {"daily_result_quota": daily_quota},
    }
    limits = Quorum(
        min_quorum=quorum,
        target_nresults=quorum,
        max_total_results=max(8, 4 * quorum),
        max_success_results=max(6, 3 * quorum),
        delay_bound=deadline * 86400.0,
        adaptive=adaptive and quorum > 1,
    )
    simulation = Simulation(
        population=Population(hosts=hosts, cheaters=cheaters, broken=broken),
        work=Work(units=units, hours=hours, quorum=limits),
        seed=seed,
        days=days,
        sections=sections,
    )
    configure_logging("simulate", level="ERROR")
    if directory is not None and directory.exists() and any(directory.iterdir()):
        raise ConfigError(f"{directory} is not empty: name a new directory.", path=directory)
    with tempfile.TemporaryDirectory(prefix="openastro-simulation-") as temporary:
        found = run(simulation, directory.resolve() if directory else Path(temporary))
    if as_json:
        console().print(json.dumps(asdict(found)), markup=False)
        return
    for line in lines(found):
        console().print(line, markup=False)
