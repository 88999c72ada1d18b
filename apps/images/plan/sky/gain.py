"""Electrons a count, as headers state them."""

from __future__ import annotations

import re

from apps.images.plan.sky.frame import Image


def electrons_per_count(image: Image, keyword: str) -> tuple[float | None, str]:
    """Return the gain that a keyword states, and a remark if it means something else.

    Cameras with CMOS sensors have a setting that their programs write as ``GAIN``, in steps of
    their own; the electrons a count then stand in ``EGAIN``.
    """
    value = image.number(keyword)
    if keyword == "GAIN":
        electrons = image.positive("EGAIN")
        if electrons is not None and electrons != value:
            return electrons, "GAIN is a setting of the camera; EGAIN, electrons a count, is used."
    return value, ""


def certain_gain(image: Image, unit: str, exposure_s: float) -> float | None:
    """Return electrons of one of the pixels' unit, where the header leaves no doubt; else None.

    ``GAIN`` is read if its comment speaks of electrons; alone it is not, because many cameras write
    the number of a setting there. A campaign that says ``gain = "GAIN"`` has it read.

    Parameters
    ----------
    image : Image
        The frame.
    unit : str
        Of its pixels, ``BUNIT``.
    exposure_s : float
        Seconds; 0 if not known.
    """
    word = re.sub(r"[\s.]+", "", unit.lower())
    if word in ("electron", "electrons", "e-", "e"):
        return 1.0
    if re.fullmatch(r"(electrons?|e-)(/s|/sec|s-1|s\*\*-1|s\^-1)", word):
        return exposure_s or None
    gain = image.positive("EGAIN")
    if gain is not None:
        return gain
    for header in (image.header, image.primary):
        if "GAIN" in header:
            comment = str(header.comments["GAIN"]).lower()
            is_told = any(word in comment for word in ("e-", "electron", "e/"))
            return image.positive("GAIN") if is_told else None
    return None
