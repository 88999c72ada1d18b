"""What the validator daemon needs of the database and the files: a case, and its verdict's row."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from boinc_project.errors import OutputError, UnitError
from boinc_project.judge import Judge
from boinc_project.lifecycle.decision import ValidationDone
from boinc_project.lifecycle.host_record import HostRecord
from boinc_project.lifecycle.trust import (
    audit_rate,
    confirmed_audit_rate,
    is_proven,
)
from boinc_project.settings import TrustSection
from boinc_project.states import ValidateState
from boinc_project.unit import UNIT_FILE, Unit, parse_unit
from boinc_project.verdict import Verdict
from server.models import Event, HostAppVersion, Workunit
from server.project import Project
from server.services.effects import record_of
from server.services.lifecycle import LoadedWorkunit, read
from server.services.pace import hasty, paces
from validator.audited import decide_audited
from validator.credit import cobblestones
from validator.plausible import Pace
from validator.quorum import Decision
from validator.segments import AUDIT_SHARE
from work_generator.reference import REFERENCE_FPOPS

MISSING_GRACE = 3600.0
"""Seconds after a report during which a missing output may still turn up (a file server that lags,
a restore that is under way). Later the result is invalid: an upload is acknowledged only once it is
stored, so its loss is final."""

PATIENCE = 3600.0
"""Seconds that results which confirm each other wait for the validator before it looks at most of
them without an audit. So a validator that cannot keep up with its audits makes fewer, and nobody
waits longer than that for credit because of them."""


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
        Results that must agree, as the workunit's row has it.
    confirm : bool
        Whether a second result is wanted whatever that says: the host that was to compute it alone
        has lost its record meanwhile.
    audit_rates : Mapping[int, float]
        With which probability each new result is audited, if nobody else is to confirm it.
    common_rate : float
        With which probability they all are, if they are to confirm each other.
    audit_budget : float
        CPU seconds for an audit.
    credit_cap : float
        Most cobblestones of a valid result.
    paces : Mapping[int, Pace]
        How long each result to judge was away.
    operations : float
        Estimated operations of the unit.
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
    confirm: bool = False
    audit_rates: Mapping[int, float] = field(default_factory=dict)
    common_rate: float = 0.0
    audit_budget: float = 0.0
    credit_cap: float = math.inf
    paces: Mapping[int, Pace] = field(default_factory=dict)
    operations: float = 0.0


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
    records = _records(session, loaded)
    trust = project.settings.trust
    single = loaded.state.limits.min_quorum == 1
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
        confirm=_alone(loaded) and not all(is_proven(one) for one in records.values()),
        audit_rates={
            one: audit_rate(record, floor=trust.audit_floor)
            for one, record in records.items()
            if single
        },
        common_rate=0.0 if single else _common_rate(trust, loaded, records, now),
        audit_budget=audit_budget(loaded.row),
        credit_cap=project.settings.trust.max_credit_factor
        * cobblestones(loaded.row.rsc_fpops_est),
        paces=paces(session, loaded),
        operations=loaded.row.rsc_fpops_est,
    )


def audit_budget(row: Workunit) -> float:
    """Return the CPU seconds that an audit of one of a workunit's outputs may take.

    With half of the units audited, a server core keeps up with 100 cores of volunteers that compute
    alone, with 200 if two compute every unit.
    """
    return AUDIT_SHARE * row.rsc_fpops_est / REFERENCE_FPOPS


def _alone(loaded: LoadedWorkunit) -> bool:
    """Whether a host was to compute the workunit alone on the strength of its record."""
    limits = loaded.state.limits
    return loaded.state.canonical is None and limits.min_quorum < limits.full_quorum


def _records(session: Session, loaded: LoadedWorkunit) -> dict[int, HostRecord]:
    """Return the records of the hosts whose results are to be judged, by instance."""
    records = {}
    for instance in loaded.state.to_check:
        row = loaded.results[instance]
        key = (row.hostid, row.app_version_id)
        kept = None if row.app_version_id is None else session.get(HostAppVersion, key)
        records[instance] = HostRecord() if kept is None else record_of(kept)
    return records


def _common_rate(
    trust: TrustSection, loaded: LoadedWorkunit, records: Mapping[int, HostRecord], now: float
) -> float:
    """Return how often results are audited that are to confirm each other."""
    waited = now - max((loaded.state.result(one).received_time for one in records), default=now)
    # What comes after a canonical result changes nothing, unless it contradicts that.
    is_late = loaded.state.canonical is not None
    spared = trust.quorum_audit_rate if is_late or waited > PATIENCE else None
    return confirmed_audit_rate(records.values(), floor=trust.audit_floor, spared=spared)


@dataclass(frozen=True, slots=True)
class Draw:
    """Which results are audited.

    Attributes
    ----------
    seed : int
        Of every audit of the workunit's outputs: those of the same bytes share one.
    drawn : frozenset[int]
        Those that are audited in any case.
    """

    seed: int
    drawn: frozenset[int]


def draw_audits(case: Case, app: Judge, secret: Callable[[], int]) -> Draw:
    """Draw the results to audit, and the audits' seed.

    Both are drawn after the upload, from bits that nobody outside knows.
    """
    seed = secret()
    if app.audit is None:
        return Draw(seed, frozenset())
    common = secret() < case.common_rate * 2.0**128
    drawn = {
        one
        for one in case.outputs
        if one != case.canonical
        and (common or secret() < case.audit_rates.get(one, 0.0) * 2.0**128)
    }
    return Draw(seed, frozenset(drawn))


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


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the validator says of a case.

    Attributes
    ----------
    decision : Decision
        About every output.
    audits : Mapping[int, Verdict]
        What the audits said.
    draw : Draw
        What they were drawn with.
    credit : float
        Cobblestones of a valid result.
    counted : float
        The same before the cap.
    """

    decision: Decision
    audits: Mapping[int, Verdict]
    draw: Draw
    credit: float = 0.0
    counted: float = 0.0


def judge(case: Case, app: Judge, draw: Draw) -> Judgement:
    """Audit, check and compare the outputs of a case; takes seconds.

    What came sooner than it can have been computed is out before anything else, and takes no part.
    """
    early = hasty(case.unit, case.outputs, case.paces, app, operations=case.operations)
    found = decide_audited(
        case.unit,
        {one: path for one, path in case.outputs.items() if one not in early},
        min_quorum=max(case.min_quorum, 2) if case.confirm else case.min_quorum,
        app=app,
        inputs=case.inputs,
        canonical=case.canonical,
        seed=draw.seed,
        drawn=draw.drawn - early.keys(),
        budget=case.audit_budget,
    )
    found = replace(found, decision=_without(found.decision, early))
    # Nobody is given credit as long as no output is canonical.
    if found.decision.canonical is None:
        return Judgement(found.decision, found.audits, draw)
    counted = app.credit(case.unit, case.outputs[found.decision.canonical])
    # The operations of some apps are counted in the output: no claim is worth more than the cap.
    credit = min(max(counted, 0.0), case.credit_cap)
    return Judgement(found.decision, found.audits, draw, credit, counted)


def _without(decision: Decision, early: Mapping[int, Verdict]) -> Decision:
    """Return the decision, and that some results came too early to be true."""
    return replace(
        decision,
        states={**decision.states, **dict.fromkeys(early, ValidateState.INVALID)},
        reasons={**decision.reasons, **{one: verdict.reason for one, verdict in early.items()}},
        failed=decision.failed | early.keys(),
        checks={**decision.checks, **early},
    )


def validation_done(case: Case, judgement: Judgement, now: float) -> ValidationDone:
    """Return the event that tells the life cycle of a decision."""
    lost = "The output file is not there any more."
    decision, audits = judgement.decision, judgement.audits
    return ValidationDone(
        now=now,
        states={**decision.states, **dict.fromkeys(case.missing, ValidateState.INVALID)},
        canonical=decision.canonical,
        credit=judgement.credit,
        failed=decision.failed | case.missing,
        audits={
            one: verdict.is_valid
            for one, verdict in audits.items()
            if one in decision.states and (verdict.is_valid or verdict.is_invalid)
        }
        # A part of them was computed again, too, and is another.
        | dict.fromkeys(decision.states.keys() & decision.settled.refuted.keys(), False),
        replicate=case.confirm or any(not one.is_valid for one in audits.values()),
        reasons={**decision.reasons, **dict.fromkeys(case.missing, lost)},
        confirmed=_believed(decision) & decision.settled.confirmed.keys(),
    )


def _believed(decision: Decision) -> frozenset[int]:
    return frozenset(one for one, state in decision.states.items() if state is ValidateState.VALID)


def evidence(case: Case, judgement: Judgement, loaded: LoadedWorkunit, now: float) -> Event:
    """Return the row that keeps the numbers behind a decision, for the product's provenance."""
    names = {one: loaded.results[one].name for one in case.outputs}
    decision = judgement.decision
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
            "settled": [
                {"results": [names[a], names[b]], "verdicts": [_plain(one) for one in verdicts]}
                for (a, b), verdicts in decision.settled.pairs.items()
            ],
            "audits": {
                names[one]: {"seed": f"{judgement.draw.seed:032x}", **_plain(verdict)}
                for one, verdict in judgement.audits.items()
            },
            "credit_counted": judgement.counted,
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
