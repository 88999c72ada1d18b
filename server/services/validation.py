"""What the validator daemon needs of the database and the files: a case, and its verdict's row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from boinc_project.errors import OutputError, UnitError
from boinc_project.lifecycle.workunit import ValidationDone
from boinc_project.states import ValidateState
from boinc_project.unit import UNIT_FILE, Unit, parse_unit
from server.models import Event, Workunit
from server.project import Project
from server.services.lifecycle import LoadedWorkunit, read
from validator import registry
from validator.quorum import Decision, decide
from validator.verdict import Verdict

MISSING_GRACE = 3600.0
"""Seconds after a report during which a missing output may still turn up (a file server that lags,
a restore that is under way). Later the result is invalid: an upload is acknowledged only once it is
stored, so its loss is final."""


@dataclass(frozen=True, slots=True)
class Case:
    """A workunit whose successes are to be judged.

    Attributes
    ----------
    workunit, campaign : int
        Numbers of rows.
    unit : Unit
        What was asked for.
    inputs : Mapping[str, Path]
        The unit's other input files, by logical name.
    outputs : Mapping[int, Path]
        Output files that are there, by instance: those to judge, and the canonical one.
    missing : frozenset[int]
        Instances to judge whose output is not there, and will not come any more.
    wait_until : float
        Epoch seconds until which an output that is not there may still come; 0 if there is none.
    canonical : int | None
        Instance of the canonical result found before.
    min_quorum : int
        Results that must agree.
    """

    workunit: int
    campaign: int
    unit: Unit
    inputs: Mapping[str, Path]
    outputs: Mapping[int, Path]
    missing: frozenset[int]
    wait_until: float
    canonical: int | None
    min_quorum: int


def gather(session: Session, project: Project, workunit_id: int) -> Case | None:
    """Return the case of a workunit; None if there is nothing to judge.

    Raises
    ------
    UnitError
        If its input files are not what they were when it was issued.
    OutputError
        If the output of its canonical result is not there.
    """
    loaded = read(session, workunit_id)
    if loaded is None or not loaded.state.need_validate or not loaded.state.to_check:
        return None
    unit, inputs = unit_of(project, loaded.row)
    to_check, canonical = loaded.state.to_check, loaded.state.canonical
    paths = {
        one: project.uploads.path(loaded.results[one].output_name)
        for one in to_check | ({canonical} if canonical is not None else set())
    }
    absent = {one for one, path in paths.items() if not path.is_file()}
    if canonical in absent:
        raise OutputError("The canonical output is not there.", workunit=workunit_id)
    until = {one: loaded.state.result(one).received_time + MISSING_GRACE for one in absent}
    now = project.clock()
    return Case(
        workunit=workunit_id,
        campaign=loaded.row.campaign_id,
        unit=unit,
        inputs=inputs,
        outputs={one: path for one, path in paths.items() if one not in absent},
        missing=frozenset(one for one in absent if until[one] <= now),
        wait_until=min((time for time in until.values() if time > now), default=0.0),
        canonical=canonical,
        min_quorum=loaded.state.limits.min_quorum,
    )


def unit_of(project: Project, row: Workunit) -> tuple[Unit, dict[str, Path]]:
    """Return a workunit's unit, and where its other input files are.

    Raises
    ------
    UnitError
        If the unit's file is missing, or is not the one that was issued.
    """
    paths = {file.open_name: project.downloads.path(file.name) for file in row.files}
    try:
        unit = parse_unit(paths.pop(UNIT_FILE).read_bytes())
    except (KeyError, OSError) as error:
        raise UnitError(f"The unit of workunit {row.name} cannot be read: {error}.") from error
    if unit.digest != row.unit_digest:
        raise UnitError(f"The unit of workunit {row.name} is not the one that was issued.")
    return unit, paths


def judge(case: Case) -> tuple[Decision, float]:
    """Return the quorum's decision, and the credit of a valid result in cobblestones."""
    app = registry.get(case.unit.app)
    decision = decide(
        case.unit,
        case.outputs,
        min_quorum=case.min_quorum,
        app=app,
        inputs=case.inputs,
        canonical=case.canonical,
    )
    # Nobody is given credit as long as no output is canonical.
    if decision.canonical is None:
        return decision, 0.0
    return decision, app.credit(case.unit, case.outputs[decision.canonical])


def validation_done(case: Case, decision: Decision, credit: float, now: float) -> ValidationDone:
    """Return the event that tells the life cycle of a decision."""
    lost = "The output file is not there any more."
    return ValidationDone(
        now=now,
        states={**decision.states, **dict.fromkeys(case.missing, ValidateState.INVALID)},
        canonical=decision.canonical,
        credit=credit,
        failed=decision.failed | case.missing,
        reasons={**decision.reasons, **dict.fromkeys(case.missing, lost)},
    )


def evidence(case: Case, decision: Decision, loaded: LoadedWorkunit, now: float) -> Event:
    """Return the row that keeps the numbers behind a decision, for the product's provenance."""
    names = {one: loaded.results[one].name for one in case.outputs}
    return Event(
        time=now,
        actor="validator",
        kind="evidence",
        campaign_id=case.campaign,
        workunitid=case.workunit,
        reason=f"The validator looked at {len(decision.checks)} results.",
        data={
            "checks": {names[one]: _plain(verdict) for one, verdict in decision.checks.items()},
            "comparisons": [
                {"results": [names[a], names[b]], **_plain(verdict)}
                for (a, b), verdict in decision.comparisons.items()
            ],
        },
    )


def due(session: Session, project: Project) -> list[int]:
    """Return the workunits whose results are to be judged now, the longest waiting first."""
    chosen = (
        select(Workunit.id)
        .where(Workunit.need_validate, Workunit.validate_after <= project.clock())
        .order_by(Workunit.validate_after, Workunit.id)
        .limit(project.settings.daemons.batch)
    )
    return list(session.scalars(chosen))


def _plain(verdict: Verdict) -> dict[str, Any]:
    numbers = {
        name: value if math.isfinite(value) else None for name, value in verdict.statistics.items()
    }
    return {"verdict": verdict.kind.value, "reason": verdict.reason, "statistics": numbers}
