"""What a header says of its observation: filter, exposure, date, kind; under any common name.

Keywords differ between observatories and capture programs. Each is looked for under the names that
HST, JWST, ESO, NOIRLab, 2MASS, SDSS, MaxIm, N.I.N.A., SharpCap, ASTAP and Siril write.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from work_generator.sky.frame import Image
from work_generator.sky.header import number_of

EXPOSURE_KEYS = (
    "EXPTIME",
    "EXPOSURE",
    "XPOSURE",
    "EFFEXPTM",
    "EXP_TIME",
    "TEXPTIME",
    "ITIME",
    "EXP",
)
FILTER_KEYS = ("FILTER", "FILTNAME", "FILTER1", "FILTER2", "FILT", "BAND", "FILTERS", "FILTNAM1",
               "INSFLNAM", "ESO INS FILT1 NAME", "WFFBAND", "FILTERID")  # fmt: skip
_NO_FILTER = frozenset({"", "none", "no", "n/a", "na", "unknown", "undefined", "null", "-", "?"})
_WHEEL_IS_OPEN = re.compile(r"clear\d*[ls]?|open|empty", re.IGNORECASE)
_IN_THE_PUPIL = re.compile(r"F\d{3}[A-Z]\d?")
"""NIRCam's narrow filters stand in its pupil wheel, behind a wide one in the filter wheel."""
_CALIBRATION = re.compile(
    r"(master)?\s*(dark|bias|zero|offset|flat|skyflat|domeflat|arc|lamp|focus)\b.*", re.IGNORECASE
)
_NOT_LIGHT = re.compile(r"light|object|science|sky|target", re.IGNORECASE)
_MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)
_JD_OF_MJD_0 = 2_400_000.5
_FIRST_YEAR, _LAST_YEAR = 1840, 2200
"""Before the first there was no photography; a date beyond the last is a clock that was not set."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one exposure.

    Attributes
    ----------
    filter : str
        As the header spells it; empty if it does not say.
    exposure_s : float
        Seconds; 0 if not known.
    start : datetime or None
        Aware; when the exposure began.
    kind : str
        What kind of calibration frame it is, in the header's words; empty if it is none.
    instrument : str
        As the header has it; empty if it does not.
    """

    filter: str
    exposure_s: float
    start: datetime | None
    kind: str
    instrument: str


def observation(image: Image, filter_key: str = "") -> Observation:
    """Return what the headers of an image say of its observation.

    Parameters
    ----------
    image : Image
        Its own header is asked first, then that of the file.
    filter_key : str
        The keyword of the filter, if it is not one of the usual.
    """
    exposure = image.number(*EXPOSURE_KEYS)
    kind = _text(image.keyword("IMAGETYP", "OBSTYPE", "IMTYPE", "FRAME", "IMAGETYPE"))
    is_calibration = _CALIBRATION.fullmatch(kind) and not _NOT_LIGHT.search(kind)
    return Observation(
        filter=_filter(image, filter_key),
        exposure_s=exposure if exposure is not None and exposure > 0 else 0.0,
        start=_start(image),
        kind=kind if is_calibration else "",
        instrument=_text(image.keyword("INSTRUME", "CAMERA", "DETECTOR")),
    )


def electrons_per_count(image: Image, keyword: str) -> tuple[float | None, str]:
    """Return the gain that a keyword states, and a remark if it means something else.

    Cameras with CMOS sensors have a setting that their programs write as ``GAIN``, in steps of
    their own; the electrons a count then stand in ``EGAIN``.
    """
    value = image.number(keyword)
    if keyword == "GAIN":
        electrons = image.number("EGAIN")
        if electrons is not None and electrons > 0 and electrons != value:
            return electrons, "GAIN is a setting of the camera; EGAIN, electrons a count, is used."
    return value, ""


def same_filter(name: str) -> str:
    """Return what is equal for all spellings of one filter.

    One letter keeps its case, because R of Johnson and r of Sloan are two filters; of longer names
    (Ha, H-alpha, HA) case, blanks and hyphens say nothing.
    """
    if len(name) == 1:
        return name
    plain = re.sub(r"[\s_\-.]", "", name).casefold()
    return {"halpha": "ha", "hα": "ha", "lum": "luminance", "red": "red"}.get(plain, plain)


def _filter(image: Image, filter_key: str) -> str:
    if filter_key:
        return _text(image.keyword(filter_key))
    names = []
    for key in FILTER_KEYS:
        name = _text(image.keyword(key))
        if name.casefold() in _NO_FILTER:
            continue
        names.append(name)
        if not _WHEEL_IS_OPEN.fullmatch(name):
            break
    else:
        return names[0] if names else ""
    pupil = _text(image.keyword("PUPIL"))
    return pupil if _IN_THE_PUPIL.fullmatch(pupil) else names[-1]


def _start(image: Image) -> datetime | None:
    for key in ("DATE-BEG", "DATE-OBS", "DATE_OBS"):
        value = _text(image.keyword(key))
        time = _text(image.keyword("TIME-OBS", "TIME_OBS", "UTSTART", "UTC-OBS", "UT", "UTC"))
        start = _date(value, time) if value else None
        if start is not None:
            return start
    for key, zero in (("MJD-BEG", 0.0), ("MJD-OBS", 0.0), ("MJD_OBS", 0.0), ("EXPSTART", 0.0),
                      ("JD", _JD_OF_MJD_0), ("JD-OBS", _JD_OF_MJD_0)):  # fmt: skip
        number = image.number(key)
        if number is not None and 0 < number - zero < 130_000:
            return _MJD_0 + timedelta(days=number - zero)
    return None


def _date(value: str, time: str) -> datetime | None:
    """Return the time that a date states, with the time of day of another keyword if needed."""
    old = re.fullmatch(r"(\d\d)/(\d\d)/(\d\d)", value)  # of the last century, FITS says
    if old:
        value = f"19{old[3]}-{old[2]}-{old[1]}"
    value = value.replace("/", "-").removesuffix("Z").strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value) and re.match(r"\d\d:\d\d", time):
        value = f"{value}T{time}"
    try:
        start = datetime.fromisoformat(value)
    except ValueError:
        return None
    start = start if start.tzinfo else start.replace(tzinfo=UTC)
    return start if _FIRST_YEAR <= start.year <= _LAST_YEAR else None


def _text(value: Any) -> str:
    """Return a header's value as printable text of at most 60 characters."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float) and not math.isfinite(number_of(value) or math.nan):
        return ""
    words = " ".join(str(value).split())
    return "".join(c for c in words if c.isprintable())[:60]
