"""The story of a workunit for everybody: computers are letters in it, not numbers.

Which computer belongs to whom is its owner's business. The letters are given in the order of
appearance, so that the story can still be followed.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from datetime import datetime

from boinc_project.errors import InputError
from server.db import Database
from server.services.moment import moment
from server.services.story import Story, StoryLine, story


@dataclass(frozen=True, slots=True)
class PublicLine:
    """One thing that happened."""

    time: datetime
    kind: str
    actor: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PublicStory:
    """A workunit, the campaign it belongs to, its state in words, and its lines."""

    workunit: str
    campaign: str
    state: str
    lines: tuple[PublicLine, ...]


def public_story(database: Database, workunit: str) -> PublicStory | None:
    """Return the story of the workunit of this name, or None if there is none."""
    with database.read() as session:
        try:
            found = story(session, workunit)
        except InputError:
            return None
    return hide_computers(found)


def hide_computers(found: Story) -> PublicStory:
    """Replace each computer's number by a letter."""
    letters: dict[str, str] = {}
    return PublicStory(
        workunit=found.workunit,
        campaign=found.campaign,
        state=found.state,
        lines=tuple(_hide(line, letters) for line in found.lines),
    )


def _hide(line: StoryLine, letters: dict[str, str]) -> PublicLine:
    def letter(match: re.Match[str]) -> str:
        name = letters.setdefault(match[2], _letter(len(letters)))
        return f"{match[1]} {name}"

    return PublicLine(
        time=moment(line.time),
        kind=line.kind,
        actor=line.actor,
        sentence=re.sub(r"(\b(?:[Cc]omputer|[Hh]ost)) (\d+)\b", letter, line.sentence),
    )


def _letter(index: int) -> str:
    rounds, place = divmod(index, len(string.ascii_uppercase))
    return string.ascii_uppercase[place] + (str(rounds + 1) if rounds else "")
