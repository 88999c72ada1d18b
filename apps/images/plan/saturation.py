"""From which counts on the pixels of a frame are saturated: stated, in its header, or seen."""

from __future__ import annotations

import numpy as np

from apps.images.plan.pack import Frame
from apps.images.plan.sky.plateau import find_plateau

MOST = 0.01
"""Share of the pixels that may be saturated by a header's word. A level in other units than the
pixels would else leave nothing of a frame."""
BELOW = 0.98
"""Of a stated level, since the top of a frame that was divided by a flat differs by that."""


def saturation_of(
    frame: Frame, stated: float | None, *, by_keyword: bool
) -> tuple[float | None, tuple[str, ...]]:
    """Return the level from which pixels are saturated, and remarks about it.

    Parameters
    ----------
    frame : Frame
        Before it is calibrated.
    stated : float or None
        What the campaign's file states.
    by_keyword : bool
        Whether it states the keyword, not the number.

    Returns
    -------
    level : float or None
        The number that is stated, whatever the pixels say. Else the lower one of the header's and
        of that at which the pixels stop; None if there is no sign of either.
    remarks : tuple[str, ...]
        Sentences about what nobody has stated.
    """
    counts = np.asarray(frame.sample().take(frame.rows()), np.float32)
    plateau = find_plateau(counts)
    if plateau is not None and (stated is None or plateau < BELOW * stated):
        if stated is not None and not by_keyword:
            return stated, (
                f"Its pixels stop at {plateau:g}, below the stated saturation of {stated:g}.",
            )
        return plateau, (
            f"Its pixels stop at {plateau:g}, which nobody has stated: from there on they are "
            "taken as saturated. A number for saturation in [images] has it otherwise.",
        )
    if stated is None:
        return _of_header(frame, counts)
    return stated, ()


def _of_header(frame: Frame, counts: np.ndarray) -> tuple[float | None, tuple[str, ...]]:
    """Return the header's level, if some pixels reach it."""
    level = frame.image.positive("SATURATE", "SATLEVEL")
    if level is None:
        return None, ()
    with np.errstate(invalid="ignore"):
        n_above = int((counts >= level).sum())
    if not n_above:
        return None, ()
    if n_above > MOST * np.isfinite(counts).sum():
        return None, (f"Most of it is above the saturation of its header, {level:g}: not used.",)
    return level, (f"Pixels from {level:g} on are taken as saturated, as its header says.",)
