"""Results that were reported before they could have been computed: times and speeds from the rows.

The rule is `validator.plausible`'s; here is what the database knows of a result's time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.orm import Session

from boinc_project.errors import OpenAstroError
from boinc_project.judge import Judge
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict, invalid
from server.models import Host
from server.services.fleet import UNMEASURED
from server.services.lifecycle import LoadedWorkunit
from validator.credit import COBBLESTONES_PER_FLOP
from validator.plausible import Pace, is_too_fast, least_seconds
from work_generator.reference import REFERENCE_FPOPS


def paces(session: Session, loaded: LoadedWorkunit) -> dict[int, Pace]:
    """Return how long each result to judge was away, and its host's speed."""
    found = {}
    for one in loaded.state.to_check:
        result = loaded.state.result(one)
        known = 0.0 < result.sent_time < result.received_time
        host = None if result.host is None else session.get(Host, result.host)
        measured = host is not None and host.p_fpops > 0.0 and host.p_fpops != UNMEASURED
        found[one] = Pace(
            elapsed=result.received_time - result.sent_time if known else None,
            speed=host.p_fpops / REFERENCE_FPOPS if host is not None and measured else None,
        )
    return found


def hasty(
    unit: Unit,
    outputs: Mapping[int, Path],
    found: Mapping[int, Pace],
    app: Judge,
    *,
    operations: float,
) -> dict[int, Verdict]:
    """Return the results that came too early, each with its verdict.

    Parameters
    ----------
    operations : float
        The unit's ``rsc_fpops_est``. Where its output counts less work than that, because an image
        covers a part of its window, that is what it must have taken time for.
    """
    verdicts = {}
    for one, pace in found.items():
        if one not in outputs or not app.length_is_known(unit):
            continue
        seconds = min(operations, _counted(unit, outputs[one], app)) / REFERENCE_FPOPS
        if is_too_fast(seconds, pace):
            elapsed, least = pace.elapsed or 0.0, least_seconds(seconds, pace.speed)
            verdicts[one] = invalid(
                f"It was reported {elapsed:.0f} seconds after it was sent; "
                f"a core as fast as this computer's needs {least:.0f} at least.",
                elapsed=elapsed,
                least=least,
            )
    return verdicts


def _counted(unit: Unit, output: Path, app: Judge) -> float:
    """Return the operations that an output counts; 0 if it cannot be read: its check says why."""
    try:
        return app.credit(unit, output) / COBBLESTONES_PER_FLOP
    except (OpenAstroError, OSError, ValueError, KeyError):
        return 0.0
