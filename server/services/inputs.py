"""Input files that several workunits share: who needs them, and a guard around both ends.

Inputs are stored under the digest of their bytes, so two workunits, even of two campaigns, may name
the same file. It may go only when no workunit needs it any more.
"""

from __future__ import annotations

from sqlalchemy import select, text
from sqlalchemy.orm import Session, aliased

from boinc_project.states import FileDeleteState
from server.db import Database
from server.models import Workunit, WorkunitFile

_GUARD = 0x0A57_F11E
"""Key of the advisory lock; any constant that nobody else uses."""


def guard_inputs(session: Session, database: Database) -> None:
    """Be the only transaction that adds or deletes inputs, until its end.

    Who issues workunits calls this before storing their files: a file that is there already could
    otherwise be deleted before the rows that need it can be seen. On SQLite the one write
    transaction is that guard already.
    """
    if not database.is_sqlite:
        session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _GUARD})


def unneeded_inputs(session: Session, workunit_id: int) -> list[str]:
    """Return the physical names of a workunit's inputs that no other workunit needs.

    Another one needs a file unless its own inputs are to be deleted, too: it then asks the same
    question, and the last of them finds the file gone already or deletes it.
    """
    own, other = aliased(WorkunitFile), aliased(WorkunitFile)
    gone = (FileDeleteState.READY, FileDeleteState.DONE, FileDeleteState.ERROR)
    needed_elsewhere = (
        select(other.id)
        .join(Workunit, Workunit.id == other.workunitid)
        .where(
            other.name == own.name,
            other.workunitid != workunit_id,
            Workunit.file_delete_state.not_in(gone),
        )
        .exists()
    )
    names = select(own.name).where(own.workunitid == workunit_id, ~needed_elsewhere)
    return sorted(set(session.scalars(names)))
