"""When an exposure was made, in the keywords and forms in which headers say it."""

from __future__ import annotations

import re
import warnings

from astropy.time import Time

from apps.images.plan.sky.frame import Image

_SCALES = {
    "UTC": "utc", "GMT": "utc", "UT": "utc", "TAI": "tai", "IAT": "tai", "TT": "tt", "TDT": "tt",
    "ET": "tt", "TDB": "tdb",
}  # fmt: skip
"""``TIMESYS`` by astropy's names (FITS Standard 4.0, table 30); others are read as UTC, from which
they differ by about a minute at most."""
_BEGIN_DATES = ("DATE-BEG", "DATE-OBS", "DATE_OBS")
_TIMES = ("TIME-OBS", "TIME_OBS", "UTC-OBS", "UT", "UTSTART", "TIME-BEG", "UTC")
"""The time of day that older cameras write beside a ``DATE-OBS`` without one."""
_BEGIN_MJD = ("MJD-BEG", "MJD-OBS", "MJD_OBS", "EXPSTART")
_BEGIN_JD = ("JD", "JD-OBS")
_END_DATES = ("DATE-END",)
_END_MJD = ("MJD-END", "EXPEND")
_JD_OF_MJD_0 = 2_400_000.5
_FIRST_DATE = -6892.0
"""1840: before it there was no photography. Of dates alone, because nobody writes one by chance."""
_FIRST_MJD, _LAST_MJD = 15020.0, 88069.0
"""1900 to 2100: a number outside is a clock that was not set, or of another kind."""
_LONGEST_DAYS = 30.0
"""An exposure that ends later is a frame that was stacked of several, or a mistake."""
_OLD_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d)")
_TIME = re.compile(r"\d\d?:\d\d(:\d\d(\.\d*)?)?")
_SECONDS_A_DAY = 86400.0


def read_span(image: Image, exposure_s: float) -> tuple[float | None, float | None]:
    """Return when an exposure began and ended, UTC as modified Julian dates; None if not known.

    Parameters
    ----------
    image : Image
        The frame.
    exposure_s : float
        How long it was, seconds; 0 if that is not known.
    """
    scale = _SCALES.get(str(image.keyword("TIMESYS") or "").strip().upper(), "utc")
    begin = _first_moment(image, _BEGIN_DATES, _BEGIN_MJD, scale)
    if begin is None:
        jd = image.number(*_BEGIN_JD)
        begin = None if jd is None else _utc(jd - _JD_OF_MJD_0, scale)
    if begin is None:
        return None, None
    end = _first_moment(image, _END_DATES, _END_MJD, scale)
    # The end of what is no longer than its exposure is a second header's, or that of the readout.
    if end is None or not begin <= end <= begin + _LONGEST_DAYS:
        end = begin + exposure_s / _SECONDS_A_DAY
    return begin, end


def _first_moment(
    image: Image, dates: tuple[str, ...], numbers: tuple[str, ...], scale: str
) -> float | None:
    """Return the first keyword's moment that can be one, UTC as a modified Julian date."""
    stated = [*(_date(image, name) for name in dates), *(image.number(name) for name in numbers)]
    moments = (_utc(moment, scale) for moment in stated)
    return next((moment for moment in moments if moment is not None), None)


def _date(image: Image, name: str) -> str | None:
    """Return a date with its time of day in the form of the standard, or None."""
    text = image.keyword(name)
    if not isinstance(text, str):
        return None
    text = text.strip().rstrip("Zz").replace(" ", "T", 1).replace("t", "T")
    old = _OLD_DATE.fullmatch(text)
    if old:  # before 1999 two digits were the year of the twentieth century
        text = f"19{old[3]}-{old[2]}-{old[1]}"
    text = text.replace("/", "-")
    if "T" in text:
        return text
    for other in _TIMES if name in _BEGIN_DATES else ():
        time = image.keyword(other)
        if isinstance(time, str) and _TIME.fullmatch(time.strip()):
            hour, colon, rest = time.strip().partition(":")
            return f"{text}T{hour.rjust(2, '0')}{colon}{rest}"
    return None  # a day alone is no moment


def _utc(stated: str | float | None, scale: str) -> float | None:
    if stated is None:
        return None
    form, first = ("isot", _FIRST_DATE) if isinstance(stated, str) else ("mjd", _FIRST_MJD)
    try:
        with warnings.catch_warnings(action="ignore"):
            moment = float(Time(stated, format=form, scale=scale).utc.mjd)
    except (ValueError, TypeError):
        return None
    return moment if first <= moment <= _LAST_MJD else None
