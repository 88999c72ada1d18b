"""Let events happen to campaigns: read the row, ask the machine, write what came of it.

This is the only place that changes the state of a campaign, and every change leaves an event.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy.orm import Session

from boinc_project.lifecycle.campaign import (
    CampaignEvent,
    CampaignLife,
    RecordCampaignEvent,
    handle,
)
from boinc_project.states import CampaignState
from server.models import CampaignRow, Event

COLUMNS = tuple(field.name for field in fields(CampaignLife) if field.name != "name")
"""Columns of a campaign's row that the machine owns; fields of its life have the same names."""


def life_of(row: CampaignRow) -> CampaignLife:
    """Return the life of a campaign's row."""
    columns = {name: getattr(row, name) for name in COLUMNS} | {"state": CampaignState(row.state)}
    return CampaignLife(name=row.name, **columns)


def columns_of(life: CampaignLife) -> dict[str, Any]:
    """Return the columns of a campaign's row that the machine owns."""
    return {name: getattr(life, name) for name in COLUMNS} | {"state": life.state.value}


def happen(session: Session, row: CampaignRow, event: CampaignEvent, *, actor: str) -> bool:
    """Let one event happen to a campaign; the caller owns the transaction, and locks the row.

    Parameters
    ----------
    session : Session
        The caller's transaction.
    row : CampaignRow
        The campaign, with an id.
    event : CampaignEvent
        What happens.
    actor : str
        Who does it, for the story.

    Returns
    -------
    bool
        Whether anything came of it.

    Raises
    ------
    StateError
        If the event is impossible; nothing is changed then.
    """
    before = life_of(row)
    after, effects = handle(before, event)
    for name, value in columns_of(after).items():
        if value != getattr(row, name):
            setattr(row, name, value)
    session.add_all(_story_row(row.id, effect, actor) for effect in effects)
    return bool(effects)


def _story_row(campaign_id: int, effect: RecordCampaignEvent, actor: str) -> Event:
    return Event(
        time=effect.time,
        actor=actor,
        kind=effect.kind.value,
        campaign_id=campaign_id,
        before=effect.before,
        after=effect.after,
        reason=effect.reason,
        data=dict(effect.detail) or None,
    )
