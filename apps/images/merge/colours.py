"""A preview in colours of images in several filters: which are red, green and blue."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.merge.picture_marks import Marks

Floats = NDArray[np.float64]
Rows = Callable[[], Iterable[NDArray[Any]]]

_NANOMETRES = {
    "u": 365.0, "B": 440.0, "V": 550.0, "R": 640.0, "I": 800.0, "U": 360.0, "g": 480.0,
    "r": 620.0, "i": 760.0, "z": 900.0, "y": 970.0, "Y": 1020.0, "J": 1250.0, "H": 1640.0,
    "K": 2200.0, "G": 530.0, "w": 610.0, "b": 440.0, "v": 550.0, "j": 1250.0, "h": 1640.0,
    "k": 2200.0, "ks": 2150.0, "blue": 440.0, "green": 530.0, "red": 620.0, "ha": 656.3,
    "halpha": 656.3, "hb": 486.1, "hbeta": 486.1, "oiii": 500.7, "o3": 500.7, "sii": 672.0,
    "s2": 672.0, "nii": 658.4, "oii": 372.7, "nir": 850.0, "ir": 850.0, "uv": 250.0, "vr": 620.0,
    "fuv": 153.0, "nuv": 231.0,
}  # fmt: skip
"""Effective wavelengths of filters (Bessell 2005, ARA&A 43, 293): only their order counts."""
_BY_NUMBER = re.compile(r"F(\d{3,4})[A-Z]{1,2}\d?", re.IGNORECASE)
_FIRST_OPTICAL = 200
"""HST's numbers are nanometres from here on, and tens of nanometres below, as JWST's all are."""
_CLEAR = re.compile(r"l|lum|luminance|clear.*|open|unknown|none|w", re.IGNORECASE)
_BRIGHT = 10.0
"""Standard deviations above the sky: pixels that say what is white."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A filter that is a colour of the preview.

    Attributes
    ----------
    name : str
        The filter.
    rows : Callable
        Its image, in pieces of rows.
    """

    name: str
    rows: Rows


def wavelength(name: str) -> float | None:
    """Return about which wavelength a filter has, nanometres; None if its name does not tell."""
    word = name.strip().split(" ")[0].rstrip("'")
    match = _BY_NUMBER.fullmatch(word)
    if match:
        number = float(match[1])
        return number if _FIRST_OPTICAL <= number < 1000 or len(match[1]) > 3 else 10 * number
    plain = re.sub(r"[\s_\-.\[\]()]", "", word)
    if len(plain) > 2 and plain[-1] in "UBVRIugrizyYJHK" and plain[:-1].casefold() in _FAMILIES:
        plain = plain[-1]
    return _NANOMETRES.get(plain, _NANOMETRES.get(plain.casefold()))


_FAMILIES = frozenset(
    {"sloan", "sdss", "bessell", "bessel", "johnson", "cousins", "ps", "astrodon"}
)


def choose_channels(images: Sequence[tuple[str, Rows]]) -> tuple[Channel, ...]:
    """Return what is shown red, green and blue: the reddest, the middle and the bluest filter.

    Filters of no colour (luminance, clear) are taken only if there are not two others; filters
    whose wavelength is not known come in the order of their names, behind the others.

    Parameters
    ----------
    images : Sequence[tuple[str, Callable]]
        Names of filters, and their images.

    Returns
    -------
    tuple[Channel, ...]
        Three, or two of which green is the mean, or one.
    """
    coloured = [image for image in images if not _CLEAR.fullmatch(image[0])]
    chosen = coloured if len(coloured) >= 2 else list(images)
    ordered = sorted(chosen, key=lambda image: (-(wavelength(image[0]) or 0.0), image[0]))
    if len(ordered) > 3:
        ordered = [ordered[0], ordered[(len(ordered) - 1) // 2], ordered[-1]]
    return tuple(Channel(name, rows) for name, rows in ordered)


def colour_preview(channels: Sequence[Floats], marks: Marks | None = None) -> bytes:
    """Return shrunk images as one PNG in colours.

    Parameters
    ----------
    channels : Sequence[ndarray]
        Red, green and blue, or red and blue, float64 (ny, nx); NaN: nothing.
    marks : Marks, optional
        Where on the sky they are.
    """
    from apps.images.merge.pictures import marked, preview

    if len(channels) < 2:
        return preview(channels[0], marks)
    return marked(lupton(channels), marks)


def lupton(channels: Sequence[Floats]) -> NDArray[np.uint8]:
    """Return RGB, uint8 (ny, nx, 3), of Lupton et al. (2004), PASP 116, 133.

    One stretch, the inverse hyperbolic sine of the mean of the colours, multiplies all of them, so
    that a colour does not depend on brightness; what is too bright is scaled down as a whole.
    Bright pixels are grey on average.
    """
    from apps.images.merge.pictures import BLACK, NOTHING, SOFT, WHITE

    skies = [_sky(channel) for channel in channels]
    levels = np.stack([channel - sky for channel, (sky, _) in zip(channels, skies, strict=True)])
    noises = np.array([noise for _, noise in skies])
    levels, noises = _balanced(levels, noises)
    there = np.isfinite(levels).any(axis=0)
    with np.errstate(invalid="ignore"):
        count = np.isfinite(levels).sum(axis=0)
        mean = np.nansum(levels, axis=0) / np.maximum(count, 1)
    levels = np.where(np.isfinite(levels), levels, mean)
    if len(levels) == 2:
        levels = np.stack([levels[0], levels.mean(axis=0), levels[1]])
    noise = float(np.sqrt((noises**2).mean() / len(noises)))
    soft, low = SOFT * noise, BLACK * noise
    white = max(float(np.percentile(mean[there], WHITE)) if there.any() else 0.0, 2 * soft)
    part = np.arcsinh(np.maximum(mean + low, 0.0) / soft) / np.arcsinh((white + low) / soft)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(mean + low > 0, part / (mean + low), 0.0)
    colours = np.maximum((levels + low) * factor, 0.0)
    colours /= np.maximum(colours.max(axis=0), 1.0)
    rgb = np.round(255 * np.moveaxis(colours, 0, -1)).astype(np.uint8)
    rgb[~there] = NOTHING
    return rgb


def _sky(image: Floats) -> tuple[float, float]:
    """Return the level and the noise of a shrunk image's sky."""
    known = image[np.isfinite(image)]
    if not known.size:
        return 0.0, 1.0
    sky = float(np.median(known))
    spread = 1.4826 * float(np.median(np.abs(known - sky)))
    return sky, spread or float(np.ptp(known)) or 1.0


def _balanced(levels: Floats, noises: Floats) -> tuple[Floats, Floats]:
    """Return levels and noises, scaled so that bright pixels are grey on average."""
    units = levels / noises[:, np.newaxis, np.newaxis]
    with np.errstate(invalid="ignore"):
        bright = (units > _BRIGHT).all(axis=0)
    scale = np.ones(len(units))
    if np.count_nonzero(bright) >= len(units):
        scale = 1 / np.array([float(np.mean(channel[bright])) for channel in units])
        scale /= scale.max()
    return units * scale[:, np.newaxis, np.newaxis], scale
