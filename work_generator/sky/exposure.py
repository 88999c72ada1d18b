"""What a frame's header says of the exposure: when, of which object, with which instrument.

None of it changes a pixel. It travels beside the frame's numbers to the header of the product.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

from astropy.time import Time

from work_generator.sky.frame import Image

SCALES = {
    "UTC": "utc", "GMT": "utc", "UT": "utc", "TAI": "tai", "IAT": "tai", "TT": "tt", "TDT": "tt",
    "ET": "tt", "TDB": "tdb",
}  # fmt: skip
"""``TIMESYS`` by astropy's names (FITS Standard 4.0, table 30); others are read as UTC, from which
they differ by about a minute at most."""
BEGIN_DATES = ("DATE-BEG", "DATE-OBS", "DATE_OBS")
BEGIN_MJD = ("MJD-BEG", "MJD-OBS", "EXPSTART")
BEGIN_TIMES = ("TIME-OBS", "TIME_OBS", "UTC-OBS", "UT", "UTSTART", "TIME-BEG")
"""The time of day that older cameras write beside a ``DATE-OBS`` without one."""
END_DATES = ("DATE-END",)
END_MJD = ("MJD-END", "EXPEND")
FIRST_MJD, LAST_MJD = 15020.0, 88069.0
"""1900 to 2100: what lies outside is a clock that was not set."""
LONGEST_DAYS = 30.0
"""An exposure that ends later is a frame that was stacked of several, or a mistake."""
_MOST_TEXT = 60
_OLD_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d)")
_SECONDS_A_DAY = 86400.0


def read_exposure(image: Image, exposure: float) -> dict[str, Any]:
    """Return what a header says of an exposure, as plain JSON values.

    Parameters
    ----------
    image : Image
        The frame.
    exposure : float
        Seconds; 0 if it is not known.

    Returns
    -------
    dict
        ``begin`` and ``end``, UTC as modified Julian dates, None if not known; ``object``,
        ``telescope``, ``instrument`` and ``unit`` (of a pixel), texts that may be empty; ``gain``,
        electrons of one of that unit, and ``saturation``, in that unit, None if not known.
    """
    begin, end = _span(image, exposure)
    unit = _text(image, "BUNIT")
    return {
        "begin": begin,
        "end": end,
        "object": _text(image, "OBJECT", "TARGNAME"),
        "telescope": _text(image, "TELESCOP", "OBSERVAT"),
        "instrument": _text(image, "INSTRUME", "DETECTOR", "CAMERA"),
        "unit": unit,
        "gain": _gain(image, unit, exposure),
        "saturation": _positive(image, "SATURATE", "SATLEVEL"),
    }


def _span(image: Image, exposure: float) -> tuple[float | None, float | None]:
    scale = SCALES.get(_text(image, "TIMESYS").upper(), "utc")
    begin = _first_moment(image, BEGIN_DATES, BEGIN_MJD, scale)
    if begin is None:
        return None, None
    end = _first_moment(image, END_DATES, END_MJD, scale)
    # The end of what is no longer than its exposure is a second header's, or that of the readout.
    if end is None or not begin <= end <= begin + LONGEST_DAYS:
        end = begin + exposure / _SECONDS_A_DAY
    return begin, end


def _first_moment(
    image: Image, dates: tuple[str, ...], numbers: tuple[str, ...], scale: str
) -> float | None:
    """Return the first keyword's moment that can be one, UTC as a modified Julian date."""
    for name in dates:
        moment = _utc(_date(image, name), scale)
        if moment is not None:
            return moment
    for name in numbers:
        moment = _utc(image.number(name), scale)
        if moment is not None:
            return moment
    return None


def _date(image: Image, name: str) -> str | None:
    """Return a date with its time of day in the form of the standard, or None."""
    text = image.keyword(name)
    if not isinstance(text, str):
        return None
    text = text.strip().rstrip("Zz").replace(" ", "T", 1).replace("t", "T")
    old = _OLD_DATE.fullmatch(text)
    if old:  # before 1999 two digits were the year of the twentieth century
        text = f"19{old[3]}-{old[2]}-{old[1]}"
    if "T" in text:
        return text
    for other in BEGIN_TIMES if name in BEGIN_DATES else ():
        time = image.keyword(other)
        if isinstance(time, str) and re.fullmatch(r"\d\d?:\d\d:\d\d(\.\d*)?", time.strip()):
            return f"{text}T{time.strip().rjust(8, '0')}"
    return None  # a day alone is no moment


def _utc(stated: str | float | None, scale: str) -> float | None:
    if stated is None:
        return None
    form = "isot" if isinstance(stated, str) else "mjd"
    try:
        with warnings.catch_warnings(action="ignore"):
            moment = float(Time(stated, format=form, scale=scale).utc.mjd)
    except (ValueError, TypeError):
        return None
    return moment if FIRST_MJD <= moment <= LAST_MJD else None


def _gain(image: Image, unit: str, exposure: float) -> float | None:
    """Return electrons of one of the pixels' unit, where the header leaves no doubt.

    ``GAIN`` is read if its comment speaks of electrons; alone it is not, because many cameras write
    the number of a setting there. A campaign that says ``gain = "GAIN"`` has it read.
    """
    word = re.sub(r"[\s.]+", "", unit.lower())
    if word in ("electron", "electrons", "e-", "e"):
        return 1.0
    if re.fullmatch(r"(electrons?|e-)(/s|/sec|s-1|s\*\*-1|s\^-1)", word):
        return exposure or None
    gain = _positive(image, "EGAIN")
    if gain is not None:
        return gain
    for header in (image.header, image.primary):
        if "GAIN" in header:
            comment = str(header.comments["GAIN"]).lower()
            is_told = any(word in comment for word in ("e-", "electron", "e/"))
            return _positive(image, "GAIN") if is_told else None
    return None


def _positive(image: Image, *names: str) -> float | None:
    value = image.number(*names)
    return value if value is not None and value > 0 else None


def _text(image: Image, *names: str) -> str:
    """Return the first of the keywords that is a text, printable and not too long; else nothing."""
    value = image.keyword(*names)
    if not isinstance(value, str):
        return ""
    plain = "".join(one if one.isascii() and one.isprintable() else "?" for one in value)
    return " ".join(plain.split())[:_MOST_TEXT]
