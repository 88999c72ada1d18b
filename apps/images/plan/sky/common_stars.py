"""Frames measured against the stars of one of them, and against those that frames add to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from apps.images.plan.sky.header_consensus import consensus
from apps.images.plan.sky.refined import Refined, Seen, is_lost
from apps.images.plan.sky.star_places import Places, compare

_MOST_TRIED = 3
"""Frames that are tried as the reference, where most others cannot be matched with the first."""
_MOST_KEPT = 5_000
"""Places that are kept for images that join the campaign."""


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """Frames that were brought together.

    Attributes
    ----------
    refined : dict[str, Refined]
        What was measured of each, the reference first.
    known : Places
        Where stars are, by the reference and by frames that reach further.
    reference : str
        Name of the reference.
    """

    refined: dict[str, Refined]
    known: Places
    reference: str


def against(seen: Mapping[str, Seen], known: Places, pixel: float) -> dict[str, Refined]:
    """Measure frames against known places of stars; `pixel` as in `compare`."""
    return {
        key: Refined(*compare(frame.stars, frame.solution, known, pixel))
        for key, frame in seen.items()
    }


def among(seen: Mapping[str, Seen], pixel: float, catalogue: Places | None) -> Common:
    """Measure frames against the stars of one of them.

    Parameters
    ----------
    seen : Mapping[str, Seen]
        The frames, by keys of any kind.
    pixel : float
        Side of a pixel of the grid, arcseconds.
    catalogue : Places or None
        Stars that the reference is measured against; None: it is where most headers put it, or
        where it says if its header is the grid's.
    """
    reference, refined = _reference(seen, pixel)
    first = seen[reference]
    others = {key: frame for key, frame in seen.items() if key != reference}
    if catalogue is not None:
        measured, n_known = compare(first.stars, first.solution, catalogue, pixel)
        own = Refined(measured, n_known, is_reference=True)
    else:
        own = Refined(None, None, is_reference=True)
        if not first.is_grid:
            pairs = ((seen[key], its) for key, its in refined.items())
            own = replace(own, moved=consensus(first, pairs, pixel))
    known = Places.of(first.stars, own.solution(first.solution))
    if own.displacement is not None:
        refined = against(others, known, pixel)
    refined, known = _further(others, refined, known, pixel)
    return Common({reference: own, **refined}, known.first(_MOST_KEPT), first.name)


def _reference(seen: Mapping[str, Seen], pixel: float) -> tuple[str, dict[str, Refined]]:
    """Return the frame whose stars tell places best, and the others measured against them.

    A frame with which hardly any other can be matched is wrong itself: the next one is tried.
    """
    order = sorted(seen, key=lambda key: (not seen[key].is_grid, -seen[key].worth))
    trials = []
    for place, key in enumerate(order[:_MOST_TRIED]):
        frame = seen[key]
        others = {other: its for other, its in seen.items() if other != key}
        refined = against(others, Places.of(frame.stars, frame.solution), pixel)
        matched = sum(its.measured is not None for its in refined.values())
        lost = sum(is_lost(seen[other], its) for other, its in refined.items())
        trials.append((-matched, place, key, refined))
        if matched >= lost:
            break
    _, _, key, refined = min(trials, key=lambda trial: trial[:2])
    return key, refined


def _further(
    seen: Mapping[str, Seen], refined: dict[str, Refined], known: Places, pixel: float
) -> tuple[dict[str, Refined], Places]:
    """Measure frames that do not reach the reference against those that do, outwards from it."""
    inside: set[str] = set()
    while True:
        new = [key for key in refined if refined[key].measured is not None and key not in inside]
        waiting = {key: seen[key] for key in refined if refined[key].measured is None}
        if not new or not waiting:
            break
        inside.update(new)
        for key in new:
            frame = seen[key]
            known = known.with_more(frame.stars, refined[key].solution(frame.solution))
        refined = {**refined, **against(waiting, known, pixel)}
    return refined, known
