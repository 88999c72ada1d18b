"""The books of credit: what results say hosts and users have earned, beside what is written there.

Totals are kept as running sums, because every scheduler reply shows them. They can be told again at
any time from the results: each VALID result says what it was granted, and no other result says
anything. Averages depend on when grants were made and are not told again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from boinc_project.states import ValidateState
from server.models import Host, Result, User, Workunit
from server.project import Project

TOLERANCE = 1e-6
"""Relative: a sum of a million grants in another order is off by less."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A total that is not the sum of its results."""

    kind: str
    """``host`` or ``user``."""
    id: int
    written: float
    counted: float


@dataclass(frozen=True, slots=True)
class Books:
    """What a check found.

    Attributes
    ----------
    results : int
        Results with credit.
    credit : float
        Their cobblestones.
    differences : tuple[Difference, ...]
        Totals of hosts and users that are off.
    unlike : tuple[str, ...]
        Workunits whose valid results have not all the workunit's credit, or whose other results
        have any.
    """

    results: int
    credit: float
    differences: tuple[Difference, ...]
    unlike: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether all agrees."""
        return not (self.differences or self.unlike)


def check(session: Session) -> Books:
    """Compare all totals with the results they come from."""
    results, credit = session.execute(
        select(func.count(), func.coalesce(func.sum(Result.granted_credit), 0.0)).where(
            Result.granted_credit > 0
        )
    ).one()
    differences = [
        *_differences(session, "host", Host, Result.hostid),
        *_differences(session, "user", User, Result.userid),
    ]
    unlike = session.scalars(
        select(Workunit.name)
        .join(Result, Result.workunitid == Workunit.id)
        .where(
            or_(
                (Result.validate_state == ValidateState.VALID)
                & (Result.granted_credit != Workunit.canonical_credit),
                (Result.validate_state != ValidateState.VALID) & (Result.granted_credit != 0),
            )
        )
        .distinct()
        .order_by(Workunit.name)
    ).all()
    return Books(results, float(credit), tuple(differences), tuple(unlike))


def mend(project: Project) -> Books:
    """Write the sums of the results into all totals that are off; return what was off."""
    with project.database.write() as session:
        found = check(session)
        for one in found.differences:
            table = Host if one.kind == "host" else User
            session.execute(
                update(table).where(table.id == one.id).values(total_credit=one.counted)
            )
    return found


def _differences(
    session: Session,
    kind: str,
    table: type[Host] | type[User],
    owner: InstrumentedAttribute[int | None],
) -> Iterator[Difference]:
    sums = (
        select(owner.label("id"), func.sum(Result.granted_credit).label("credit"))
        .where(Result.granted_credit > 0)
        .group_by(owner)
        .subquery()
    )
    rows = session.execute(
        select(table.id, table.total_credit, func.coalesce(sums.c.credit, 0.0))
        .outerjoin(sums, sums.c.id == table.id)
        .order_by(table.id)
    )
    for number, written, counted in rows:
        if abs(written - counted) > TOLERANCE * max(1.0, counted):
            yield Difference(kind, number, float(written), float(counted))
