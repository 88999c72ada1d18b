"""The observation that a header tells of: filter, exposure, date, kind; under any common name.

Keywords differ between observatories and capture programs. Each is looked for under the names that
HST, JWST, ESO, NOIRLab, 2MASS, SDSS, MaxIm, N.I.N.A., SharpCap, ASTAP and Siril write.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from apps.images.plan.sky.frame import Image
from apps.images.plan.sky.gain import certain_gain
from apps.images.plan.sky.moments import read_span

_EXPOSURE_KEYS = (
    "EXPTIME", "EXPOSURE", "XPOSURE", "EFFEXPTM", "EXP_TIME", "TEXPTIME", "ITIME", "EXP",
)  # fmt: skip
_FILTER_KEYS = (
    "FILTER", "FILTNAME", "FILTER1", "FILTER2", "FILT", "BAND", "FILTERS", "FILTNAM1", "INSFLNAM",
    "ESO INS FILT1 NAME", "WFFBAND", "FILTERID",
)  # fmt: skip
_NO_FILTER = frozenset({"", "none", "no", "n/a", "na", "unknown", "undefined", "null", "-", "?"})
_WHEEL_IS_OPEN = re.compile(r"clear\d*[ls]?|open|empty", re.IGNORECASE)
_IN_THE_PUPIL = re.compile(r"F\d{3}[A-Z]\d?")
"""NIRCam's narrow filters stand in its pupil wheel, behind a wide one in the filter wheel."""
_CALIBRATION = re.compile(
    r"(master)?\s*(dark|bias|zero|offset|flat|skyflat|domeflat|arc|lamp|focus)\b.*", re.IGNORECASE
)
_NOT_LIGHT = re.compile(r"light|object|science|sky|target", re.IGNORECASE)
_MOST_TEXT = 60


@dataclass(frozen=True, slots=True)
class Exposed:
    """An exposure as the header of a product states it; none of it changes a pixel.

    Attributes
    ----------
    begin, end : float or None
        UTC as modified Julian dates; None if not known.
    object, telescope, instrument : str
        Texts that may be empty.
    unit : str
        Of a pixel.
    gain : float or None
        Electrons of one of that unit, where the header leaves no doubt.
    saturation : float or None
        In that unit.
    """

    begin: float | None
    end: float | None
    object: str
    telescope: str
    instrument: str
    unit: str
    gain: float | None
    saturation: float | None

    def plain(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Observation:
    """All that is known of an observation.

    Attributes
    ----------
    filter : str
        As the header spells it; empty if it does not say.
    exposure_s : float
        Seconds; 0 if not known.
    kind : str
        What kind of calibration frame it is, in the header's words; empty if it is none.
    exposed : Exposed
        When, of what and with what.
    """

    filter: str
    exposure_s: float
    kind: str
    exposed: Exposed


def observation(image: Image, filter_key: str = "") -> Observation:
    """Return what the headers of an image say of its observation.

    Parameters
    ----------
    image : Image
        Its own header is asked first, then that of the file.
    filter_key : str
        The keyword of the filter, if it is not one of the usual.
    """
    exposure_s = exposure_of(image)
    kind = _text(image.keyword("IMAGETYP", "OBSTYPE", "IMTYPE", "FRAME", "IMAGETYPE"))
    is_calibration = _CALIBRATION.fullmatch(kind) and not _NOT_LIGHT.search(kind)
    begin, end = read_span(image, exposure_s)
    unit = _text(image.keyword("BUNIT"))
    return Observation(
        filter=_filter(image, filter_key),
        exposure_s=exposure_s,
        kind=kind if is_calibration else "",
        exposed=Exposed(
            begin=begin,
            end=end,
            object=_text(image.keyword("OBJECT", "TARGNAME")),
            telescope=_text(image.keyword("TELESCOP", "OBSERVAT")),
            instrument=_text(image.keyword("INSTRUME", "DETECTOR", "CAMERA")),
            unit=unit,
            gain=certain_gain(image, unit, exposure_s),
            saturation=image.positive("SATURATE", "SATLEVEL"),
        ),
    )


def exposure_of(image: Image) -> float:
    """Return the exposure time of an image, seconds; 0 if it is not known."""
    return max(image.number(*_EXPOSURE_KEYS) or 0.0, 0.0)


def same_filter(name: str) -> str:
    """Return what is equal for all spellings of one filter.

    One letter keeps its case, because R of Johnson and r of Sloan are two filters; of longer names
    (Ha, H-alpha, HA) case, blanks and hyphens say nothing.
    """
    if len(name) == 1:
        return name
    plain = re.sub(r"[\s_\-.]", "", name).casefold()
    return {"halpha": "ha", "hα": "ha", "lum": "luminance"}.get(plain, plain)


def _filter(image: Image, filter_key: str) -> str:
    if filter_key:
        return _word(image.keyword(filter_key))
    names = []
    for key in _FILTER_KEYS:
        name = _word(image.keyword(key))
        if name.casefold() in _NO_FILTER:
            continue
        names.append(name)
        if not _WHEEL_IS_OPEN.fullmatch(name):
            break
    else:
        return names[0] if names else ""
    pupil = _text(image.keyword("PUPIL"))
    return pupil if _IN_THE_PUPIL.fullmatch(pupil) else names[-1]


def _word(value: Any) -> str:
    """Return a filter's name, which some headers have as a number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return _text(str(value) if is_number else value)


def _text(value: Any) -> str:
    """Return a text as a header of ours may have it: printable, and not too long; else nothing."""
    if not isinstance(value, str):
        return ""
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() else "?" for letter in value
    )
    return " ".join(plain.split())[:_MOST_TEXT]
