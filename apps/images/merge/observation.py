"""What is known of the exposures in a stack, and what that makes of the stack itself."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_RATE = re.compile(r"(/\s*(s|sec|second)|\bs\s*(\^|\*\*)?\s*-\s*1)\b", re.IGNORECASE)
"""A unit of something in each second."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One exposure as its header tells it; `apps.images.plan.sky.observation` reads it.

    Attributes
    ----------
    begin, end : float or None
        UTC, modified Julian dates.
    object, telescope, instrument, filter, unit : str
        Empty if not known; `unit` is that of a pixel.
    gain : float or None
        Electrons of one `unit`.
    saturation : float or None
        Value of an input pixel from which it is saturated, in `unit`.
    area : float
        Area of a pixel of the grid, in pixels of the input.
    """

    begin: float | None = None
    end: float | None = None
    object: str = ""
    telescope: str = ""
    instrument: str = ""
    filter: str = ""
    unit: str = ""
    gain: float | None = None
    saturation: float | None = None
    area: float = 1.0

    @classmethod
    def of_frame(cls, asked: Mapping[str, Any], known: Mapping[str, Any]) -> Observation:
        """Return it from a frame's entries in its unit, and in the campaign's list of frames.

        What the campaign states of gain and saturation comes before the header's; it knows the
        gain of a map of variances, too.
        """
        told = known.get("exposed") or {}
        camera = known.get("gain")
        saturation = asked.get("saturation")
        return cls(
            begin=told.get("begin"),
            end=told.get("end"),
            object=str(told.get("object") or ""),
            telescope=str(told.get("telescope") or ""),
            instrument=str(told.get("instrument") or ""),
            filter=str(asked.get("filter") or ""),
            unit=str(told.get("unit") or ""),
            gain=told.get("gain") if camera is None else float(camera),
            saturation=told.get("saturation") if saturation is None else float(saturation),
            area=float(known.get("area") or 1.0),
        )


class Exposed(Protocol):
    """A frame of a stack with its exposure, as `apps.images.merge.coadd.frames.Source` is."""

    @property
    def exposure(self) -> float:
        """Seconds; 0 if it is not known."""

    @property
    def observation(self) -> Observation:
        """What its header says."""


@dataclass(frozen=True, slots=True)
class StackObservation:
    """What is known of a stack as an exposure; None and empty texts: not known.

    Attributes
    ----------
    begin, end : float or None
        UTC of the first beginning and the last end, modified Julian dates.
    middle : float or None
        Mean of the exposures' middles by their weights in the stack: the time at which a source
        that changes steadily had the flux that is in the image.
    object, telescope, instrument, filter : str
        Of all frames, joined by ``+`` where they differ.
    unit : str
        Of a pixel: the reference's.
    exposure : float or None
        Effective exposure time, seconds: a flux of the image over it is a rate. Fluxes are those of
        the reference, so it is the reference's; where the unit is a rate, it is the sum.
    total_exposure : float
        Sum over all frames, seconds.
    gain : float or None
        Effective gain; see `effective_gain`.
    saturation : float or None
        Value from which a pixel may rest on a saturated one, in `unit`.
    """

    begin: float | None
    end: float | None
    middle: float | None
    object: str
    telescope: str
    instrument: str
    filter: str
    unit: str
    exposure: float | None
    total_exposure: float
    gain: float | None
    saturation: float | None


def observe(
    sources: Sequence[Exposed],
    weight: Doubles,
    scale: Doubles,
    reference: int,
    *,
    conserves_flux: bool,
) -> StackObservation:
    """Return what is known of a stack.

    Parameters
    ----------
    sources : sequence of Exposed
        Its frames, at least one.
    weight, scale : ndarray
        float64 (n_frame): their weights, and the factors that brought their fluxes to those of the
        reference.
    reference : int
        Whose fluxes the stack has.
    conserves_flux : bool
        Whether pixels of the grid hold fluxes; else they hold surface brightness.
    """
    seen = [source.observation for source in sources]
    known = [place for place, item in enumerate(seen) if item.begin is not None]
    begins = [seen[place].begin or 0.0 for place in known]
    ends = [seen[place].end or seen[place].begin or 0.0 for place in known]
    middle = None
    if len(known) == len(seen):  # the mean of some would be no one's time
        middle = float(np.average((np.array(begins) + np.array(ends)) / 2, weights=weight))
    total = math.fsum(source.exposure for source in sources)
    unit = seen[reference].unit
    exposure = total if _RATE.search(unit) else sources[reference].exposure
    factor = np.array([item.area for item in seen]) if conserves_flux else np.ones(len(seen))
    return StackObservation(
        begin=min(begins, default=None),
        end=max(ends, default=None),
        middle=middle,
        object=_joined(item.object for item in seen),
        telescope=_joined(item.telescope for item in seen),
        instrument=_joined(item.instrument for item in seen),
        filter=_joined(item.filter for item in seen),
        unit=unit,
        exposure=exposure or None,
        total_exposure=total,
        gain=effective_gain(seen, weight, scale, conserves_flux=conserves_flux),
        saturation=_saturation(seen, scale * factor),
    )


def effective_gain(
    seen: Sequence[Observation], weight: Doubles, scale: Doubles, *, conserves_flux: bool
) -> float | None:
    """Return electrons of one unit of a flux in the stack; None if a frame's gain is not known.

    A flux S of the stack is S / s_i in frame i, with a photon noise of (S / s_i) / g_i there and of
    s_i S / g_i once it is scaled. The mean with weights w_i has the variance
    S sum(w_i^2 s_i / g_i) / sum(w_i)^2, which an effective gain G makes S / G. Where pixels of the
    grid hold surface brightness, the sum over them is a flux over the area of a pixel of the grid,
    and g_i times that area takes the place of g_i.
    """
    stated = [item.gain for item in seen]
    gains = np.array([gain for gain in stated if gain is not None and gain > 0])
    if len(gains) < len(stated):
        return None
    if not conserves_flux:
        gains = gains * np.array([item.area for item in seen])
    return float(weight.sum() ** 2 / (weight**2 * scale / gains).sum())


def _saturation(seen: Sequence[Observation], factor: Doubles) -> float | None:
    """Return the lowest of the frames' saturation levels; None if it is known of none."""
    levels = [
        item.saturation * float(ratio)
        for item, ratio in zip(seen, factor, strict=True)
        if item.saturation is not None
    ]
    return min(levels, default=None)


def _joined(texts: Any) -> str:
    return "+".join(sorted({text for text in texts if text}))
