"""What an issued campaign gets in addition."""

from __future__ import annotations

from dataclasses import dataclass

from boinc_project.campaign import Campaign
from boinc_project.unit import Unit


@dataclass(frozen=True, slots=True)
class Extension:
    """A campaign with more in it than was issued.

    Attributes
    ----------
    campaign : Campaign
        The whole of it, prepared; the campaign as it was if there is nothing new.
    units : tuple[Unit, ...]
        Those to issue. They go on with the generation and the numbers of the others.
    added : tuple[str, ...]
        What is new in it, by name.
    known : int
        How much of the file is in the campaign already.
    unnamed : tuple[str, ...]
        What the campaign has and the file does not name; it stays.
    """

    campaign: Campaign
    units: tuple[Unit, ...]
    added: tuple[str, ...]
    known: int
    unnamed: tuple[str, ...]
