"""What a host alone computed that was found wrong since is opened again; the products are told.

Found wrong is a host that failed an audit, or one of whose results others refuted. A canonical
result that the server itself found wrong is withdrawn, too, however many hosts agreed on it.

The record of the host says that this is due (``reopen``), in the very transaction that wrote the
verdict; so a daemon killed in between finds it. Every workunit is opened in a transaction of its
own.
"""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from boinc_project.errors import TransientError
from boinc_project.lifecycle.withdrawal import Withdrawn
from server.models import CampaignRow, Event, HostAppVersion, Result, Workunit
from server.models.campaign import RUNNING
from server.project import Project
from server.services.lifecycle import LoadedWorkunit, apply, load
from server.services.newest_product import newest_product

Suspect = tuple[int, int]
"""A host and an app version."""

REASON = "The computer that computed it alone was found wrong since, so others compute it again"


def reopen_all(project: Project, *, actor: str) -> int:
    """Reopen what hosts alone computed that were found wrong; return how many workunits it was."""
    due = select(HostAppVersion.host_id, HostAppVersion.app_version_id).where(
        HostAppVersion.reopen.is_(True)
    )
    with project.database.read() as session:
        suspects = session.execute(due).all()
    return sum(reopen(project, (host, version), actor=actor) for host, version in suspects)


def reopen(project: Project, suspect: Suspect, *, actor: str) -> int:
    """Reopen what one host alone computed with one app version.

    Workunits that another process works on stay due, and so does the host's record then.
    """
    with project.database.read() as session:
        rows = session.execute(_alone(suspect)).all()
    opened, busy = 0, False
    over: dict[int, int] = {}
    for workunit_id, campaign_id, state in rows:
        if state not in RUNNING:
            over[campaign_id] = over.get(campaign_id, 0) + 1
            continue
        try:
            opened += _reopen_one(project, suspect, workunit_id, actor=actor)
        except TransientError:
            busy = True
    if not busy:
        with project.database.write() as session:
            record = session.get(HostAppVersion, suspect, with_for_update=True)
            if record is not None and record.reopen:
                record.reopen = False
                for campaign_id, count in sorted(over.items()):
                    session.add(_doubt(campaign_id, suspect, count, project.clock(), actor))
    return opened


def withdraw_wrong(
    session: Session, project: Project, loaded: LoadedWorkunit, why: str, *, actor: str
) -> bool:
    """Withdraw a workunit's canonical result, of which the server has computed a part otherwise.

    All results are judged anew then. A campaign that is over keeps its product, and is told.

    Parameters
    ----------
    session : Session
        The transaction of the verdict that found it.
    loaded : LoadedWorkunit
        The workunit, locked.
    why : str
        What is wrong, one sentence.
    actor : str
        For the story.

    Returns
    -------
    bool
        Whether it was withdrawn: not if files that are needed for another verdict are going.
    """
    canonical = loaded.state.canonical
    if canonical is None:
        return False
    campaign = session.get_one(CampaignRow, loaded.row.campaign_id)
    row = loaded.results[canonical]
    if campaign.state not in RUNNING:
        session.add(
            Event(
                time=project.clock(),
                actor=actor,
                kind="product_doubted",
                campaign_id=campaign.id,
                hostid=row.hostid,
                reason=f"A canonical result of this campaign is wrong: {why} The campaign is over, "
                "so it is not computed again.",
                data={"units": 1},
            )
        )
        return False
    return _withdraw(session, project, loaded, None, why, actor=actor)


def _alone(suspect: Suspect) -> Select[int, int, str]:
    host, version = suspect
    return (
        select(Workunit.id, Workunit.campaign_id, CampaignRow.state)
        .join(Result, Result.id == Workunit.canonical_resultid)
        .join(CampaignRow, CampaignRow.id == Workunit.campaign_id)
        .where(Result.hostid == host, Result.app_version_id == version, Workunit.min_quorum == 1)
        .order_by(Workunit.id)
    )


def _reopen_one(project: Project, suspect: Suspect, workunit_id: int, *, actor: str) -> bool:
    with project.database.write() as session:
        loaded = load(session, project.database, workunit_id)
        if loaded is None or loaded.state.canonical is None:
            return False
        return _withdraw(session, project, loaded, suspect[0], REASON, actor=actor)


def _withdraw(
    session: Session,
    project: Project,
    loaded: LoadedWorkunit,
    host: int | None,
    reason: str,
    *,
    actor: str,
) -> bool:
    """Withdraw a canonical result, see `Withdrawn`, and count it in the newest product.

    A product with such outputs is no ground to end a campaign on.
    """
    assert loaded.state.canonical is not None
    row = loaded.results[loaded.state.canonical]
    event = Withdrawn(project.clock(), host, granted=row.received_time or 0.0, reason=reason)
    effects = apply(
        session, project.database, loaded, event, actor=actor, settings=project.settings
    )
    product = newest_product(session, loaded.row.campaign_id, to_change=True) if effects else None
    if product is not None:
        product.doubted += 1
    return bool(effects)


def _doubt(campaign_id: int, suspect: Suspect, count: int, now: float, actor: str) -> Event:
    """Return the note on a campaign that is over: its product is published as it is."""
    words = "1 unit" if count == 1 else f"{count} units"
    return Event(
        time=now,
        actor=actor,
        kind="product_doubted",
        campaign_id=campaign_id,
        hostid=suspect[0],
        reason=f"{words} of this campaign's product were computed by one computer alone that "
        "was found wrong since. The campaign is over, so they are not computed again.",
        data={"units": count, "app_version": suspect[1]},
    )
