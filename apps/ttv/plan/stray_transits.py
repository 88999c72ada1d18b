"""Single transits that lie far from their neighbours: a digit mistyped, or a bad light curve."""

from __future__ import annotations

import numpy as np

from apps.ttv.compute.search.table_checks import different
from apps.ttv.compute.table import PlanetTransits

# Fewer transits have no typical distance from their neighbours.
_FEWEST = 8
# Typical distances, and standard errors, beyond which a transit is told. Perturbations move
# transits together; of 1000 with the wide tails of a Student distribution of 4 degrees of freedom
# the farthest is at 9.
_STRAY = 15.0
# At most so many are named.
_MOST = 3


def remark_on_stray(transits: PlanetTransits) -> str | None:
    """Say which transits lie far from the middle between their neighbours.

    Parameters
    ----------
    transits : PlanetTransits
        Of one planet.
    """
    epochs, times = different(transits)
    line = transits.linear_ephemeris()
    if line is None or len(epochs) < _FEWEST:
        return None
    late = times - line[0] - line[1] * epochs
    before, after = np.diff(epochs)[:-1], np.diff(epochs)[1:]
    middle = late[:-2] + before / (before + after) * (late[2:] - late[:-2])
    off = np.abs(late[1:-1] - middle)
    # A smooth curve leaves its chord by its curvature times both distances from the ends.
    bend = float(np.median(off / (before * after))) * before * after
    sizes = 1.4826 * bend + float(np.median(transits.sigmas))
    stray = [place for place in np.argsort(-off).tolist() if off[place] > _STRAY * sizes[place]]
    # A stray one makes its neighbours look stray by half of its distance.
    kept: list[int] = []
    for place in stray:
        near = any(abs(place - other) == 1 and off[place] < 0.75 * off[other] for other in kept)
        if not near:
            kept.append(place)
    if not kept:
        return None
    named = ", ".join(f"{epochs[place + 1]} ({off[place]:.2g} days)" for place in kept[:_MOST])
    more = f" and {len(kept) - _MOST} more" if len(kept) > _MOST else ""
    return (
        f"Transits of {transits.planet} lie far from the middle between their neighbours: "
        f"{named}{more}. Correct or leave out what is mistyped; noise of the kind student_t bears "
        "the rest."
    )
